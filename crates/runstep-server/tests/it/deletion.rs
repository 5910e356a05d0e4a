//! Deletion of assistants, threads and messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use futures_util::StreamExt as _;
use runstep_server::Server;
use runstep_server::model::{
    ConversationItem, Model, ModelEvent, ModelRequest, ModelStream, Offline, Scripted, Turn,
};
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{
    Event, EventStream, Fixture, TestClient, event_names, id, run_pending_tasks, tool_outputs_body,
};

/// Deletes an object, and checks that it can no longer be retrieved, updated or deleted.
async fn delete_and_check(client: &TestClient, path: &str, kind: &str, object: &str) {
    let id = path.rsplit('/').next().unwrap();
    let deleted = client.delete(path).await.ok();
    assert_eq!(deleted, json!({"id": id, "object": object, "deleted": true}));
    client.get(path).await.expect_not_found(kind, id);
    client.post(path, json!({"metadata": {}})).await.expect_not_found(kind, id);
    client.delete(path).await.expect_not_found(kind, id);
}

#[tokio::test(start_paused = true)]
async fn deleted_assistant_cannot_start_runs() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let other = client.create_assistant(json!({})).await;
    delete_and_check(client, &fixture.assistant_path(), "assistant", "assistant.deleted").await;
    let list = client.get("/assistants").await.ok();
    assert_eq!((&list["data"][0]["id"], &list["first_id"]), (&json!(other), &json!(other)));
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    fixture.try_create_run(json!({})).await.expect_not_found("assistant", &fixture.assistant);
    client
        .post("/threads/runs", fixture.run_body(json!({})))
        .await
        .expect_not_found("assistant", &fixture.assistant);
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    let fixture = Fixture { assistant: other, ..fixture };
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn runs_continue_after_their_assistant_is_deleted() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
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
    let message = fixture.message_path(&fixture.newest_message().await);
    delete_and_check(client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let paths = [
        fixture.messages_path(),
        message.clone(),
        fixture.runs_path(),
        fixture.run_path(&run, ""),
        fixture.run_path(&run, "/steps"),
        fixture.run_path(&run, &format!("/steps/{}", id(&step))),
    ];
    for path in paths {
        client.get(&path).await.expect_not_found("thread", thread);
    }
    let outputs = json!({"tool_outputs": []});
    let new_message = json!({"role": "user", "content": "Hello"});
    let posts = [
        (fixture.messages_path(), new_message),
        (message.clone(), json!({})),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        (fixture.run_path(&run, ""), json!({})),
        (fixture.run_path(&run, "/cancel"), json!({})),
        (fixture.run_path(&run, "/submit_tool_outputs"), outputs),
    ];
    for (path, body) in posts {
        client.post(&path, body).await.expect_not_found("thread", thread);
    }
    client.delete(&message).await.expect_not_found("thread", thread);
    // The assistant is not affected.
    client.get(&fixture.assistant_path()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn deleted_messages_are_not_sent_to_the_model() {
    let model = Scripted::new(vec![Turn::text("Ok"); 2]);
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    fixture.add_message("And now?").await;
    let list = fixture.client.get(&format!("{}?order=asc", fixture.messages_path())).await.ok();
    for message in &list["data"].as_array().unwrap()[..2] {
        let path = fixture.message_path(message);
        delete_and_check(&fixture.client, &path, "message", "thread.message.deleted").await;
    }
    assert_eq!(fixture.message_texts().await, ["And now?"]);
    // The step that created one of them still refers to it.
    let step = &fixture.list_steps(&run).await[0];
    let message_id = &step["step_details"]["message_creation"]["message_id"];
    assert_eq!(message_id, &list["data"][1]["id"]);
    fixture.create_run_and_wait(json!({})).await;
    let conversation = &model.requests()[1].conversation;
    assert_eq!(*conversation, [ConversationItem::User("And now?".to_owned())]);
}

/// A model that emits one word and stalls. It counts its responses in flight.
#[derive(Clone, Default)]
struct StallingModel {
    in_flight: Arc<AtomicUsize>,
}

struct ResponseGuard(Arc<AtomicUsize>);

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for StallingModel {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let guard = ResponseGuard(Arc::clone(&self.in_flight));
        let text = futures_util::stream::iter([Ok(ModelEvent::Text("It".to_owned()))]);
        Box::pin(text.chain(futures_util::stream::poll_fn(move |_| {
            let _guard = &guard;
            std::task::Poll::Pending
        })))
    }
}

impl StallingModel {
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// Returns the remaining events of a stream that must end within a second.
async fn remaining_events(stream: EventStream) -> Vec<Event> {
    timeout(Duration::from_secs(1), stream.read_to_end()).await.expect("the stream does not end")
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_the_model_and_ends_the_stream() {
    let model = StallingModel::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    stream.read_until("thread.message.delta").await;
    assert_eq!(model.in_flight(), 1);
    delete_and_check(&fixture.client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let events = remaining_events(stream).await;
    let expected =
        ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled", "done"];
    assert_eq!(event_names(&events), expected);
    assert_eq!(model.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_run_without_readers() {
    let model = StallingModel::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    assert_eq!(model.in_flight(), 1);
    fixture.client.delete(&fixture.thread_path()).await.ok();
    run_pending_tasks().await;
    assert_eq!(model.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_queued_run() {
    let model = StallingModel::default();
    let builder = Server::builder().model(model.clone()).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    client.hold_execution_permit().await;
    let fixture = client.create_fixture(&[]).await;
    let stream = fixture.open_run_stream(json!({})).await;
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let events = remaining_events(stream).await;
    let expected = ["run.created", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(event_names(&events), expected);
    assert_eq!(model.in_flight(), 1, "only the run that holds the permit executes");
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_right_after_tool_outputs_ends_the_stream() {
    let model = Scripted::new([Turn::call("weather", json!({})), Turn::stall()]);
    let builder = Server::builder().model(model).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    let fixture = client.create_fixture(&["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    client.hold_execution_permit().await;
    let stream = fixture.open_outputs_stream(&run, &["sun"]).await;
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let expected = ["run.step.completed", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(event_names(&remaining_events(stream).await), expected);
}

#[tokio::test(start_paused = true)]
async fn thread_can_be_deleted_while_its_run_requires_action_or_is_cancelling() {
    let fixture = Fixture::with_turns([Turn::call("weather", json!({}))], &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    delete_and_check(&fixture.client, &fixture.thread_path(), "thread", "thread.deleted").await;
    let response = fixture.try_submit_outputs(&run, tool_outputs_body(&run, &["sun"])).await;
    response.expect_not_found("thread", &fixture.thread);

    let model = StallingModel::default();
    let fixture = Fixture::with_model(model.clone(), &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let start = stream.read_until("thread.message.delta").await;
    fixture.cancel_run(&start[0].data).await.ok();
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let events = remaining_events(stream).await;
    assert_eq!(event_names(&events).iter().filter(|name| **name == "run.cancelled").count(), 1);
    assert_eq!(model.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn run_created_during_thread_deletion_is_rejected_or_stopped() {
    let model = StallingModel::default();
    let client = TestClient::with_model(model.clone());
    for _ in 0..200 {
        let fixture = client.create_fixture(&[]).await;
        let creation = tokio::spawn({
            let fixture = fixture.clone();
            async move { fixture.try_create_run(json!({})).await }
        });
        let deletion = tokio::spawn({
            let fixture = fixture.clone();
            async move { fixture.client.delete(&fixture.thread_path()).await.ok() }
        });
        deletion.await.unwrap();
        let created = creation.await.unwrap();
        if created.status != 200 {
            created.expect_not_found("thread", &fixture.thread);
        }
    }
    for _ in 0..1000 {
        if model.in_flight() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} responses are still in flight", model.in_flight());
}

#[tokio::test(start_paused = true)]
async fn delete_ignores_its_body_and_validates_its_query() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let path = format!("{}?force=true", fixture.thread_path());
    fixture.client.delete(&path).await.expect_invalid("force", "unknown_parameter");
    let path = format!("{}?api-version=2025-05-01", fixture.thread_path());
    fixture.client.request(Method::DELETE, &path, "{not json".into()).await.ok();
}
