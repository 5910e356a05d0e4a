//! The events of runs: which come, in which order, and what they add up to.

use std::sync::{Arc, OnceLock};

use crate::harness::{
    Api, Event, Scene, call_ids, function, id, last_run, merged, names, outputs_for, text, told,
};
use futures_util::{StreamExt as _, stream};
use runstep_server::model::{
    Model, ModelErrorKind, ModelEvent, ModelRequest, ModelStream, Offline, Turn,
};
use serde_json::{Value, json};

/// The names, in lines; several of the same kind in a row are one line.
fn order(events: &[Event]) -> String {
    let mut names = names(events);
    names.dedup();
    names.join("\n")
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_told_from_the_creation_of_its_run_to_its_end() {
    let scene = Api::scripted([Turn::say("It is sunny.")]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    insta::assert_snapshot!(names(&events).join("\n"), @r"
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
    let run = last_run(&events);
    assert_eq!(run, scene.get_run(&run).await);
    assert_eq!(told(&events), "It is sunny.");
    assert_eq!(scene.texts().await, ["Hello there", "It is sunny."]);
}

#[tokio::test(start_paused = true)]
async fn each_event_shows_its_object_as_it_then_was() {
    let scene = Api::scripted([Turn::say("It is sunny.")]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    for Event { name, data, .. } in &events {
        let status = name.rsplit('.').next().unwrap();
        let shown = match (name.as_str(), status) {
            (_, "delta") | ("done", _) => continue,
            ("thread.run.created", _) => "queued",
            (_, "created") => "in_progress",
            (_, status) => status,
        };
        assert_eq!(data["status"], shown, "{name}");
    }
    let message = |name: &str| &events.iter().find(|event| event.name == name).unwrap().data;
    assert_eq!(message("thread.message.created")["content"], json!([]));
    assert_eq!(text(message("thread.message.completed")), "It is sunny.");
}

#[tokio::test(start_paused = true)]
async fn the_first_delta_alone_names_the_role() {
    let scene = Api::scripted([Turn::chunks(["a", "b"])]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let deltas: Vec<_> = events.iter().filter(|one| one.name == "thread.message.delta").collect();
    let piece = |value: &str| json!({"index": 0, "type": "text", "text": {"value": value}});
    let mut first = piece("a");
    first["text"]["annotations"] = json!([]);
    assert_eq!(deltas[0].data["delta"], json!({"role": "assistant", "content": [first]}));
    assert_eq!(deltas[1].data["delta"], json!({"content": [piece("b")]}));
}

#[tokio::test(start_paused = true)]
async fn a_new_thread_is_told_before_its_run() {
    let api = Api::scripted([Turn::say("Hi")]);
    let body = json!({
        "assistant_id": api.assistant(json!({})).await,
        "thread": {"messages": [{"role": "user", "content": "Hello"}]},
        "stream": true,
    });
    let events = api.stream("/threads/runs", body).await;
    assert_eq!(names(&events)[..3], ["created", "run.created", "run.queued"]);
    let run = last_run(&events);
    assert_eq!(run["thread_id"], events[0].data["id"]);
    assert_eq!(api.get(&format!("/threads/{}", id(&events[0].data))).await.ok(), events[0].data);
}

#[tokio::test(start_paused = true)]
async fn a_tool_round_is_two_streams() {
    let api = Api::scripted([
        Turn::call("weather", json!({"city": "Paris"})).and_call("time", json!({})),
        Turn::say("Sunny."),
    ]);
    let scene = api.scene(&["weather", "time"]).await;
    let events = scene.stream(json!({})).await;
    insta::assert_snapshot!(order(&events), @r"
    run.created
    run.queued
    run.in_progress
    run.step.created
    run.step.in_progress
    run.step.delta
    run.requires_action
    done
    ");
    let run = last_run(&events);

    let mut calls = [json!({"arguments": ""}), json!({"arguments": ""})];
    for event in events.iter().filter(|event| event.name == "thread.run.step.delta") {
        let delta = &event.data["delta"]["step_details"]["tool_calls"][0];
        let call = &mut calls[usize::try_from(delta["index"].as_u64().unwrap()).unwrap()];
        if let Some(id) = delta.get("id") {
            assert_eq!(call.get("id"), None, "an id comes once");
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

    let body = merged(outputs_for(&run, &["sun", "noon"]), json!({"stream": true}));
    let events = api.stream(&scene.run_path(&run, "/submit_tool_outputs"), body).await;
    insta::assert_snapshot!(order(&events), @r"
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
    assert_eq!(last_run(&events)["status"], "completed");
    let calls = &events[0].data["step_details"]["tool_calls"];
    assert_eq!(
        (&calls[0]["function"]["output"], &calls[1]["function"]["output"]),
        (&"sun".into(), &"noon".into())
    );
}

#[tokio::test(start_paused = true)]
async fn text_before_a_call_is_a_message_of_its_own() {
    let turn = Turn::say("Let me look.").and_call("weather", json!({}));
    let scene = Api::scripted([turn]).scene(&["weather"]).await;
    let events = scene.stream(json!({})).await;
    insta::assert_snapshot!(order(&events), @r"
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
    last_run(&events);
    assert_eq!(told(&events), "Let me look.");
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_text_ends_message_step_and_run() {
    let turn = Turn::say("It is").and_fail(ModelErrorKind::Server, "Broken.");
    let scene = Api::scripted([turn]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let names = names(&events);
    let end = ["message.delta", "message.incomplete", "run.step.failed", "run.failed", "done"];
    assert_eq!(names[names.len() - 5..], end);
    assert_eq!(last_run(&events)["last_error"]["message"], "Broken.");
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_once_is_told_without_a_step() {
    let scene = Api::scripted([Turn::fail(ModelErrorKind::Server, "Broken.")]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let expected = ["run.created", "run.queued", "run.in_progress", "run.failed", "done"];
    assert_eq!(names(&events), expected);
}

#[tokio::test(start_paused = true)]
async fn a_token_limit_ends_the_message_incomplete() {
    let scene = Api::scripted([Turn::say("It is").token_limit()]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let names = names(&events);
    let end = ["message.incomplete", "run.step.completed", "run.incomplete", "done"];
    assert_eq!(names[names.len() - 4..], end);
    assert_eq!(last_run(&events)["incomplete_details"]["reason"], "max_completion_tokens");
}

#[tokio::test(start_paused = true)]
async fn a_token_limit_within_a_call_fails_its_step_and_asks_for_no_outputs() {
    let turn = Turn::call_raw("weather", r#"{"city": "Pa"#).token_limit();
    let scene = Api::scripted([turn]).scene(&["weather"]).await;
    let events = scene.stream(json!({})).await;
    let names = names(&events);
    assert_eq!(names[names.len() - 3..], ["run.step.failed", "run.incomplete", "done"]);
    assert_eq!(last_run(&events)["required_action"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_told_to_whoever_listens() {
    let scene = Api::scripted([Turn::say("It is").and_stall()]).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let start = stream.until("thread.message.delta").await;
    assert_eq!(scene.cancel(&start[0].data).await.ok()["status"], "cancelling");
    let events = stream.rest().await;
    insta::assert_snapshot!(order(&events), @r"
    message.delta
    run.cancelling
    message.incomplete
    run.step.cancelled
    run.cancelled
    done
    ");
    last_run(&events);
}

/// Says something, has its own run cancelled, and says something more in the same breath.
struct Meddling(Arc<OnceLock<Scene>>);

impl Model for Meddling {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let scene = self.0.get().unwrap().clone();
        let say = |text: &str| Ok(ModelEvent::Text(text.to_owned()));
        let meddle = stream::once(async move {
            let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
            scene.cancel(&run).await.ok();
            say("too late")
        });
        Box::pin(stream::iter([say("in time")]).chain(meddle))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_model_says_after_a_cancel_goes_nowhere() {
    let told_later = Arc::new(OnceLock::new());
    let scene = Api::new(Meddling(Arc::clone(&told_later))).scene(&[]).await;
    told_later.set(scene.clone()).ok().unwrap();
    let events = scene.stream(json!({})).await;
    assert_eq!(told(&events), "in time");
    let names = names(&events);
    let expected =
        ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled", "done"];
    assert_eq!(names[names.len() - 5..], expected);
    assert_eq!(scene.texts().await[1], "in time");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_told_to_whoever_listens() {
    let scene = Api::scripted([Turn::say("It").and_stall()]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let names = names(&events);
    let end = ["message.incomplete", "run.step.expired", "run.expired", "done"];
    assert_eq!(names[names.len() - 4..], end);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_right_after_outputs_is_told_to_whoever_listens() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    let body = merged(outputs_for(&run, &["sun"]), json!({"stream": true}));
    let path = scene.run_path(&run, "/submit_tool_outputs");
    let stream = scene.api.listen(&path, body).await;
    // On this runtime no other task has run since.
    scene.cancel(&run).await.ok();
    let events = stream.rest().await;
    let expected = ["run.step.completed", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(names(&events), expected);
    assert_eq!(last_run(&events), scene.get_run(&run).await);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_stream() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let error = scene.try_start(json!({"stream": true, "temperature": 3})).await.refused(400);
    assert_eq!(error["param"], "temperature");
    let tools = json!([function("weather")]);
    let events = scene.stream(json!({"tools": tools})).await;
    assert_eq!(last_run(&events)["status"], "requires_action");
}
