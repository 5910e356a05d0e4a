//! Features of the API that this server does not support.

use runstep_server::model::{ModelErrorKind, Offline, Turn};
use serde_json::{Value, json};

use crate::harness::{
    Fixture, JsonResponse, TestClient, call_ids, function_tool, id, merged, run_pending_tasks,
};

/// An error without parameter and code, as for a conflict with the current state.
fn state_error(message: impl Into<String>) -> Value {
    json!({
        "message": message.into(),
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    })
}

async fn stalled() -> (Fixture, Value) {
    let fixture = Fixture::with_turns([Turn::stall(), Turn::say("Next.")], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    (fixture, run)
}

/// A run that requires the outputs of two calls.
async fn waiting() -> (Fixture, Value) {
    let turn = Turn::call("weather", json!({})).and_call("time", json!({}));
    let client = TestClient::with_turns([turn, Turn::say("Sunny.")]);
    let fixture = client.create_fixture(&["weather", "time"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    (fixture, run)
}

fn outputs(ids: &[&str]) -> Value {
    let output = |id: &&str| json!({"tool_call_id": id, "output": "x"});
    json!({"tool_outputs": ids.iter().map(output).collect::<Vec<_>>()})
}

#[tokio::test(start_paused = true)]
async fn second_run_on_a_busy_thread_is_rejected() {
    let (fixture, run) = stalled().await;
    let added = json!({"additional_messages": [{"role": "user", "content": "And?"}]});
    let message = format!("Thread {} already has an active run {}.", fixture.thread, id(&run));
    assert_eq!(fixture.try_create_run(added).await.expect_error(400), state_error(message));
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
    fixture.cancel_run(&run).await.ok();
    fixture.wait_for_run(&run).await;
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_concurrent_create_runs_succeeds() {
    let fixture = Fixture::with_turns([Turn::stall()], &[]).await;
    let attempts: Vec<_> = (0..64)
        .map(|number| {
            let fixture = fixture.clone();
            tokio::spawn(async move {
                let added = json!([{"role": "user", "content": format!("From {number}")}]);
                fixture.try_create_run(json!({"additional_messages": added})).await
            })
        })
        .collect();
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let response = attempt.await.unwrap();
        if response.status == 200 {
            made.push(id(&response.ok()));
        } else {
            refused.push(response.expect_error(400)["message"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!((made.len(), refused.len()), (1, 63));
    let expected = format!("Thread {} already has an active run {}.", fixture.thread, made[0]);
    assert!(refused.iter().all(|message| *message == expected), "{refused:?}");
    assert_eq!(fixture.message_texts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn adding_messages_to_a_busy_thread_is_rejected() {
    for (fixture, run) in [stalled().await, waiting().await] {
        let body = json!({"role": "user", "content": "And?"});
        let response = fixture.client.post(&fixture.messages_path(), body.clone()).await;
        let message =
            format!("Can't add messages to {} while a run {} is active.", fixture.thread, id(&run));
        assert_eq!(response.expect_error(400), state_error(message));
        assert_eq!(fixture.message_texts().await, ["Hello there"]);
        fixture.cancel_run(&run).await.ok();
        fixture.wait_for_run(&run).await;
        fixture.client.post(&fixture.messages_path(), body).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn missing_and_unknown_tool_outputs_are_rejected() {
    let (fixture, run) = waiting().await;
    let ids = call_ids(&run);
    let (first, second) = (ids[0].as_str(), ids[1].as_str());
    for got in [&[first][..], &[], &[first, "call_x"], &[first, second, "call_x"]] {
        let listed: Vec<String> = got.iter().map(|id| format!("'{id}'")).collect();
        let message = format!(
            "Expected tool outputs for call_ids ['{first}', '{second}'], got [{}]",
            listed.join(", ")
        );
        assert_eq!(
            fixture.try_submit_outputs(&run, outputs(got)).await.expect_error(400),
            state_error(message)
        );
    }
    // No output of these requests was stored.
    assert_eq!(fixture.get_run(&run).await, run);
    let calls = &fixture.list_steps(&run).await[0]["step_details"]["tool_calls"];
    assert_eq!(calls[0]["function"]["output"], Value::Null);
    // Outputs may come in any order.
    fixture.try_submit_outputs(&run, outputs(&[second, first])).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn duplicate_tool_outputs_are_rejected() {
    let (fixture, run) = waiting().await;
    let ids = call_ids(&run);
    let got = [ids[0].as_str(), ids[1].as_str(), ids[0].as_str()];
    let message =
        format!("Duplicate call_ids submitted: ['{}', '{}', '{}']", got[0], got[1], got[2]);
    assert_eq!(
        fixture.try_submit_outputs(&run, outputs(&got)).await.expect_error(400),
        state_error(message)
    );
}

#[tokio::test(start_paused = true)]
async fn tool_output_without_call_id_is_rejected() {
    let (fixture, run) = waiting().await;
    let body = json!({"tool_outputs": [{"output": "x"}]});
    let error = fixture.try_submit_outputs(&run, body).await.expect_error(400);
    assert_eq!(error["param"], "tool_outputs[0].tool_call_id");
    assert_eq!(fixture.get_run(&run).await["status"], "requires_action");
}

/// Runs in progress, and ended with every status.
async fn in_each_status() -> Vec<(Fixture, Value)> {
    let mut all = Vec::new();
    let turns = [
        Turn::say("Done."),
        Turn::fail(ModelErrorKind::Server, "No."),
        Turn::say("cut").token_limit(),
        Turn::stall(),
    ];
    for turn in turns {
        let fixture = Fixture::with_turns([turn], &[]).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        all.push((fixture, run));
    }
    let (fixture, run) = stalled().await;
    fixture.cancel_run(&run).await.ok();
    let run = fixture.wait_for_run(&run).await;
    all.push((fixture, run));
    all.push(stalled().await);
    all
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_are_rejected_outside_requires_action() {
    let mut seen = Vec::new();
    for (fixture, run) in in_each_status().await {
        let error = fixture.try_submit_outputs(&run, outputs(&["call_x"])).await.expect_error(400);
        let status = fixture.get_run(&run).await["status"].as_str().unwrap().to_owned();
        let message = format!("Runs in status \"{status}\" do not accept tool outputs.");
        assert_eq!(error, state_error(message));
        seen.push(status);
    }
    let all = ["completed", "failed", "incomplete", "expired", "cancelled", "in_progress"];
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn cancel_of_an_ended_run_is_rejected() {
    for (fixture, run) in in_each_status().await {
        let before = fixture.get_run(&run).await;
        if before["status"] == "in_progress" {
            continue;
        }
        let status = before["status"].as_str().unwrap();
        let message = format!("Cannot cancel run with status '{status}'.");
        assert_eq!(fixture.cancel_run(&run).await.expect_error(400), state_error(message));
        assert_eq!(fixture.get_run(&run).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn second_cancel_is_rejected() {
    let (fixture, run) = stalled().await;
    fixture.cancel_run(&run).await.ok();
    let error = fixture.cancel_run(&run).await.expect_error(400);
    assert_eq!(error, state_error("Cannot cancel run with status 'cancelling'."));
    let error = fixture.try_submit_outputs(&run, outputs(&["a"])).await.expect_error(400);
    assert_eq!(error, state_error("Runs in status \"cancelling\" do not accept tool outputs."));
    let error = fixture.try_create_run(json!({})).await.expect_error(400);
    let message = format!("Thread {} already has an active run {}.", fixture.thread, id(&run));
    assert_eq!(error, state_error(message));
}

#[tokio::test(start_paused = true)]
async fn not_found_error_names_the_missing_object() {
    let (fixture, run) = waiting().await;
    let (client, thread, run) = (&fixture.client, &fixture.thread, id(&run));
    let other = client.create_thread("Other").await;
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
        // The run is on another thread.
        ("run", &run, format!("/threads/{other}/runs/{run}")),
    ];
    for (kind, id, path) in gets {
        let expected = state_error(format!("No {kind} found with id '{id}'."));
        assert_eq!(client.get(&path).await.expect_error(404), expected, "{path}");
    }
    let message = json!({"role": "user", "content": "Hi"});
    let posts = [
        ("thread", "thread_x", "/threads/thread_x/messages".to_owned(), message),
        ("thread", "thread_x", "/threads/thread_x/runs".to_owned(), fixture.run_body(json!({}))),
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
        assert_eq!(client.post(&path, body).await.expect_error(404), expected, "{path}");
    }
}

/// Checks the error for a value that the server does not support.
#[track_caller]
fn unsupported(response: JsonResponse, param: &str, what: &str) {
    let message = format!("Unsupported value for '{param}': this server does not support {what}.");
    let expected =
        merged(state_error(message), json!({"param": param, "code": "unsupported_value"}));
    assert_eq!(response.expect_error(400), expected);
}

#[tokio::test(start_paused = true)]
async fn built_in_tools_are_rejected_by_name() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    for kind in ["code_interpreter", "file_search"] {
        let tools = json!({"tools": [function_tool("weather"), {"type": kind}]});
        let what = format!("the tool '{kind}'");
        let body = merged(json!({"model": "test-model"}), tools.clone());
        unsupported(fixture.client.post("/assistants", body).await, "tools[1].type", &what);
        unsupported(fixture.try_create_run(tools.clone()).await, "tools[1].type", &what);
        let body = fixture.run_body(tools);
        unsupported(fixture.client.post("/threads/runs", body).await, "tools[1].type", &what);
    }
    assert_eq!(fixture.client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn tool_resources_are_rejected_by_name() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let resources = json!({"file_search": {"vector_store_ids": ["vs_1"]}});
    let (param, what) = ("tool_resources.file_search", "tool resources");
    let body = json!({"model": "test-model", "tool_resources": resources});
    unsupported(client.post("/assistants", body).await, param, what);
    let body = json!({"tool_resources": resources});
    unsupported(client.post("/threads", body.clone()).await, param, what);
    let run = fixture.run_body(json!({"thread": body}));
    unsupported(client.post("/threads/runs", run).await, &format!("thread.{param}"), what);
    let resources = json!({"code_interpreter": {"file_ids": ["file_1"]}});
    let run = fixture.run_body(json!({"tool_resources": resources}));
    unsupported(client.post("/threads/runs", run).await, "tool_resources.code_interpreter", what);
    // Empty tool resources are accepted.
    for nothing in [json!({}), Value::Null] {
        client.post("/threads", json!({"tool_resources": nothing})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn unsupported_message_content_is_rejected_without_side_effects() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
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
        unsupported(client.post(&fixture.messages_path(), message.clone()).await, param, what);
        let response = client.post("/threads", json!({"messages": both})).await;
        unsupported(response, &format!("messages[1].{param}"), what);
        let response = fixture.try_create_run(json!({"additional_messages": both})).await;
        unsupported(response, &format!("additional_messages[1].{param}"), what);
        let body = fixture.run_body(json!({"thread": {"messages": both}}));
        let response = client.post("/threads/runs", body).await;
        unsupported(response, &format!("thread.messages[1].{param}"), what);
    }
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn tool_choice_must_name_an_offered_function() {
    let fixture = Fixture::with_model(Offline::new(), &["weather"]).await;
    let choose = |choice: Value| json!({"tool_choice": choice});
    for kind in ["code_interpreter", "file_search"] {
        let response = fixture.try_create_run(choose(json!({"type": kind}))).await;
        unsupported(response, "tool_choice.type", &format!("the tool '{kind}'"));
    }
    let named = choose(json!({"type": "function", "function": {"name": "time"}}));
    let message =
        "Invalid 'tool_choice.function.name': there is no function 'time' among the tools.";
    let param = json!({"param": "tool_choice.function.name", "code": "invalid_value"});
    let expected = merged(state_error(message), param);
    assert_eq!(fixture.try_create_run(named.clone()).await.expect_error(400), expected);
    let response = fixture.client.post("/threads/runs", fixture.run_body(named)).await;
    assert_eq!(response.expect_error(400), expected);
    // The run's own tools replace those of the assistant.
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let body = merged(choose(named), json!({"tools": [function_tool("time")]}));
    assert_eq!(
        fixture.try_create_run(body).await.expect_error(400)["param"],
        "tool_choice.function.name"
    );
    let unnamed = fixture.try_create_run(choose(json!({"type": "function"}))).await;
    assert_eq!(unnamed.expect_error(400)["param"], "tool_choice.function");
    assert_eq!(fixture.client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
}
