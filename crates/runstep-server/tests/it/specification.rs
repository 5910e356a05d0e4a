//! Conformance to the OpenAPI document.
//!
//! `harness::spec` validates the responses and events of all tests. These tests ensure that every
//! operation, run status and event type is covered, and pin complete objects in snapshots.

use std::collections::BTreeSet;

use axum::http::Method;
use runstep_server::Operation;
use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::{Value, json};

use crate::harness::{Event, Fixture, id, run_pending_tasks, spec, tool_outputs_body};

/// Turns of every kind, each with the status in which its run stops.
fn turns() -> Vec<(Turn, &'static str)> {
    let fail = |turn: Turn| turn.and_fail(ModelErrorKind::RateLimit, "Slow down.");
    vec![
        (Turn::text("It is sunny."), "completed"),
        (Turn::text("Look.").and_call("weather", json!({"city": "Paris"})), "requires_action"),
        (fail(Turn::text("It")), "failed"),
        (fail(Turn::call("weather", json!({}))), "failed"),
        (Turn::text("It").token_limit(), "incomplete"),
        (Turn::call("weather", json!({})).token_limit(), "incomplete"),
        (Turn::text("It").and_stall(), "expired"),
        (Turn::call("weather", json!({})).and_stall(), "expired"),
    ]
}

