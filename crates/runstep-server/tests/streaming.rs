//! The events of runs: which come, in which order, and what they add up to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runstep_server::model::{
    Model, ModelErrorKind, ModelEvent, ModelRequest, ModelStream, Offline, Turn,
};
use serde_json::{Value, json};
use support::{
    Api, Event, Frame, Scene, breathe, call_ids, function, id, merged, names, outputs_for, text,
};
use tokio::time::{sleep, timeout};

/// The names, in lines; several of the same kind in a row are one line.
fn order(events: &[Event]) -> String {
    let mut names = names(events);
    names.dedup();
    names.join("\n")
}

/// What the texts in message deltas add up to.
fn told(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "thread.message.delta");
    let parts = deltas.map(|event| {
        let part = &event.data["delta"]["content"][0];
        assert_eq!((part["index"].as_u64(), part["type"].as_str()), (Some(0), Some("text")));
        part["text"]["value"].as_str().unwrap().to_owned()
    });
    parts.collect()
}

/// The run in the last event before `done`, after a check that the stream ends once.
#[track_caller]
fn last_run(events: &[Event]) -> Value {
    let ends = ["completed", "incomplete", "failed", "cancelled", "expired", "requires_action"];
    let names = names(events);
    let is_end = |name: &&str| name.strip_prefix("run.").is_some_and(|name| ends.contains(&name));
    assert_eq!(names.iter().copied().filter(|name| is_end(name)).count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "done").count(), 1, "{names:?}");
    let [.., run, done] = events else { panic!("{names:?}") };
    assert_eq!(done.data, "[DONE]");
    assert!(is_end(&run.name.strip_prefix("thread.").unwrap()), "{names:?}");
    run.data.clone()
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
async fn silence_is_broken_by_a_comment_every_fifteen_seconds() {
    let turn = Turn::say("It is sunny.").after(Duration::from_secs(40));
    let scene = Api::scripted([turn]).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    stream.until("thread.run.in_progress").await;
    assert!(timeout(Duration::from_secs(14), stream.frame()).await.is_err(), "too soon");
    let second = timeout(Duration::from_secs(2), stream.frame()).await;
    assert_eq!(second.expect("too late"), Some(Frame::Comment));
    let third = timeout(Duration::from_secs(16), stream.frame()).await;
    assert_eq!(third.expect("too late"), Some(Frame::Comment));
    assert_eq!(last_run(&stream.rest().await)["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_nobody_listens_any_more() {
    let model = Offline::new().chunk_interval(Duration::from_secs(1));
    let scene = Api::new(model).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let start = stream.until("thread.message.delta").await;
    drop(stream);
    let run = scene.settle(&start[0].data).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(scene.texts().await[1], "You said: \"Hello there\"");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_does_not_read_holds_up_neither_a_cancel_nor_an_expiry() {
    // Around as many events as may wait for a listener.
    for count in 235..=255 {
        for expire in [false, true] {
            let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
            let scene = Api::scripted([turn]).scene(&["weather"]).await;
            let stream = scene.listen(json!({})).await;
            breathe().await;
            let list = scene.api.get(&scene.runs()).await.ok();
            let run = list["data"][0].clone();
            if expire {
                sleep(Duration::from_secs(601)).await;
            } else {
                scene.cancel(&run).await.ok();
            }
            let ended = timeout(Duration::from_secs(60), scene.settle(&run)).await;
            let status = if expire { "expired" } else { "cancelled" };
            assert_eq!(ended.expect("no end")["status"], status, "{count}");
            drop(stream);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_is_told_what_its_run_waited_for_although_outputs_have_come() {
    // Around as many events as may wait for a listener.
    for count in 235..=255 {
        let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
        let scene = Api::scripted([turn, Turn::say("Sunny.")]).scene(&["weather"]).await;
        let stream = scene.listen(json!({})).await;
        breathe().await;
        let list = scene.api.get(&scene.runs()).await.ok();
        let run = list["data"][0].clone();
        if run["status"] == "requires_action" {
            scene.submit(&run, &["sun"]).await;
            assert_eq!(scene.settle(&run).await["status"], "completed");
        }
        let last = last_run(&stream.rest().await);
        assert_eq!(last["status"], "requires_action", "{count}");
        assert!(last["required_action"].is_object(), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_half_a_minute_for_a_listener_that_does_not_read_and_goes_on() {
    let words = vec!["word "; 1000];
    let scene = Api::scripted([Turn::chunks(words)]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(29)).await;
    let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
    assert_eq!(run["status"], "in_progress");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.get_run(&run).await["status"], "completed");
    assert_eq!(last_run(&stream.rest().await)["status"], "completed", "all is kept so far");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_too_slow_for_what_is_kept_is_told_so() {
    let turn = Turn::chunks(vec!["x".repeat(10_000); 200]);
    let scene = Api::scripted([turn]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(40)).await;
    let events = stream.rest().await;
    assert_eq!(names(&events), ["error", "done"]);
    let message = "The stream broke off, because its events were not read in time.";
    assert_eq!(events[0].data["message"], message);
    assert_eq!(events[0].number, None, "it is no event of the run");
    let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
    assert_eq!(run["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_misses_nothing() {
    let words = vec!["word "; 1000];
    let scene = Api::scripted([Turn::chunks(words.clone())]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(60)).await;
    let events = stream.rest().await;
    assert_eq!(told(&events), words.concat());
    last_run(&events);
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
