//! Replies and events fit the specification.
//!
//! Each reply and each event of all tests here is checked as it comes, by `crate::harness::spec`. These
//! tests make sure that this covers every operation, every status and every kind of event, and hold
//! fast what the objects look like in full.

use std::collections::BTreeSet;

use crate::harness::{Api, Event, Scene, id, merged, outputs_for, spec};
use axum::http::Method;
use runstep_server::Operation;
use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::{Value, json};

/// Each kind of turn, and how the run that takes it stops.
fn turns() -> Vec<(Turn, &'static str)> {
    let fail = |turn: Turn| turn.and_fail(ModelErrorKind::RateLimit, "Slow down.");
    vec![
        (Turn::say("It is sunny."), "completed"),
        (Turn::say("Look.").and_call("weather", json!({"city": "Paris"})), "requires_action"),
        (fail(Turn::say("It")), "failed"),
        (fail(Turn::call("weather", json!({}))), "failed"),
        (Turn::say("It").token_limit(), "incomplete"),
        (Turn::call("weather", json!({})).token_limit(), "incomplete"),
        (Turn::say("It").and_stall(), "expired"),
        (Turn::call("weather", json!({})).and_stall(), "expired"),
    ]
}

/// Everything that can be read of a scene, each part of which is checked as it is read.
async fn read_all(scene: &Scene, run: &Value) {
    let api = &scene.api;
    api.get("/assistants").await.ok();
    api.get(&scene.assistant_path()).await.ok();
    api.get(&scene.thread_path()).await.ok();
    api.get(&scene.runs()).await.ok();
    for message in api.get(&scene.messages()).await.ok()["data"].as_array().unwrap() {
        api.get(&format!("{}/{}", scene.messages(), id(message))).await.ok();
    }
    for step in scene.steps(run).await {
        api.get(&scene.run_path(run, &format!("/steps/{}", id(&step)))).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn objects_fit_the_specification_in_every_status() {
    let mut seen = BTreeSet::new();
    let mut note = |run: &Value| seen.insert(run["status"].as_str().unwrap().to_owned());
    for (turn, end) in turns() {
        let scene = Api::scripted([turn, Turn::say("Done.")]).scene(&["weather"]).await;
        let mut run = scene.start(json!({})).await;
        note(&run);
        crate::harness::breathe().await;
        note(&scene.get_run(&run).await);
        read_all(&scene, &run).await;
        run = scene.settle(&run).await;
        note(&run);
        assert_eq!(run["status"], end);
        read_all(&scene, &run).await;
    }
    let scene = Api::scripted([Turn::say("It").and_stall()]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    crate::harness::breathe().await;
    note(&scene.cancel(&run).await.ok());
    note(&scene.settle(&run).await);
    read_all(&scene, &run).await;
    let all = [
        "cancelled",
        "cancelling",
        "completed",
        "expired",
        "failed",
        "in_progress",
        "incomplete",
        "queued",
        "requires_action",
    ];
    assert!(seen.iter().eq(all), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_may_have_as_many_tools_as_its_assistant() {
    let names: Vec<String> = (0..128).map(|number| format!("function_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for count in [21, 128] {
        let scene = Api::scripted([Turn::say("Hi.")]).scene(&names[..count]).await;
        let run = scene.play(json!({})).await;
        assert_eq!(run["tools"].as_array().unwrap().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn events_fit_the_specification_whatever_happens() {
    let mut seen = BTreeSet::new();
    let mut note = |events: &[Event]| seen.extend(events.iter().map(|event| event.name.clone()));
    for (turn, end) in turns() {
        let scene = Api::scripted([turn, Turn::say("Done.")]).scene(&["weather"]).await;
        let body = scene.body(json!({"stream": true}));
        let events = scene.api.stream("/threads/runs", body).await;
        note(&events);
        let run = &events[events.len() - 2].data;
        assert_eq!(run["status"], end);
        if end == "requires_action" {
            let thread = run["thread_id"].as_str().unwrap().to_owned();
            let scene = Scene { thread, ..scene };
            let body = merged(outputs_for(run, &["sun"]), json!({"stream": true}));
            let path = scene.run_path(run, "/submit_tool_outputs");
            note(&scene.api.stream(&path, body).await);
        }
    }
    let scene = Api::scripted([Turn::say("It").and_stall()]).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let start = stream.until("thread.message.delta").await;
    scene.cancel(&start[0].data).await.ok();
    note(&stream.rest().await);

    // All that the specification has, but for the failure of the stream itself.
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let events = document["components"]["schemas"]["StreamEvent"]["oneOf"].as_array().unwrap();
    let name = |event: &Value| event["properties"]["event"]["const"].as_str().unwrap().to_owned();
    let mut all: BTreeSet<String> = events.iter().map(name).collect();
    assert!(all.remove("error"));
    assert_eq!(seen, all);
}

#[test]
fn the_operations_are_those_of_the_specification() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let mut specified = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if let Some(name) = operation["operationId"].as_str() {
                specified.insert((name.to_owned(), method.to_uppercase(), path.clone()));
            }
        }
    }
    let ours = Operation::ALL.iter().map(|operation| {
        let (method, path) = operation.place();
        (operation.to_string(), method.to_string(), path.to_owned())
    });
    assert_eq!(ours.collect::<BTreeSet<_>>(), specified);
}

#[tokio::test(start_paused = true)]
async fn every_operation_replies_as_specified_in_success_and_in_each_kind_of_refusal() {
    let turns = [Turn::call("weather", json!({})), Turn::stall()];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let api = &scene.api;
    let run = scene.play(json!({})).await;
    let step = id(&scene.steps(&run).await[0]);
    let message = id(&api.get(&scene.messages()).await.ok()["data"][0]);
    let outputs = outputs_for(&run, &["sun"]);
    let filled = |path: &str, known: bool| {
        let id = |id: &str| if known { id.to_owned() } else { "unknown".to_owned() };
        path.replace("{assistant_id}", &id(&scene.assistant))
            .replace("{thread_id}", &id(&scene.thread))
            .replace("{message_id}", &id(&message))
            .replace("{run_id}", &id(run["id"].as_str().unwrap()))
            .replace("{step_id}", &id(&step))
    };
    let body = |operation: Operation| match operation {
        Operation::CreateAssistant => json!({"model": "m"}),
        Operation::CreateMessage => json!({"role": "user", "content": "Hi"}),
        Operation::CreateRun | Operation::CreateThreadAndRun => scene.body(json!({})),
        Operation::SubmitToolOutputs => outputs.clone(),
        _ => json!({}),
    };
    let ask = async |operation: Operation, path: &str, body: String| {
        api.request(operation.place().0, path, body.into()).await
    };
    for &operation in Operation::ALL {
        let path = operation.place().1;
        if path.contains('{') {
            let reply = ask(operation, &filled(path, false), body(operation).to_string()).await;
            assert_eq!(reply.status, 404, "{operation}");
        }
        let strange = format!("{}?strange=1", filled(path, true));
        ask(operation, &strange, body(operation).to_string()).await.refused(400);
        let takes_body = operation.place().0 == Method::POST && operation != Operation::CancelRun;
        if takes_body {
            for wrong in ["{", "[]", r#"{"strange": 1}"#, &"x".repeat(9_000_000)] {
                let reply = ask(operation, &filled(path, true), wrong.to_owned()).await;
                assert!([400, 413].contains(&reply.status.as_u16()), "{operation}");
            }
        }
    }
    // Those that succeed, in an order in which they can.
    let (deletions, others): (Vec<Operation>, Vec<Operation>) =
        Operation::ALL.iter().partition(|operation| operation.place().0 == Method::DELETE);
    let busy = [Operation::CreateMessage, Operation::CreateRun];
    let order = [Operation::SubmitToolOutputs, Operation::CancelRun];
    let (last, first): (Vec<Operation>, Vec<Operation>) =
        others.into_iter().partition(|operation| busy.contains(operation));
    let first = first.into_iter().filter(|operation| !order.contains(operation));
    for operation in first.chain(order).chain(last).chain(deletions.into_iter().rev()) {
        if busy.contains(&operation) {
            crate::harness::breathe().await;
        }
        if operation == Operation::DeleteMessage {
            continue; // The run that was made last is active.
        }
        let path = filled(operation.place().1, true);
        ask(operation, &path, body(operation).to_string()).await.ok();
    }
    let thread = api.thread("Hello").await;
    let messages = format!("/threads/{thread}/messages");
    let message = id(&api.get(&messages).await.ok()["data"][0]);
    api.delete(&format!("{messages}/{message}")).await.ok();

    let seen = spec::SEEN.lock().unwrap().clone();
    for operation in Operation::ALL {
        assert!(seen.contains(&(operation.name(), 200)), "{operation} did not succeed");
        assert!(seen.contains(&(operation.name(), 400)), "{operation} was not refused");
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let usage = |count: Value| {
        json!({
            "prompt_tokens": count, "completion_tokens": 1, "total_tokens": 1,
        })
    };
    assert_eq!(spec::misfits("Usage", &usage(json!(1))), [] as [&str; 0]);
    assert_eq!(spec::misfits("Usage", &usage(json!("1"))).len(), 1);
    assert_eq!(spec::misfits("Usage", &json!({})).len(), 3);
    assert!(!spec::misfits("Run", &json!({"id": "run_1"})).is_empty());
    let event = json!({"event": "thread.run.queued", "data": {"id": "run_1"}});
    assert!(!spec::misfits("StreamEvent", &event).is_empty());
}

/// An object with what differs each time taken out.
fn redacted(mut value: Value) -> Value {
    fn redact(name: &str, value: &mut Value) {
        let is_time = name.ends_with("_at") && value.is_i64();
        let is_id = (name == "id" || name.ends_with("_id")) && value.is_string();
        match value {
            _ if is_time => *value = "[time]".into(),
            Value::String(id) if is_id => {
                let kind = id.split('_').next().unwrap_or_default();
                *id = format!("[{kind}]");
            }
            Value::Object(members) => {
                members.iter_mut().for_each(|(name, member)| redact(name, member));
                members.sort_keys();
            }
            Value::Array(items) => items.iter_mut().for_each(|item| redact("", item)),
            _ => {}
        }
    }
    redact("", &mut value);
    value
}

#[tokio::test(start_paused = true)]
async fn objects_look_like_this() {
    let turn = Turn::say("Look.").and_call("weather", json!({"city": "Paris"}));
    let scene = Api::scripted([turn, Turn::say("Sunny.")]).scene(&["weather"]).await;
    let waiting = scene.play(json!({})).await;
    insta::assert_json_snapshot!("run_requires_action", redacted(waiting.clone()));
    insta::assert_json_snapshot!(
        "steps_requires_action",
        redacted(scene.steps(&waiting).await.into())
    );
    scene.submit(&waiting, &["sun"]).await;
    let run = scene.settle(&waiting).await;
    insta::assert_json_snapshot!("run_completed", redacted(run.clone()));
    insta::assert_json_snapshot!("steps_completed", redacted(scene.steps(&run).await.into()));
    let api = &scene.api;
    let list = api.get(&format!("{}?order=asc", scene.messages())).await.ok();
    insta::assert_json_snapshot!("messages", redacted(list));
    let thread = api.get(&format!("/threads/{}", scene.thread)).await.ok();
    insta::assert_json_snapshot!("thread", redacted(thread));
    let assistant = api.get(&format!("/assistants/{}", scene.assistant)).await.ok();
    insta::assert_json_snapshot!("assistant", redacted(assistant));
    let list = api.get("/assistants").await.ok();
    insta::assert_json_snapshot!("assistants", redacted(list));
    let message = &api.get(&scene.messages()).await.ok()["data"][0];
    let path = format!("{}/{}", scene.messages(), id(message));
    let deleted = redacted(api.delete(&path).await.ok());
    let expected = json!({"deleted": true, "id": "[msg]", "object": "thread.message.deleted"});
    assert_eq!(deleted, expected);
    let deleted = redacted(api.delete(&scene.thread_path()).await.ok());
    let expected = json!({"deleted": true, "id": "[thread]", "object": "thread.deleted"});
    assert_eq!(deleted, expected);
    let deleted = redacted(api.delete(&scene.assistant_path()).await.ok());
    let expected = json!({"deleted": true, "id": "[asst]", "object": "assistant.deleted"});
    assert_eq!(deleted, expected);
}