/// Retrieves and lists everything in the fixture; the harness validates each response.
async fn read_all(fixture: &Fixture, run: &Value) {
    let client = &fixture.client;
    client.get("/assistants").await.ok();
    client.get(&fixture.assistant_path()).await.ok();
    client.get(&fixture.thread_path()).await.ok();
    client.get(&fixture.runs_path()).await.ok();
    for message in client.get(&fixture.messages_path()).await.ok()["data"].as_array().unwrap() {
        client.get(&fixture.message_path(message)).await.ok();
    }
    for step in fixture.list_steps(run).await {
        client.get(&fixture.run_path(run, &format!("/steps/{}", id(&step)))).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn objects_match_the_specification_in_every_status() {
    let mut seen = BTreeSet::new();
    let mut record = |run: &Value| seen.insert(run["status"].as_str().unwrap().to_owned());
    for (turn, status) in turns() {
        let fixture = Fixture::with_turns([turn, Turn::text("Done.")], &["weather"]).await;
        let mut run = fixture.create_run(json!({})).await;
        record(&run);
        run_pending_tasks().await;
        record(&fixture.get_run(&run).await);
        read_all(&fixture, &run).await;
        run = fixture.wait_for_run(&run).await;
        record(&run);
        assert_eq!(run["status"], status);
        read_all(&fixture, &run).await;
    }
    let fixture = Fixture::with_turns([Turn::text("It").and_stall()], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    record(&fixture.cancel_run(&run).await.ok());
    record(&fixture.wait_for_run(&run).await);
    read_all(&fixture, &run).await;
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
async fn run_accepts_as_many_tools_as_its_assistant() {
    let names: Vec<String> = (0..128).map(|number| format!("function_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for count in [21, 128] {
        let fixture = Fixture::with_turns([Turn::text("Hi.")], &names[..count]).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        assert_eq!(run["tools"].as_array().unwrap().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn every_event_type_matches_the_specification() {
    let mut seen = BTreeSet::new();
    let mut record = |events: &[Event]| seen.extend(events.iter().map(|event| event.name.clone()));
    for (turn, status) in turns() {
        let fixture = Fixture::with_turns([turn, Turn::text("Done.")], &["weather"]).await;
        let body = fixture.run_body(json!({"stream": true}));
        let events = fixture.client.stream_events("/threads/runs", body).await;
        record(&events);
        let run = &events[events.len() - 2].data;
        assert_eq!(run["status"], status);
        if status == "requires_action" {
            let thread = run["thread_id"].as_str().unwrap().to_owned();
            let fixture = Fixture { thread, ..fixture };
            let stream = fixture.open_outputs_stream(run, &["sun"]).await;
            record(&stream.read_to_end().await);
        }
    }
    let fixture = Fixture::with_turns([Turn::text("It").and_stall()], &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let start = stream.read_until("thread.message.delta").await;
    fixture.cancel_run(&start[0].data).await.ok();
    record(&stream.read_to_end().await);

    // Every event type of the specification except `error`.
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let events = document["components"]["schemas"]["StreamEvent"]["oneOf"].as_array().unwrap();
    let name = |event: &Value| event["properties"]["event"]["const"].as_str().unwrap().to_owned();
    let mut all: BTreeSet<String> = events.iter().map(name).collect();
    assert!(all.remove("error"));
    assert_eq!(seen, all);
}

#[test]
fn operations_are_those_of_the_specification() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let mut specified = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if let Some(name) = operation["operationId"].as_str() {
                specified.insert((name.to_owned(), method.to_uppercase(), path.clone()));
            }
        }
    }
    let implemented = Operation::ALL.iter().map(|operation| {
        let (method, path) = (operation.method(), operation.path());
        (operation.to_string(), method.to_string(), path.to_owned())
    });
    assert_eq!(implemented.collect::<BTreeSet<_>>(), specified);
}

#[tokio::test(start_paused = true)]
async fn success_and_error_responses_of_every_operation_match_the_specification() {
    for prefix in ["", "/v1"] {
        check_every_operation(prefix).await;
    }
}

async fn check_every_operation(prefix: &str) {
    let turns = [Turn::call("weather", json!({})), Turn::stall(), Turn::stall(), Turn::stall()];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let client = &fixture.client;
    let run = fixture.create_run_and_wait(json!({})).await;
    let step = id(&fixture.list_steps(&run).await[0]);
    let message = id(&fixture.newest_message().await);
    let outputs = tool_outputs_body(&run, &["sun"]);
    let path_with_ids = |path: &str, known: bool| {
        let id = |id: &str| if known { id.to_owned() } else { "unknown".to_owned() };
        format!("{prefix}{path}")
            .replace("{assistant_id}", &id(&fixture.assistant))
            .replace("{thread_id}", &id(&fixture.thread))
            .replace("{message_id}", &id(&message))
            .replace("{run_id}", &id(run["id"].as_str().unwrap()))
            .replace("{step_id}", &id(&step))
    };
    let body = |operation: Operation| match operation {
        Operation::CreateAssistant => json!({"model": "m"}),
        Operation::CreateMessage => json!({"role": "user", "content": "Hi"}),
        Operation::CreateRun | Operation::CreateThreadAndRun => fixture.run_body(json!({})),
        Operation::SubmitToolOutputs => outputs.clone(),
        _ => json!({}),
    };
    let send = async |operation: Operation, path: &str, body: String| {
        client.request(operation.method(), path, body.into()).await
    };
    for &operation in Operation::ALL {
        let path = operation.path();
        if path.contains('{') {
            let response =
                send(operation, &path_with_ids(path, false), body(operation).to_string()).await;
            assert_eq!(response.status, 404, "{operation}");
        }
        let with_unknown_parameter = format!("{}?unknown=1", path_with_ids(path, true));
        send(operation, &with_unknown_parameter, body(operation).to_string())
            .await
            .expect_error(400);
        let takes_body = operation.method() == Method::POST && operation != Operation::CancelRun;
        if takes_body {
            for invalid in ["{", "[]", r#"{"unknown": 1}"#, &"x".repeat(9_000_000)] {
                let response =
                    send(operation, &path_with_ids(path, true), invalid.to_owned()).await;
                assert!([400, 413].contains(&response.status.as_u16()), "{operation}");
            }
        }
    }
    // Successful requests, in an order in which each can succeed.
    let (deletions, others): (Vec<Operation>, Vec<Operation>) =
        Operation::ALL.iter().partition(|operation| operation.method() == Method::DELETE);
    let need_idle_thread = [Operation::CreateMessage, Operation::CreateRun];
    let need_waiting_run = [Operation::SubmitToolOutputs, Operation::CancelRun];
    let (last, first): (Vec<Operation>, Vec<Operation>) =
        others.into_iter().partition(|operation| need_idle_thread.contains(operation));
    let first = first.into_iter().filter(|operation| !need_waiting_run.contains(operation));
    for operation in first.chain(need_waiting_run).chain(last).chain(deletions.into_iter().rev()) {
        if need_idle_thread.contains(&operation) {
            run_pending_tasks().await;
        }
        if operation == Operation::DeleteMessage {
            continue; // The newest run is active; deleted on another thread below.
        }
        let path = path_with_ids(operation.path(), true);
        send(operation, &path, body(operation).to_string()).await.ok();
    }
    let thread = client.create_thread("Hello").await;
    let messages = format!("/threads/{thread}/messages");
    let message = id(&client.get(&messages).await.ok()["data"][0]);
    client.delete(&format!("{messages}/{message}")).await.ok();

    let validated = client.validated();
    for operation in Operation::ALL {
        let name = operation.id();
        assert!(validated.contains(&(name, 200)), "{operation} did not succeed");
        assert!(validated.contains(&(name, 400)), "{operation} was not rejected");
    }
}

#[test]
fn schema_violations_are_detected() {
    let usage = |count: Value| {
        json!({
            "prompt_tokens": count, "completion_tokens": 1, "total_tokens": 1,
        })
    };
    assert_eq!(spec::schema_errors("Usage", &usage(json!(1))), [] as [&str; 0]);
    assert_eq!(spec::schema_errors("Usage", &usage(json!("1"))).len(), 1);
    assert_eq!(spec::schema_errors("Usage", &json!({})).len(), 3);
    assert!(!spec::schema_errors("Run", &json!({"id": "run_1"})).is_empty());
    let event = json!({"event": "thread.run.queued", "data": {"id": "run_1"}});
    assert!(!spec::schema_errors("StreamEvent", &event).is_empty());
}

/// Replaces ids and timestamps by placeholders.
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
async fn objects_match_their_snapshots() {
    let turn = Turn::text("Look.").and_call("weather", json!({"city": "Paris"}));
    let fixture = Fixture::with_turns([turn, Turn::text("Sunny.")], &["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    insta::assert_json_snapshot!("run_requires_action", redacted(waiting.clone()));
    insta::assert_json_snapshot!(
        "steps_requires_action",
        redacted(fixture.list_steps(&waiting).await.into())
    );
    fixture.submit_outputs(&waiting, &["sun"]).await;
    let run = fixture.wait_for_run(&waiting).await;
    insta::assert_json_snapshot!("run_completed", redacted(run.clone()));
    insta::assert_json_snapshot!(
        "steps_completed",
        redacted(fixture.list_steps(&run).await.into())
    );
    let client = &fixture.client;
    let list = client.get(&format!("{}?order=asc", fixture.messages_path())).await.ok();
    insta::assert_json_snapshot!("messages", redacted(list));
    let thread = client.get(&fixture.thread_path()).await.ok();
    insta::assert_json_snapshot!("thread", redacted(thread));
    let assistant = client.get(&fixture.assistant_path()).await.ok();
    insta::assert_json_snapshot!("assistant", redacted(assistant));
    let list = client.get("/assistants").await.ok();
    insta::assert_json_snapshot!("assistants", redacted(list));
}
