//! Requests that conflict with the state of a run or thread, and missing objects.

use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::{Value, json};

use crate::harness::{Fixture, call_ids, id, run_pending_tasks};

async fn stalled_run() -> (Fixture, Value) {
    let fixture = Fixture::with_turns([Turn::stall(), Turn::text("Next.")], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    (fixture, run)
}

/// A run that requires the outputs of two calls.
async fn waiting_run() -> (Fixture, Value) {
    let turn = Turn::call("weather", json!({})).and_call("time", json!({}));
    let turns = [turn, Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather", "time"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    (fixture, run)
}

fn outputs_body(ids: &[&str]) -> Value {
    let output = |id: &&str| json!({"tool_call_id": id, "output": "x"});
    json!({"tool_outputs": ids.iter().map(output).collect::<Vec<_>>()})
}

#[tokio::test(start_paused = true)]
async fn second_run_on_a_busy_thread_is_rejected() {
    let (fixture, run) = stalled_run().await;
    let added = json!({"additional_messages": [{"role": "user", "content": "And?"}]});
    let message = format!("Thread {} already has an active run {}.", fixture.thread, id(&run));
    fixture.try_create_run(added).await.expect_state_error(&message);
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
    let (mut created, mut errors) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let response = attempt.await.unwrap();
        if response.status == 200 {
            created.push(id(&response.ok()));
        } else {
            errors.push(response.expect_error(400)["message"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!((created.len(), errors.len()), (1, 63));
    let expected = format!("Thread {} already has an active run {}.", fixture.thread, created[0]);
    assert!(errors.iter().all(|message| *message == expected), "{errors:?}");
    assert_eq!(fixture.message_texts().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn adding_messages_to_a_busy_thread_is_rejected() {
    for (fixture, run) in [stalled_run().await, waiting_run().await] {
        let response = fixture.try_add_message("And?").await;
        let message =
            format!("Can't add messages to {} while a run {} is active.", fixture.thread, id(&run));
        response.expect_state_error(&message);
        assert_eq!(fixture.message_texts().await, ["Hello there"]);
        fixture.cancel_run(&run).await.ok();
        fixture.wait_for_run(&run).await;
        fixture.add_message("And?").await;
    }
}

#[tokio::test(start_paused = true)]
async fn missing_and_unknown_tool_outputs_are_rejected() {
    let (fixture, run) = waiting_run().await;
    let ids = call_ids(&run);
    let (first, second) = (ids[0].as_str(), ids[1].as_str());
    for submitted in [&[first][..], &[], &[first, "call_x"], &[first, second, "call_x"]] {
        let listed: Vec<String> = submitted.iter().map(|id| format!("'{id}'")).collect();
        let message = format!(
            "Expected tool outputs for call_ids ['{first}', '{second}'], got [{}]",
            listed.join(", ")
        );
        fixture
            .try_submit_outputs(&run, outputs_body(submitted))
            .await
            .expect_state_error(&message);
    }
    // No output of these requests was stored.
    assert_eq!(fixture.get_run(&run).await, run);
    let calls = &fixture.list_steps(&run).await[0]["step_details"]["tool_calls"];
    assert_eq!(calls[0]["function"]["output"], Value::Null);
    // Outputs may come in any order.
    fixture.try_submit_outputs(&run, outputs_body(&[second, first])).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn duplicate_tool_outputs_are_rejected() {
    let (fixture, run) = waiting_run().await;
    let ids = call_ids(&run);
    let submitted = [ids[0].as_str(), ids[1].as_str(), ids[0].as_str()];
    let message = format!(
        "Duplicate call_ids submitted: ['{}', '{}', '{}']",
        submitted[0], submitted[1], submitted[2]
    );
    fixture.try_submit_outputs(&run, outputs_body(&submitted)).await.expect_state_error(&message);
}

#[tokio::test(start_paused = true)]
async fn tool_output_without_call_id_is_rejected() {
    let (fixture, run) = waiting_run().await;
    let body = json!({"tool_outputs": [{"output": "x"}]});
    let error = fixture.try_submit_outputs(&run, body).await.expect_error(400);
    assert_eq!(error["param"], "tool_outputs[0].tool_call_id");
    assert_eq!(fixture.get_run(&run).await["status"], "requires_action");
}

/// Runs in progress, and ended with every status.
async fn runs_in_each_status() -> Vec<(Fixture, Value)> {
    let mut runs = Vec::new();
    let turns = [
        Turn::text("Done."),
        Turn::fail(ModelErrorKind::Server, "No."),
        Turn::text("cut").token_limit(),
        Turn::stall(),
    ];
    for turn in turns {
        let fixture = Fixture::with_turns([turn], &[]).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        runs.push((fixture, run));
    }
    let (fixture, run) = stalled_run().await;
    fixture.cancel_run(&run).await.ok();
    let run = fixture.wait_for_run(&run).await;
    runs.push((fixture, run));
    runs.push(stalled_run().await);
    runs
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_are_rejected_outside_requires_action() {
    let mut seen = Vec::new();
    for (fixture, run) in runs_in_each_status().await {
        let response = fixture.try_submit_outputs(&run, outputs_body(&["call_x"])).await;
        let status = fixture.get_run(&run).await["status"].as_str().unwrap().to_owned();
        let message = format!("Runs in status \"{status}\" do not accept tool outputs.");
        response.expect_state_error(&message);
        seen.push(status);
    }
    let all = ["completed", "failed", "incomplete", "expired", "cancelled", "in_progress"];
    assert_eq!(seen, all);
}

#[tokio::test(start_paused = true)]
async fn cancel_of_an_ended_run_is_rejected() {
    for (fixture, run) in runs_in_each_status().await {
        let before = fixture.get_run(&run).await;
        if before["status"] == "in_progress" {
            continue;
        }
        let status = before["status"].as_str().unwrap();
        let message = format!("Cannot cancel run with status '{status}'.");
        fixture.cancel_run(&run).await.expect_state_error(&message);
        assert_eq!(fixture.get_run(&run).await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn second_cancel_is_rejected() {
    let (fixture, run) = stalled_run().await;
    fixture.cancel_run(&run).await.ok();
    let response = fixture.cancel_run(&run).await;
    response.expect_state_error("Cannot cancel run with status 'cancelling'.");
    let response = fixture.try_submit_outputs(&run, outputs_body(&["a"])).await;
    response.expect_state_error("Runs in status \"cancelling\" do not accept tool outputs.");
    let response = fixture.try_create_run(json!({})).await;
    let message = format!("Thread {} already has an active run {}.", fixture.thread, id(&run));
    response.expect_state_error(&message);
}

#[tokio::test(start_paused = true)]
async fn not_found_error_names_the_missing_object() {
    let (fixture, run) = waiting_run().await;
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
        client.get(&path).await.expect_not_found(kind, id);
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
        (
            "run",
            "run_x",
            format!("/threads/{thread}/runs/run_x/submit_tool_outputs"),
            outputs_body(&[]),
        ),
    ];
    for (kind, id, path, body) in posts {
        client.post(&path, body).await.expect_not_found(kind, id);
    }
}
