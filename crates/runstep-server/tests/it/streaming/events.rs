//! Events of streamed runs: their order and content.

use axum::body::to_bytes;
use axum::http::Method;
use runstep_server::Server;
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use serde_json::{Value, json};

use crate::harness::{
    Event, Fixture, TestClient, call_ids, delta_text, event_names, final_run, id, message_text,
    self_cancelling_fixture,
};

/// Event names, one a line, with repetitions collapsed.
fn distinct_names(events: &[Event]) -> String {
    let mut names = event_names(events);
    names.dedup();
    names.join("\n")
}

#[tokio::test(start_paused = true)]
async fn run_emits_events_from_creation_to_completion() {
    let fixture = Fixture::with_turns([Turn::text("It is sunny.")], &[]).await;
    let events = fixture.stream_run(json!({})).await;
    insta::assert_snapshot!(event_names(&events).join("\n"), @r"
    run.created
    run.queued
    run.in_progress
    run.step.created
    run.step.in_progress
    message.created
    message.in_progress
    message.delta
    message.delta
    message.delta
    message.completed
    run.step.completed
    run.completed
    done
    ");
    let run = final_run(&events);
    assert_eq!(run, fixture.get_run(&run).await);
    assert_eq!(delta_text(&events), "It is sunny.");
    assert_eq!(fixture.message_texts().await, ["Hello there", "It is sunny."]);
}

/// Some clients split streams at all line separators of Unicode.
#[tokio::test(start_paused = true)]
async fn line_separators_are_escaped() {
    let text = "a\u{85}b\u{2028}c\u{2029}d ä€";
    let fixture = Fixture::with_turns([Turn::text(text)], &[]).await;
    let tool = json!({"type": "function", "function": {"name": "f", "description": text}});
    let body =
        fixture.run_body(json!({"stream": true, "metadata": {"text": text}, "tools": [tool]}));
    let response =
        fixture.client.send(Method::POST, &fixture.runs_path(), body.to_string().into()).await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let stream = std::str::from_utf8(&bytes).unwrap();
    assert!(!stream.contains(['\u{85}', '\u{2028}', '\u{2029}']), "{stream}");
    assert!(stream.contains(r"a\u0085b\u2028c\u2029d ä€"), "{stream}");
    assert!(stream.contains(r#""description":"a\u0085b\u2028c\u2029d ä€""#), "{stream}");
    assert_eq!(message_text(&fixture.newest_message().await), text);
    assert_eq!(fixture.newest_run().await["tools"][0]["function"]["description"], text);
}

#[tokio::test(start_paused = true)]
async fn each_event_carries_its_object_at_that_time() {
    let fixture = Fixture::with_turns([Turn::text("It is sunny.")], &[]).await;
    let events = fixture.stream_run(json!({})).await;
    for Event { name, data, .. } in &events {
        let status = name.rsplit('.').next().unwrap();
        let expected = match (name.as_str(), status) {
            (_, "delta") | ("done", _) => continue,
            ("thread.run.created", _) => "queued",
            (_, "created") => "in_progress",
            (_, status) => status,
        };
        assert_eq!(data["status"], expected, "{name}");
    }
    let data = |name: &str| &events.iter().find(|event| event.name == name).unwrap().data;
    assert_eq!(data("thread.message.created")["content"], json!([]));
    assert_eq!(message_text(data("thread.message.completed")), "It is sunny.");
}

#[tokio::test(start_paused = true)]
async fn only_the_first_message_delta_contains_the_role() {
    let fixture = Fixture::with_turns([Turn::chunks(["a", "b"])], &[]).await;
    let events = fixture.stream_run(json!({})).await;
    let deltas: Vec<_> =
        events.iter().filter(|event| event.name == "thread.message.delta").collect();
    let part = |value: &str| json!({"index": 0, "type": "text", "text": {"value": value}});
    let mut first = part("a");
    first["text"]["annotations"] = json!([]);
    assert_eq!(deltas[0].data["delta"], json!({"role": "assistant", "content": [first]}));
    assert_eq!(deltas[1].data["delta"], json!({"content": [part("b")]}));
}

#[tokio::test(start_paused = true)]
async fn thread_created_precedes_run_created() {
    let client = TestClient::with_turns([Turn::text("Hi")]);
    let body = json!({
        "assistant_id": client.create_assistant(json!({})).await,
        "thread": {"messages": [{"role": "user", "content": "Hello"}]},
        "stream": true,
    });
    let events = client.stream_events("/threads/runs", body).await;
    assert_eq!(event_names(&events)[..3], ["created", "run.created", "run.queued"]);
    let run = final_run(&events);
    assert_eq!(run["thread_id"], events[0].data["id"]);
    assert_eq!(client.get(&format!("/threads/{}", id(&events[0].data))).await.ok(), events[0].data);
}

#[tokio::test(start_paused = true)]
async fn tool_round_takes_two_streams() {
    let client = TestClient::with_turns([
        Turn::call("weather", json!({"city": "Paris"})).and_call("time", json!({})),
        Turn::text("Sunny."),
    ]);
    let fixture = client.create_fixture(&["weather", "time"]).await;
    let events = fixture.stream_run(json!({})).await;
    insta::assert_snapshot!(distinct_names(&events), @r"
    run.created
    run.queued
    run.in_progress
    run.step.created
    run.step.in_progress
    run.step.delta
    run.requires_action
    done
    ");
    let run = final_run(&events);

    let mut calls = [json!({"arguments": ""}), json!({"arguments": ""})];
    for event in events.iter().filter(|event| event.name == "thread.run.step.delta") {
        let delta = &event.data["delta"]["step_details"]["tool_calls"][0];
        let call = &mut calls[usize::try_from(delta["index"].as_u64().unwrap()).unwrap()];
        if let Some(id) = delta.get("id") {
            assert_eq!(call.get("id"), None, "an id is repeated");
            call["id"] = id.clone();
            call["name"] = delta["function"]["name"].clone();
        }
        let text = call["arguments"].as_str().unwrap().to_owned();
        call["arguments"] = (text + delta["function"]["arguments"].as_str().unwrap()).into();
    }
    let ids = call_ids(&run);
    assert_eq!(
        calls[0],
        json!({"id": ids[0], "name": "weather", "arguments": r#"{"city":"Paris"}"#})
    );
    assert_eq!(calls[1], json!({"id": ids[1], "name": "time", "arguments": "{}"}));

    let events = fixture.open_outputs_stream(&run, &["sun", "noon"]).await.read_to_end().await;
    insta::assert_snapshot!(distinct_names(&events), @r"
    run.step.completed
    run.queued
    run.in_progress
    run.step.created
    run.step.in_progress
    message.created
    message.in_progress
    message.delta
    message.completed
    run.step.completed
    run.completed
    done
    ");
    assert_eq!(final_run(&events)["status"], "completed");
    let calls = &events[0].data["step_details"]["tool_calls"];
    assert_eq!(
        (&calls[0]["function"]["output"], &calls[1]["function"]["output"]),
        (&"sun".into(), &"noon".into())
    );
}

#[tokio::test(start_paused = true)]
async fn text_before_a_call_is_a_separate_message() {
    let turn = Turn::text("Let me check.").and_call("weather", json!({}));
    let fixture = Fixture::with_turns([turn], &["weather"]).await;
    let events = fixture.stream_run(json!({})).await;
    insta::assert_snapshot!(distinct_names(&events), @r"
    run.created
    run.queued
    run.in_progress
    run.step.created
    run.step.in_progress
    message.created
    message.in_progress
    message.delta
    message.completed
    run.step.completed
    run.step.created
    run.step.in_progress
    run.step.delta
    run.requires_action
    done
    ");
    final_run(&events);
    assert_eq!(delta_text(&events), "Let me check.");
}

#[tokio::test(start_paused = true)]
async fn last_events_depend_on_how_the_model_ends() {
    let fail = |turn: Turn| turn.and_fail(ModelErrorKind::Server, "Broken.");
    let cut_call = Turn::call_raw("weather", r#"{"city": "Pa"#).token_limit();
    let cases = [
        (fail(Turn::text("It is")), "message.delta message.incomplete run.step.failed run.failed"),
        (
            Turn::fail(ModelErrorKind::Server, "Broken."),
            "run.created run.queued run.in_progress run.failed",
        ),
        (Turn::text("It").token_limit(), "message.incomplete run.step.completed run.incomplete"),
        (cut_call, "run.step.delta run.step.failed run.incomplete"),
        (Turn::text("It").and_stall(), "message.incomplete run.step.expired run.expired"),
    ];
    for (turn, expected) in cases {
        let fixture = Fixture::with_turns([turn], &["weather"]).await;
        let events = fixture.stream_run(json!({})).await;
        let names = event_names(&events).join(" ");
        assert!(names.ends_with(&format!("{expected} done")), "{names}");
        let run = final_run(&events);
        assert_eq!(run["required_action"], Value::Null);
        match run["status"].as_str().unwrap() {
            "failed" => assert_eq!(run["last_error"]["message"], "Broken."),
            "incomplete" => {
                assert_eq!(run["incomplete_details"]["reason"], "max_completion_tokens");
            }
            status => assert_eq!(status, "expired"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancel_is_streamed() {
    let fixture = Fixture::with_turns([Turn::text("It is").and_stall()], &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let start = stream.read_until("thread.message.delta").await;
    assert_eq!(fixture.cancel_run(&start[0].data).await.ok()["status"], "cancelling");
    let events = stream.read_to_end().await;
    insta::assert_snapshot!(distinct_names(&events), @r"
    message.delta
    run.cancelling
    message.incomplete
    run.step.cancelled
    run.cancelled
    done
    ");
    final_run(&events);
}

#[tokio::test(start_paused = true)]
async fn model_output_after_a_cancel_is_discarded() {
    let fixture = self_cancelling_fixture(&["in time"]).await;
    let events = fixture.stream_run(json!({})).await;
    assert_eq!(delta_text(&events), "in time");
    let names = event_names(&events);
    let expected =
        ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled", "done"];
    assert_eq!(names[names.len() - 5..], expected);
    assert_eq!(fixture.message_texts().await[1], "in time");
}

#[tokio::test(start_paused = true)]
async fn cancel_right_after_tool_outputs_is_streamed() {
    let model = Scripted::new([Turn::call("weather", json!({})), Turn::stall()]);
    let builder = Server::builder().model(model).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    let fixture = client.create_fixture(&["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    client.hold_execution_permit().await;
    let stream = fixture.open_outputs_stream(&run, &["sun"]).await;
    fixture.cancel_run(&run).await.ok();
    let events = stream.read_to_end().await;
    let expected = ["run.step.completed", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(event_names(&events), expected);
    assert_eq!(final_run(&events), fixture.get_run(&run).await);
}
