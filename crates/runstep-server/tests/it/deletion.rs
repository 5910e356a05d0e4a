//! Deletion of assistants, threads and messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_server::model::{
    ConversationItem, Model, ModelEvent, ModelRequest, ModelStream, Offline, Scripted, Turn,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{
    Event, Fixture, JsonResponse, TestClient, event_names, id, merged, run_pending_tasks,
    tool_outputs_body,
};

#[track_caller]
fn not_found(response: JsonResponse, kind: &str, id: &str) {
    let expected = json!({
        "message": format!("No {kind} found with id '{id}'."),
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    });
    assert_eq!(response.expect_error(404), expected);
}

/// Deletes an object, and checks that it can no longer be retrieved, updated or deleted.
async fn delete(client: &TestClient, path: &str, kind: &str, object: &str) {
    let id = path.rsplit('/').next().unwrap();
    let deleted = client.delete(path).await.ok();
    assert_eq!(deleted, json!({"id": id, "object": object, "deleted": true}));
    not_found(client.get(path).await, kind, id);
    not_found(client.post(path, json!({"metadata": {}})).await, kind, id);
    not_found(client.delete(path).await, kind, id);
}

#[tokio::test(start_paused = true)]
async fn deleted_assistant_cannot_start_runs() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let other = client.create_assistant(json!({})).await;
    delete(client, &fixture.assistant_path(), "assistant", "assistant.deleted").await;
    let list = client.get("/assistants").await.ok();
    assert_eq!((&list["data"][0]["id"], &list["first_id"]), (&json!(other), &json!(other)));
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    not_found(fixture.try_create_run(json!({})).await, "assistant", &fixture.assistant);
    not_found(
        client.post("/threads/runs", fixture.run_body(json!({}))).await,
        "assistant",
        &fixture.assistant,
    );
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    let fixture = Fixture { assistant: other, ..fixture };
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn runs_continue_after_their_assistant_is_deleted() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    fixture.client.delete(&fixture.assistant_path()).await.ok();
    fixture.submit_outputs(&waiting, &["sun"]).await;
    let run = fixture.wait_for_run(&waiting).await;
    assert_eq!(
        (&run["status"], &run["assistant_id"]),
        (&json!("completed"), &json!(fixture.assistant))
    );
    assert_eq!(fixture.message_texts().await, ["Hello there", "Sunny."]);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_deletes_everything_on_it() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let (client, thread) = (&fixture.client, fixture.thread.as_str());
    let run = fixture.create_run_and_wait(json!({})).await;
    let step = fixture.list_steps(&run).await.remove(0);
    let list = client.get(&fixture.messages_path()).await.ok();
    let message = format!("{}/{}", fixture.messages_path(), id(&list["data"][0]));
    delete(client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let paths = [
        fixture.messages_path(),
        message.clone(),
        fixture.runs_path(),
        fixture.run_path(&run, ""),
        fixture.run_path(&run, "/steps"),
        fixture.run_path(&run, &format!("/steps/{}", id(&step))),
    ];
    for path in paths {
        not_found(client.get(&path).await, "thread", thread);
    }
    let outputs = json!({"tool_outputs": []});
    let hello = json!({"role": "user", "content": "Hello"});
    let posts = [
        (fixture.messages_path(), hello),
        (message.clone(), json!({})),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        (fixture.run_path(&run, ""), json!({})),
        (fixture.run_path(&run, "/cancel"), json!({})),
        (fixture.run_path(&run, "/submit_tool_outputs"), outputs),
    ];
    for (path, body) in posts {
        not_found(client.post(&path, body).await, "thread", thread);
    }
    not_found(client.delete(&message).await, "thread", thread);
    // The assistant is not affected.
    client.get(&fixture.assistant_path()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn deleted_messages_are_not_sent_to_the_model() {
    let model = Scripted::new(vec![Turn::say("Ok"); 2]);
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let add = json!({"role": "user", "content": "And now?"});
    fixture.client.post(&fixture.messages_path(), add).await.ok();
    let list = fixture.client.get(&format!("{}?order=asc", fixture.messages_path())).await.ok();
    for message in &list["data"].as_array().unwrap()[..2] {
        let path = fixture.message_path(message);
        delete(&fixture.client, &path, "message", "thread.message.deleted").await;
    }
    assert_eq!(fixture.message_texts().await, ["And now?"]);
    // The step that created one of them still refers to it.
    let step = &fixture.list_steps(&run).await[0];
    let written = &step["step_details"]["message_creation"]["message_id"];
    assert_eq!(written, &list["data"][1]["id"]);
    fixture.create_run_and_wait(json!({})).await;
    let conversation = &model.requests()[1].conversation;
    assert_eq!(*conversation, [ConversationItem::User("And now?".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_busy_thread_cannot_be_deleted() {
    let stalled = Fixture::with_turns([Turn::say("It").and_stall()], &["weather"]).await;
    let waits = TestClient::with_turns([Turn::say("It").and_call("weather", json!({}))]);
    let waits = waits.create_fixture(&["weather"]).await;
    for fixture in [stalled, waits] {
        let run = fixture.create_run(json!({})).await;
        run_pending_tasks().await;
        let list = fixture.client.get(&fixture.messages_path()).await.ok();
        for message in list["data"].as_array().unwrap() {
            let path = fixture.message_path(message);
            let error = fixture.client.delete(&path).await.expect_error(400);
            let expected = json!({
                "message": format!(
                    "Can't delete messages from {} while a run {} is active.",
                    fixture.thread,
                    id(&run)
                ),
                "type": "invalid_request_error",
                "param": null,
                "code": null,
            });
            assert_eq!(error, expected);
        }
        let missing = format!("{}/msg_x", fixture.messages_path());
        not_found(fixture.client.delete(&missing).await, "message", "msg_x");
        assert_eq!(fixture.message_texts().await, ["Hello there", "It"]);
        fixture.cancel_run(&run).await.ok();
        fixture.wait_for_run(&run).await;
        for message in list["data"].as_array().unwrap() {
            fixture.client.delete(&fixture.message_path(message)).await.ok();
        }
        assert_eq!(fixture.message_texts().await, [] as [&str; 0]);
    }
}

/// A model that emits one word and stalls. It counts its responses in flight.
#[derive(Clone, Default)]
struct Stalls {
    answering: Arc<AtomicUsize>,
}

struct Answering(Arc<AtomicUsize>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for Stalls {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        self.answering.fetch_add(1, Ordering::SeqCst);
        let answering = Answering(Arc::clone(&self.answering));
        let word = futures_util::stream::iter([Ok(ModelEvent::Text("It".to_owned()))]);
        Box::pin(word.chain(futures_util::stream::poll_fn(move |_| {
            let _held = &answering;
            std::task::Poll::Pending
        })))
    }
}

impl Stalls {
    fn answering(&self) -> usize {
        self.answering.load(Ordering::SeqCst)
    }
}

/// Returns the remaining events of a stream that must end within a second.
async fn ends(stream: crate::harness::EventStream) -> Vec<Event> {
    timeout(Duration::from_secs(1), stream.read_to_end()).await.expect("the stream ends")
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_the_model_and_ends_the_stream() {
    let model = Stalls::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    stream.read_until("thread.message.delta").await;
    assert_eq!(model.answering(), 1);
    delete(&fixture.client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let events = ends(stream).await;
    let expected =
        ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled", "done"];
    assert_eq!(event_names(&events), expected);
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_run_without_readers() {
    let model = Stalls::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    assert_eq!(model.answering(), 1);
    fixture.client.delete(&fixture.thread_path()).await.ok();
    run_pending_tasks().await;
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_queued_run() {
    let model = Stalls::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let stream = fixture.open_run_stream(json!({})).await;
    // On the current-thread runtime, the run has not been polled since.
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let events = ends(stream).await;
    let expected = ["run.created", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(event_names(&events), expected);
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_right_after_tool_outputs_ends_the_stream() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let body = merged(tool_outputs_body(&run, &["sun"]), json!({"stream": true}));
    let stream =
        fixture.client.open_stream(&fixture.run_path(&run, "/submit_tool_outputs"), body).await;
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let expected = ["run.step.completed", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(event_names(&ends(stream).await), expected);
}

#[tokio::test(start_paused = true)]
async fn thread_can_be_deleted_while_its_run_requires_action_or_is_cancelling() {
    let fixture = Fixture::with_turns([Turn::call("weather", json!({}))], &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    delete(&fixture.client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let response = fixture.try_submit_outputs(&run, tool_outputs_body(&run, &["sun"])).await;
    not_found(response, "thread", &fixture.thread);

    let model = Stalls::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let start = stream.read_until("thread.message.delta").await;
    fixture.cancel_run(&start[0].data).await.ok();
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let events = ends(stream).await;
    assert_eq!(event_names(&events).iter().filter(|name| **name == "run.cancelled").count(), 1);
    assert_eq!(model.answering(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn run_created_during_thread_deletion_is_rejected_or_stopped() {
    let model = Stalls::default();
    let client = TestClient::with_model(model.clone());
    for _ in 0..200 {
        let fixture = client.create_fixture(&[]).await;
        let start = tokio::spawn({
            let fixture = fixture.clone();
            async move { fixture.try_create_run(json!({})).await }
        });
        let deletion = tokio::spawn({
            let fixture = fixture.clone();
            async move { fixture.client.delete(&fixture.thread_path()).await.ok() }
        });
        deletion.await.unwrap();
        let started = start.await.unwrap();
        if started.status != 200 {
            not_found(started, "thread", &fixture.thread);
        }
    }
    for _ in 0..1000 {
        if model.answering() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} answers are still under way", model.answering());
}

#[tokio::test(start_paused = true)]
async fn missing_objects_cannot_be_deleted_or_updated() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let other = client.create_thread("Other").await;
    let message = id(&client.get(&fixture.messages_path()).await.ok()["data"][0]);
    let cases = [
        ("assistant", "asst_x", "/assistants/asst_x".to_owned()),
        ("assistant", fixture.thread.as_str(), format!("/assistants/{}", fixture.thread)),
        ("thread", "thread_x", "/threads/thread_x".to_owned()),
        ("thread", "thread_x", format!("/threads/thread_x/messages/{message}")),
        ("message", "msg_x", format!("{}/msg_x", fixture.messages_path())),
        // The message is on another thread.
        ("message", &message, format!("/threads/{other}/messages/{message}")),
    ];
    for (kind, id, path) in cases {
        not_found(client.delete(&path).await, kind, id);
        not_found(client.post(&path, json!({})).await, kind, id);
    }
}

#[tokio::test(start_paused = true)]
async fn delete_ignores_its_body_and_validates_its_query() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let error = fixture
        .client
        .delete(&format!("{}?force=true", fixture.thread_path()))
        .await
        .expect_error(400);
    let expected = (&Value::from("force"), &Value::from("unknown_parameter"));
    assert_eq!((&error["param"], &error["code"]), expected);
    let path = format!("{}?api-version=2025-05-01", fixture.thread_path());
    fixture.client.request(axum::http::Method::DELETE, &path, "{not json".into()).await.ok();
}
