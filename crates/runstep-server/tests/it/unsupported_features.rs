//! What the state of things does not allow, and what this server cannot honour.

use crate::harness::{Api, Reply, Scene, breathe, call_ids, function, id, merged};
use runstep_server::model::{ModelErrorKind, Offline, Turn};
use serde_json::{Value, json};

/// An error that a state gives: it has neither a parameter nor a code.
fn state_error(message: impl Into<String>) -> Value {
    json!({
        "message": message.into(),
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    })
}

async fn stalled() -> (Scene, Value) {
    let scene = Api::scripted([Turn::stall(), Turn::say("Next.")]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    breathe().await;
    (scene, run)
}

/// A run that waits for the outputs of two calls.
async fn waiting() -> (Scene, Value) {
    let turn = Turn::call("weather", json!({})).and_call("time", json!({}));
    let api = Api::scripted([turn, Turn::say("Sunny.")]);
    let scene = api.scene(&["weather", "time"]).await;
    let run = scene.play(json!({})).await;
    (scene, run)
}

fn outputs(ids: &[&str]) -> Value {
    let output = |id: &&str| json!({"tool_call_id": id, "output": "x"});
    json!({"tool_outputs": ids.iter().map(output).collect::<Vec<_>>()})
}

#[tokio::test(start_paused = true)]
async fn a_thread_with_an_active_run_takes_no_other_run() {
    let (scene, run) = stalled().await;
    let added = json!({"additional_messages": [{"role": "user", "content": "And?"}]});
    let message = format!("Thread {} already has an active run {}.", scene.thread, id(&run));
    assert_eq!(scene.try_start(added).await.refused(400), state_error(message));
    assert_eq!(scene.texts().await, ["Hello there"]);
    scene.cancel(&run).await.ok();
    scene.settle(&run).await;
    assert_eq!(scene.play(json!({})).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_runs_that_are_created_at_once_one_is() {
    let scene = Api::scripted([Turn::stall()]).scene(&[]).await;
    let attempts: Vec<_> = (0..64)
        .map(|number| {
            let scene = scene.clone();
            tokio::spawn(async move {
                let added = json!([{"role": "user", "content": format!("From {number}")}]);
                scene.try_start(json!({"additional_messages": added})).await
            })
        })
        .collect();
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let reply = attempt.await.unwrap();
        if reply.status == 200 {
            made.push(id(&reply.ok()));
        } else {
            refused.push(reply.refused(400)["message"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!((made.len(), refused.len()), (1, 63));
    let expected = format!("Thread {} already has an active run {}.", scene.thread, made[0]);
    assert!(refused.iter().all(|message| *message == expected), "{refused:?}");
    assert_eq!(scene.texts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thread_with_an_active_run_takes_no_messages() {
    for (scene, run) in [stalled().await, waiting().await] {
        let body = json!({"role": "user", "content": "And?"});
        let reply = scene.api.post(&scene.messages(), body.clone()).await;
        let message =
            format!("Can't add messages to {} while a run {} is active.", scene.thread, id(&run));
        assert_eq!(reply.refused(400), state_error(message));
        assert_eq!(scene.texts().await, ["Hello there"]);
        scene.cancel(&run).await.ok();
        scene.settle(&run).await;
        scene.api.post(&scene.messages(), body).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_needs_its_output() {
    let (scene, run) = waiting().await;
    let ids = call_ids(&run);
    let (first, second) = (ids[0].as_str(), ids[1].as_str());
    for got in [&[first][..], &[], &[first, "call_x"], &[first, second, "call_x"]] {
        let listed: Vec<String> = got.iter().map(|id| format!("'{id}'")).collect();
        let message = format!(
            "Expected tool outputs for call_ids ['{first}', '{second}'], got [{}]",
            listed.join(", ")
        );
        assert_eq!(scene.try_submit(&run, outputs(got)).await.refused(400), state_error(message));
    }
    // Nothing of these was taken.
    assert_eq!(scene.get_run(&run).await, run);
    let calls = &scene.steps(&run).await[0]["step_details"]["tool_calls"];
    assert_eq!(calls[0]["function"]["output"], Value::Null);
    // The order does not matter.
    scene.try_submit(&run, outputs(&[second, first])).await.ok();
    assert_eq!(scene.settle(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_one_output() {
    let (scene, run) = waiting().await;
    let ids = call_ids(&run);
    let got = [ids[0].as_str(), ids[1].as_str(), ids[0].as_str()];
    let message =
        format!("Duplicate call_ids submitted: ['{}', '{}', '{}']", got[0], got[1], got[2]);
    assert_eq!(scene.try_submit(&run, outputs(&got)).await.refused(400), state_error(message));
}

#[tokio::test(start_paused = true)]
async fn an_output_must_name_its_call() {
    let (scene, run) = waiting().await;
    let body = json!({"tool_outputs": [{"output": "x"}]});
    let error = scene.try_submit(&run, body).await.refused(400);
    assert_eq!(error["param"], "tool_outputs[0].tool_call_id");
    assert_eq!(scene.get_run(&run).await["status"], "requires_action");
}

/// A run in each status other than requires_action that can be had.
async fn in_each_status() -> Vec<(Scene, Value)> {
    let mut all = Vec::new();
    let turns = [
        Turn::say("Done."),
        Turn::fail(ModelErrorKind::Server, "No."),
        Turn::say("cut").token_limit(),
        Turn::stall(),
    ];
    for turn in turns {
        let scene = Api::scripted([turn]).scene(&[]).await;
        let run = scene.play(json!({})).await;
        all.push((scene, run));
    }
    let (scene, run) = stalled().await;
    scene.cancel(&run).await.ok();
    let run = scene.settle(&run).await;
    all.push((scene, run));
    all.push(stalled().await);
    all
}

#[tokio::test(start_paused = true)]
async fn outputs_are_taken_in_no_other_status() {
    let mut seen = Vec::new();
    for (scene, run) in in_each_status().await {
        let error = scene.try_submit(&run, outputs(&["call_x"])).await.refused(400);
        let status = scene.get_run(&run).await["status"].as_str().unwrap().to_owned();
        let message = format!("Runs in status \"{status}\" do not accept tool outputs.");
        assert_eq!(error, state_error(message));
        seen.push(status);
    }
    let all = ["completed", "failed", "incomplete", "expired", "cancelled", "in_progress"];
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_cannot_be_cancelled() {
    for (scene, run) in in_each_status().await {
        let before = scene.get_run(&run).await;
        if before["status"] == "in_progress" {
            continue;
        }
        let status = before["status"].as_str().unwrap();
        let message = format!("Cannot cancel run with status '{status}'.");
        assert_eq!(scene.cancel(&run).await.refused(400), state_error(message));
        assert_eq!(scene.get_run(&run).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_not_taken_twice() {
    let (scene, run) = stalled().await;
    scene.cancel(&run).await.ok();
    let error = scene.cancel(&run).await.refused(400);
    assert_eq!(error, state_error("Cannot cancel run with status 'cancelling'."));
    let error = scene.try_submit(&run, outputs(&["a"])).await.refused(400);
    assert_eq!(error, state_error("Runs in status \"cancelling\" do not accept tool outputs."));
    let error = scene.try_start(json!({})).await.refused(400);
    let message = format!("Thread {} already has an active run {}.", scene.thread, id(&run));
    assert_eq!(error, state_error(message));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_named() {
    let (scene, run) = waiting().await;
    let (api, thread, run) = (&scene.api, &scene.thread, id(&run));
    let other = api.thread("Other").await;
    let gets = [
        ("assistant", "asst_x", "/assistants/asst_x".to_owned()),
        ("thread", "thread_x", "/threads/thread_x".to_owned()),
        ("thread", "thread_x", "/threads/thread_x/messages".to_owned()),
        ("thread", "thread_x", "/threads/thread_x/runs".to_owned()),
        ("thread", "thread_x", format!("/threads/thread_x/runs/{run}")),
        ("message", "msg_x", format!("/threads/{thread}/messages/msg_x")),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x")),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x/steps")),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x/steps/step_x")),
        ("run step", "step_x", format!("/threads/{thread}/runs/{run}/steps/step_x")),
        // What is on another thread is not on this one.
        ("run", &run, format!("/threads/{other}/runs/{run}")),
    ];
    for (kind, id, path) in gets {
        let expected = state_error(format!("No {kind} found with id '{id}'."));
        assert_eq!(api.get(&path).await.refused(404), expected, "{path}");
    }
    let message = json!({"role": "user", "content": "Hi"});
    let posts = [
        ("thread", "thread_x", "/threads/thread_x/messages".to_owned(), message),
        ("thread", "thread_x", "/threads/thread_x/runs".to_owned(), scene.body(json!({}))),
        (
            "assistant",
            "asst_x",
            format!("/threads/{other}/runs"),
            json!({"assistant_id": "asst_x"}),
        ),
        ("assistant", "asst_x", "/threads/runs".to_owned(), json!({"assistant_id": "asst_x"})),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x"), json!({})),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x/cancel"), json!({})),
        ("run", "run_x", format!("/threads/{thread}/runs/run_x/submit_tool_outputs"), outputs(&[])),
    ];
    for (kind, id, path, body) in posts {
        let expected = state_error(format!("No {kind} found with id '{id}'."));
        assert_eq!(api.post(&path, body).await.refused(404), expected, "{path}");
    }
}

/// Checks that a value is refused because the server cannot honour it.
#[track_caller]
fn unsupported(reply: Reply, param: &str, what: &str) {
    let message = format!("Unsupported value for '{param}': this server does not support {what}.");
    let expected =
        merged(state_error(message), json!({"param": param, "code": "unsupported_value"}));
    assert_eq!(reply.refused(400), expected);
}

#[tokio::test(start_paused = true)]
async fn built_in_tools_are_refused_by_name() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    for kind in ["code_interpreter", "file_search"] {
        let tools = json!({"tools": [function("weather"), {"type": kind}]});
        let what = format!("the tool '{kind}'");
        let body = merged(json!({"model": "test-model"}), tools.clone());
        unsupported(scene.api.post("/assistants", body).await, "tools[1].type", &what);
        unsupported(scene.try_start(tools.clone()).await, "tools[1].type", &what);
        let body = scene.body(tools);
        unsupported(scene.api.post("/threads/runs", body).await, "tools[1].type", &what);
    }
    assert_eq!(scene.api.get(&scene.runs()).await.ok()["data"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn tool_resources_are_refused_by_name() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let api = &scene.api;
    let resources = json!({"file_search": {"vector_store_ids": ["vs_1"]}});
    let (param, what) = ("tool_resources.file_search", "tool resources");
    let body = json!({"model": "test-model", "tool_resources": resources});
    unsupported(api.post("/assistants", body).await, param, what);
    let body = json!({"tool_resources": resources});
    unsupported(api.post("/threads", body.clone()).await, param, what);
    let run = scene.body(json!({"thread": body}));
    unsupported(api.post("/threads/runs", run).await, &format!("thread.{param}"), what);
    let resources = json!({"code_interpreter": {"file_ids": ["file_1"]}});
    let run = scene.body(json!({"tool_resources": resources}));
    unsupported(api.post("/threads/runs", run).await, "tool_resources.code_interpreter", what);
    // They ask for nothing.
    for nothing in [json!({}), Value::Null] {
        api.post("/threads", json!({"tool_resources": nothing})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_text_and_leave_nothing_behind_when_they_are_not() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let api = &scene.api;
    let url = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let file = json!({"type": "image_file", "image_file": {"file_id": "file_1"}});
    let text = json!({"type": "text", "text": "Look:"});
    let attachments = json!([{"file_id": "file_1", "tools": [{"type": "code_interpreter"}]}]);
    let cases = [
        (json!({"content": [text, url]}), "content[1].type", "content of type 'image_url'"),
        (json!({"content": [file]}), "content[0].type", "content of type 'image_file'"),
        (json!({"content": "Hi", "attachments": attachments}), "attachments", "attachments"),
    ];
    for (message, param, what) in cases {
        let message = merged(json!({"role": "user"}), message);
        let good = json!({"role": "user", "content": "Good."});
        let both = json!([good, message]);
        unsupported(api.post(&scene.messages(), message.clone()).await, param, what);
        let reply = api.post("/threads", json!({"messages": both})).await;
        unsupported(reply, &format!("messages[1].{param}"), what);
        let reply = scene.try_start(json!({"additional_messages": both})).await;
        unsupported(reply, &format!("additional_messages[1].{param}"), what);
        let body = scene.body(json!({"thread": {"messages": both}}));
        let reply = api.post("/threads/runs", body).await;
        unsupported(reply, &format!("thread.messages[1].{param}"), what);
    }
    assert_eq!(scene.texts().await, ["Hello there"]);
    assert_eq!(api.get(&scene.runs()).await.ok()["data"], json!([]));
    assert_eq!(scene.play(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_tool_choice_must_be_among_the_functions() {
    let scene = Api::new(Offline::new()).scene(&["weather"]).await;
    let choose = |choice: Value| json!({"tool_choice": choice});
    for kind in ["code_interpreter", "file_search"] {
        let reply = scene.try_start(choose(json!({"type": kind}))).await;
        unsupported(reply, "tool_choice.type", &format!("the tool '{kind}'"));
    }
    let named = choose(json!({"type": "function", "function": {"name": "time"}}));
    let message =
        "Invalid 'tool_choice.function.name': there is no function 'time' among the tools.";
    let param = json!({"param": "tool_choice.function.name", "code": "invalid_value"});
    let expected = merged(state_error(message), param);
    assert_eq!(scene.try_start(named.clone()).await.refused(400), expected);
    let reply = scene.api.post("/threads/runs", scene.body(named)).await;
    assert_eq!(reply.refused(400), expected);
    // The run's own tools count, not the assistant's.
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let body = merged(choose(named), json!({"tools": [function("time")]}));
    assert_eq!(scene.try_start(body).await.refused(400)["param"], "tool_choice.function.name");
    let unnamed = scene.try_start(choose(json!({"type": "function"}))).await;
    assert_eq!(unnamed.refused(400)["param"], "tool_choice.function");
    assert_eq!(scene.api.get(&scene.runs()).await.ok()["data"], json!([]));
}
