//! Live changes of all runs.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};

use super::*;
use crate::harness::{Fixture, id, run_pending_tasks};

/// The events of a stream.
struct Events {
    body: BodyDataStream,
    buffer: String,
}

impl Events {
    async fn open(client: &TestClient) -> Self {
        let response = client.send(Method::GET, "/v1/runs/events", Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// Opens a stream, and reads its first event.
    async fn ready(client: &TestClient) -> Self {
        let mut events = Self::open(client).await;
        assert_eq!(events.next().await, Some(("ready".to_owned(), json!({}))));
        events
    }

    /// Returns the next event, which matches the document.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut comments = 0;
        loop {
            let Some(end) = self.buffer.find("\n\n") else {
                self.buffer
                    .push_str(std::str::from_utf8(&self.body.next().await?.unwrap()).unwrap());
                continue;
            };
            let frame: String = self.buffer.drain(..end + 2).collect();
            if frame.starts_with(':') {
                comments += 1;
                assert!(comments < 100, "received only comments");
                continue;
            }
            let (name, data) = frame.trim_end().split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_valid("ConsoleEvent", &json!({"event": name, "data": data}));
            return Some((name, data));
        }
    }

    /// Returns the next event with this name.
    async fn until(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.next().await.expect("the stream ended");
            if found == name {
                return data;
            }
        }
    }

    /// Returns the run of the next change to this status.
    async fn until_status(&mut self, status: &str) -> Value {
        loop {
            let run = self.until("run.changed").await;
            if run["status"] == status {
                return run;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_all_runs_are_streamed() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let mut events = Events::ready(&fixture.client).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let waiting = events.until_status("requires_action").await;
    assert_eq!(waiting, run);
    let metadata = json!({"metadata": {"seen": "yes"}});
    fixture.client.post(&fixture.run_path(&run, ""), metadata).await.ok();
    assert_eq!(events.until("run.changed").await["metadata"]["seen"], "yes");
    fixture.cancel_run(&run).await.ok();
    assert_eq!(id(&events.until_status("cancelled").await), id(&run));
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let deleted = json!({"id": fixture.thread, "object": "thread.deleted"});
    assert_eq!(events.until("thread.deleted").await, deleted);
}

#[tokio::test(start_paused = true)]
async fn run_that_is_deleted_before_it_is_read_is_reported() {
    let fixture = Fixture::with_turns([Turn::text("Hi.")], &[]).await;
    let mut events = Events::ready(&fixture.client).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let deleted = events.until("run.deleted").await;
    assert_eq!((id(&deleted), &deleted["thread_id"]), (id(&run), &json!(fixture.thread)));
}

#[tokio::test(start_paused = true)]
async fn slow_reader_has_to_read_the_list_again() {
    let fixture = Fixture::with_turns([Turn::text("Hi.")], &[]).await;
    let mut events = Events::ready(&fixture.client).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let path = fixture.run_path(&run, "");
    for number in 0..1100 {
        let metadata = json!({"metadata": {"number": number.to_string()}});
        fixture.client.post(&path, metadata).await.ok();
    }
    events.until("runs.lost").await;
    // What follows is current.
    let latest = fixture.client.get(&path).await.ok();
    assert_eq!(events.until("run.changed").await, latest);
}

#[tokio::test(start_paused = true)]
async fn key_gets_only_changes_of_its_own_runs() {
    let model = Scripted::new([Turn::text("Hi."), Turn::text("Hi.")]);
    let builder = Server::builder().model(model).api_keys(["sk-first", "sk-second"]);
    let anonymous = TestClient::from_builder(builder);
    let [first, second] = ["sk-first", "sk-second"]
        .map(|key| anonymous.with_header("authorization", &format!("Bearer {key}")));
    let mut events = Events::ready(&first).await;
    let other = second.create_fixture(&[]).await;
    other.create_run_and_wait(json!({})).await;
    let own = first.create_fixture(&[]).await;
    let run = own.create_run(json!({})).await;
    assert_eq!(id(&events.until("run.changed").await), id(&run));
}

#[tokio::test(start_paused = true)]
async fn stream_counts_towards_the_limit_of_open_streams() {
    let builder = Server::builder().max_open_streams(1);
    let client = TestClient::from_builder(builder);
    let events = Events::ready(&client).await;
    client.get("/runs/events").await.expect_error(429);
    drop(events);
    run_pending_tasks().await;
    Events::ready(&client).await;
}
