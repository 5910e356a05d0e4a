//! Restarts with a data file.

use std::path::Path;
use std::time::Duration;

use runstep_server::model::{Scripted, Turn};
use runstep_server::{DataFileError, Durability, ManualClock, Server, ServerBuilder, StartError};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Event, Fixture, TestClient, event_names, id, run_pending_tasks};

/// A server with a data file, whose model plays these turns.
fn builder(path: &Path, turns: impl IntoIterator<Item = Turn>) -> ServerBuilder {
    let builder = Server::builder().model(Scripted::new(turns));
    builder.data_file(path).durability(Durability::Normal)
}

/// Starts a server on a file that a server of this test used before, which ends asynchronously.
async fn start(builder: impl Fn() -> ServerBuilder) -> TestClient {
    for _ in 0..1000 {
        match builder().app() {
            Ok(app) => return TestClient::from_router(app),
            Err(StartError::DataFile(DataFileError::InUse { process_id, .. })) => {
                assert_eq!(process_id, Some(std::process::id()));
            }
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the file is not released");
}

/// Ends the server of a fixture and starts another one on the same file.
async fn restart(fixture: Fixture, builder: impl Fn() -> ServerBuilder) -> Fixture {
    let Fixture { client, assistant, thread } = fixture;
    drop(client);
    Fixture { client: start(builder).await, assistant, thread }
}

#[tokio::test(start_paused = true)]
async fn objects_and_events_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let turns = || [Turn::text("Checking.").and_call("weather", json!({})), Turn::text("Sunny.")];
    let fixture = start(|| builder(&path, turns())).await.create_fixture(&["weather"]).await;
    let first = fixture.stream_run(json!({"metadata": {"a": "b"}})).await;
    let run = first[first.len() - 2].data.clone();
    fixture.submit_outputs(&run, &["sun"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    let paths = [
        fixture.assistant_path(),
        "/assistants".to_owned(),
        fixture.thread_path(),
        fixture.messages_path(),
        fixture.runs_path(),
        fixture.run_path(&run, ""),
        fixture.run_path(&run, "/steps"),
    ];
    let read = async |client: &TestClient| {
        let mut objects = Vec::new();
        for path in &paths {
            objects.push(client.get(path).await.ok());
        }
        objects
    };
    let run_path = fixture.run_path(&run, "");
    let before = read(&fixture.client).await;
    let second = fixture.client.resumed_events(&run_path, first.len() as u64).await;
    let fixture = restart(fixture, || builder(&path, turns())).await;
    assert_eq!(read(&fixture.client).await, before);
    assert_eq!(fixture.client.resumed_events(&run_path, 0).await, first);
    assert_eq!(fixture.client.resumed_events(&run_path, first.len() as u64).await, second);
}

#[tokio::test(start_paused = true)]
async fn queued_run_executes_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let limited = || builder(&path, [Turn::stall(), Turn::text("Hi.")]).max_concurrent_runs(1);
    let client = start(limited).await;
    let stalled = client.create_fixture(&[]).await;
    let stalled_run = stalled.create_run(json!({})).await;
    run_pending_tasks().await;
    let fixture = client.create_fixture(&[]).await;
    let run = fixture.create_run(json!({})).await;
    drop((client, stalled.client));
    let fixture = restart(fixture, || builder(&path, vec![Turn::text("Hi."); 2])).await;
    let client = fixture.client.clone();
    let events = client.resumed_events(&fixture.run_path(&run, ""), 2).await;
    assert_eq!(event_names(&events)[0], "run.in_progress");
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    // The model had generated nothing for the other one.
    let stalled = Fixture { client: fixture.client, ..stalled };
    let run = stalled.wait_for_run(&stalled_run).await;
    assert_eq!(run["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn spawned_server_recovers_runs_before_the_first_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let client = start(|| builder(&path, [Turn::stall()])).await;
    let fixture = client.create_fixture(&[]).await;
    fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    drop((client, fixture));
    let model = Scripted::new([Turn::text("Hi.")]);
    let server = loop {
        let builder = Server::builder().model(model.clone()).data_file(&path);
        match builder.spawn().await {
            Ok(server) => break server,
            Err(StartError::DataFile(DataFileError::InUse { .. })) => {
                sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    let recovered = async {
        while model.remaining() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), recovered).await.expect("the run is recovered");
    server.shutdown().await.unwrap();
}

/// A run that has generated a part of its message. Returns the events so far.
async fn interrupted_run(path: &Path) -> (Fixture, Vec<Event>) {
    let turns = || [Turn::text("It is").and_stall()];
    let fixture = start(|| builder(path, turns())).await.create_fixture(&[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let mut received = stream.read_until("thread.message.delta").await;
    received.extend(stream.read_until("thread.message.delta").await);
    (fixture, received)
}

#[tokio::test(start_paused = true)]
async fn run_with_output_fails_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (fixture, received) = interrupted_run(&path).await;
    let last = received.last().unwrap().id.unwrap();
    let (run, message) = (fixture.newest_run().await, fixture.newest_message().await);
    // What a crash leaves behind.
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(directory.path().join("data.db-wal"), directory.path().join("copy.db-wal"))
        .unwrap();

    let client = start(|| builder(&copy, [Turn::text("More.")])).await;
    let fixture = Fixture { client, ..fixture };
    let run = fixture.wait_for_run(&run).await;
    assert_eq!(run["status"], "failed");
    let message_text = "The server stopped while the model was generating.";
    assert_eq!(run["last_error"], json!({"code": "server_error", "message": message_text}));
    let message = fixture.client.get(&fixture.message_path(&message)).await.ok();
    assert_eq!(message["status"], "incomplete");
    assert_eq!(message["incomplete_details"], json!({"reason": "run_failed"}));
    // A client that resumes after the last event it received gets the rest, once.
    let rest = fixture.client.resumed_events(&fixture.run_path(&run, ""), last).await;
    assert_eq!(event_names(&rest), ["message.incomplete", "run.step.failed", "run.failed", "done"]);
    assert!(rest[0].id.unwrap() > last);
    assert_eq!(fixture.try_create_run(json!({})).await.status, 200, "the thread is locked");
}

#[tokio::test(start_paused = true)]
async fn run_that_a_shutdown_stopped_repeats_its_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (fixture, received) = interrupted_run(&path).await;
    let run = fixture.newest_run().await;
    let fixture = restart(fixture, || builder(&path, [Turn::text("Sunny.")])).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    assert_eq!(fixture.message_texts().await, ["Hello there", "It is", "Sunny."]);
    let steps = fixture.list_steps(&run).await;
    let statuses: Vec<_> = steps.iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "completed"]);
    let last = received.last().unwrap().id.unwrap();
    let rest = fixture.client.resumed_events(&fixture.run_path(&run, ""), last).await;
    let names = event_names(&rest);
    assert_eq!(names[..3], ["message.incomplete", "run.step.failed", "run.step.created"]);
    assert_eq!(names[names.len() - 2..], ["run.completed", "done"]);
}

#[tokio::test(start_paused = true)]
async fn run_that_requires_action_continues_or_expires_after_a_restart() {
    for expire in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.db");
        let clock = ManualClock::new();
        let turns = [Turn::call("weather", json!({}))];
        let first = || builder(&path, turns.clone()).clock(clock.clone());
        let fixture = start(first).await.create_fixture(&["weather"]).await;
        let waiting = fixture.create_run_and_wait(json!({})).await;
        let second = || builder(&path, [Turn::text("Sunny.")]).clock(clock.clone());
        let fixture = restart(fixture, second).await;
        assert_eq!(fixture.get_run(&waiting).await, waiting);
        if expire {
            clock.advance(Duration::from_secs(601));
        } else {
            fixture.submit_outputs(&waiting, &["sun"]).await;
        }
        let mut run = Value::Null;
        for _ in 0..1000 {
            run = fixture.wait_for_run(&waiting).await;
            if run["status"] != "requires_action" {
                break;
            }
            run_pending_tasks().await;
        }
        assert_eq!(run["status"], if expire { "expired" } else { "completed" });
    }
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps_back_changes_neither_order_nor_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let clock = ManualClock::new();
    let first = || builder(&path, [Turn::text("Hi.")]).clock(clock.clone());
    let fixture = start(first).await.create_fixture(&[]).await;
    fixture.create_run_and_wait(json!({})).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let earlier = ManualClock::starting_at(clock.now() - day);
    let second = || builder(&path, [Turn::text("Again.")]).clock(earlier.clone());
    let fixture = restart(fixture, second).await;
    fixture.add_message("Later").await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(fixture.message_texts().await, ["Hello there", "Hi.", "Later", "Again."]);
    assert_eq!(id(&fixture.newest_run().await), id(&run));
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps_forward_expires_only_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let clock = ManualClock::new();
    let turns = [Turn::text("Hi."), Turn::call("weather", json!({}))];
    let first = || builder(&path, turns.clone()).clock(clock.clone());
    let fixture = start(first).await.create_fixture(&["weather"]).await;
    let completed = fixture.create_run_and_wait(json!({})).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    let later = ManualClock::starting_at(clock.now() + Duration::from_secs(100 * 24 * 60 * 60));
    let second = || builder(&path, [Turn::text("Later.")]).clock(later.clone());
    let fixture = restart(fixture, second).await;
    assert_eq!(fixture.wait_for_status(&waiting, "expired").await["status"], "expired");
    assert_eq!(fixture.get_run(&completed).await, completed);
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "completed");
    // The clock is corrected.
    let third = || builder(&path, [Turn::text("Again.")]).clock(clock.clone());
    let fixture = restart(fixture, third).await;
    assert_eq!(fixture.get_run(&run).await, run);
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    assert_eq!(fixture.message_texts().await, ["Hello there", "Hi.", "Later.", "Again."]);
}

#[tokio::test(start_paused = true)]
async fn keys_have_their_objects_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let with_keys = |keys: [&'static str; 2]| builder(&path, []).api_keys(keys);
    let client = start(|| with_keys(["first", "second"])).await;
    let first = client.with_header("authorization", "Bearer first");
    let assistant = first.create_assistant(json!({})).await;
    drop((client, first));
    let client = start(|| with_keys(["second", "first"])).await;
    let assistants = async |key: &str| {
        let client = client.with_header("authorization", key);
        let list = client.get("/assistants").await.ok();
        list["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    let expected: [Vec<String>; 2] = [vec![assistant], Vec::new()];
    assert_eq!([assistants("Bearer first").await, assistants("Bearer second").await], expected);
}

#[tokio::test(start_paused = true)]
async fn runs_for_which_the_memory_is_in_use_are_recovered_later() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let client = start(|| builder(&path, [Turn::stall(), Turn::stall(), Turn::stall()])).await;
    let parameters = json!({"type": "object", "description": "x".repeat(300_000)});
    let function = json!({"name": "weather", "parameters": parameters});
    let tools = json!([{"type": "function", "function": function}]);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let Fixture { client: _, assistant, thread } = client.create_fixture(&[]).await;
        let fixture = Fixture { client: client.clone(), assistant, thread };
        let run = fixture.create_run(json!({"tools": tools})).await;
        runs.push((fixture.assistant, fixture.thread, run));
    }
    run_pending_tasks().await;
    drop(client);
    // While a run executes, six copies of its tools are reserved: those of one run fit.
    let small = || {
        let turn = || Turn::text("Hi.").initial_delay(Duration::from_secs(5));
        builder(&path, [turn(), turn(), turn()]).max_stored_bytes(3_300_000)
    };
    let client = start(small).await;
    for (assistant, thread, run) in runs {
        let fixture = Fixture { client: client.clone(), assistant, thread };
        let mut messages = Vec::new();
        for _ in 0..100 {
            sleep(Duration::from_secs(1)).await;
            messages = fixture.message_texts().await;
            if messages.len() > 1 {
                break;
            }
        }
        assert_eq!(messages, ["Hello there", "Hi."], "{}", id(&run));
    }
}
