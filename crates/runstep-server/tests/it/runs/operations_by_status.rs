//! Which operations are accepted in which status of a run.

use std::time::Duration;

use runstep_server::Server;
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Fixture, TestClient, id, run_pending_tasks};

/// The statuses in which a run stays until the next request, with what each allows. The tests of the
/// engine have the other one, `cancelling`.
const STATUSES: [(&str, bool, bool, bool); 8] = [
    // status, can be cancelled, accepts tool outputs, is active
    ("queued", true, false, true),
    ("in_progress", true, false, true),
    ("requires_action", true, true, true),
    ("cancelled", false, false, false),
    ("completed", false, false, false),
    ("failed", false, false, false),
    ("incomplete", false, false, false),
    ("expired", false, false, false),
];

/// Creates a run that stays in this status until the next request.
async fn run_with_status(status: &str) -> (Fixture, Value) {
    println!("run status: {status}");
    let turn = match status {
        "queued" | "in_progress" | "cancelled" | "expired" => Turn::text("It").and_stall(),
        "requires_action" => Turn::text("It").and_call("weather", json!({})),
        "failed" => Turn::fail(ModelErrorKind::Server, "No."),
        "incomplete" => Turn::text("cut").token_limit(),
        _ => Turn::text("Done."),
    };
    // For `queued`, another run holds the only permit and plays the first turn.
    let turns = [turn, Turn::text("More."), Turn::text("More.")];
    let builder = Server::builder().model(Scripted::new(turns)).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    if status == "queued" {
        client.create_fixture(&[]).await.create_run(json!({})).await;
        run_pending_tasks().await;
    }
    let fixture = client.create_fixture(&["weather"]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    match status {
        "cancelled" => {
            fixture.cancel_run(&run).await.ok();
            run_pending_tasks().await;
        }
        "expired" => sleep(Duration::from_secs(601)).await,
        _ => {}
    }
    let run = fixture.get_run(&run).await;
    assert_eq!(run["status"], status);
    (fixture, run)
}

#[tokio::test(start_paused = true)]
async fn cancel_is_accepted_as_listed() {
    for (status, cancellable, ..) in STATUSES {
        let (fixture, run) = run_with_status(status).await;
        let response = fixture.cancel_run(&run).await;
        if cancellable {
            let cancelling = response.ok();
            assert_eq!(cancelling["status"], "cancelling", "{status}");
            assert_eq!(cancelling["required_action"], Value::Null);
            assert_eq!(fixture.wait_for_run(&run).await["status"], "cancelled", "{status}");
            fixture.try_create_run(json!({})).await.ok();
        } else {
            let message = format!("Cannot cancel run with status '{status}'.");
            response.expect_state_error(&message);
            assert_eq!(fixture.get_run(&run).await, run, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_are_accepted_as_listed() {
    for (status, _, accepts_outputs, _) in STATUSES {
        let (fixture, run) = run_with_status(status).await;
        if accepts_outputs {
            assert_eq!(fixture.submit_outputs(&run, &["sun"]).await["status"], "queued");
            assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
            continue;
        }
        for stream in [false, true] {
            let outputs = json!([{"tool_call_id": "call_x", "output": "sun"}]);
            let body = json!({"tool_outputs": outputs, "stream": stream});
            let message = format!("Runs in status \"{status}\" do not accept tool outputs.");
            fixture.try_submit_outputs(&run, body).await.expect_state_error(&message);
            assert_eq!(fixture.get_run(&run).await, run, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn thread_is_busy_as_listed() {
    for (status, _, _, active) in STATUSES {
        let (fixture, run) = run_with_status(status).await;
        let (client, thread, run_id) = (&fixture.client, &fixture.thread, id(&run));
        let messages = client.get(&fixture.messages_path()).await.ok();
        let paths = messages["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| fixture.message_path(message));
        if active {
            let expected = format!("Thread {thread} already has an active run {run_id}.");
            let message = json!({"role": "user", "content": "More"});
            for fields in [json!({"additional_messages": [message]}), json!({"stream": true})] {
                fixture.try_create_run(fields).await.expect_state_error(&expected);
            }
            let expected =
                format!("Can't add messages to {thread} while a run {run_id} is active.");
            fixture.try_add_message("More").await.expect_state_error(&expected);
            let expected =
                format!("Can't delete messages from {thread} while a run {run_id} is active.");
            for path in paths {
                client.delete(&path).await.expect_state_error(&expected);
            }
            let missing = format!("{}/msg_x", fixture.messages_path());
            client.delete(&missing).await.expect_not_found("message", "msg_x");
            assert_eq!(client.get(&fixture.messages_path()).await.ok(), messages, "{status}");
        } else {
            fixture.add_message("More").await;
            for path in paths {
                client.delete(&path).await.ok();
            }
            fixture.try_create_run(json!({})).await.ok();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_operations_are_accepted_in_every_status() {
    for (status, ..) in STATUSES {
        let (fixture, mut run) = run_with_status(status).await;
        let client = &fixture.client;
        let path = fixture.run_path(&run, "");
        let metadata = json!({"note": status});
        run["metadata"] = metadata.clone();
        let update = json!({"metadata": metadata});
        assert_eq!(client.post(&path, update.clone()).await.ok(), run);
        assert_eq!(client.get(&path).await.ok(), run);
        assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([run]));
        for step in fixture.list_steps(&run).await {
            let path = fixture.run_path(&run, &format!("/steps/{}", id(&step)));
            assert_eq!(client.get(&path).await.ok(), step);
        }
        let messages = client.get(&fixture.messages_path()).await.ok();
        for message in messages["data"].as_array().unwrap() {
            let path = fixture.message_path(message);
            assert_eq!(client.get(&path).await.ok(), *message);
            assert_eq!(client.post(&path, update.clone()).await.ok()["metadata"], metadata);
        }
        client.post(&fixture.thread_path(), update.clone()).await.ok();
        client.post(&fixture.assistant_path(), update).await.ok();
        client.get("/assistants").await.ok();
        assert_eq!(client.get(&path).await.ok(), run, "{status}");
        client.delete(&fixture.assistant_path()).await.ok();
        assert_eq!(client.get(&path).await.ok(), run, "{status}");
        client.delete(&fixture.thread_path()).await.ok();
        client.get(&path).await.expect_error(404);
    }
}
