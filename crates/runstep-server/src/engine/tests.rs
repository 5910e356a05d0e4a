//! Two engines that share a store, as the nodes of a server do, and a store whose commits have
//! outcomes that are not known.

mod node_store;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::FutureExt as _;
use node_store::NodeStore;
use prometheus_client::metrics::gauge::Gauge;
use runstep_api::types::{
    CreateAssistantRequest, CreateRunRequest, CreateThreadRequest, SubmitToolOutputsRequest, Tool,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::events::{Received, Subscriber};
use crate::limits::{History, Limits};
use crate::metrics::{Metrics, StoreMetrics};
use crate::model::{Scripted, Turn};
use crate::store::{
    Claimant, Durability, EventChunk, MemoryQuota, MemoryStore, Namespace, Notification, Retention,
    RunKey, SharedStore, SqliteOptions, SqliteStore, Store,
};

/// A node, and the token that stops it.
struct Node {
    engine: Arc<Engine>,
    stop: CancellationToken,
}

fn node(
    store: &Arc<NodeStore>,
    clock: &ManualClock,
    turns: impl IntoIterator<Item = Turn>,
) -> Node {
    let stop_runs = CancellationToken::new();
    let quota = MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default());
    let factory = EngineFactory::new(EngineOptions {
        model: Arc::new(Scripted::new(turns)),
        clock: Clock::Manual(clock.clone()),
        limits: Limits::default(),
        run_lifetime: Duration::from_secs(600),
        stop_runs: stop_runs.clone(),
        active_runs: TaskTracker::new(),
        metrics: Arc::new(Metrics::new()),
        store: Arc::clone(store) as SharedStore,
        quota,
        retention: Retention { events: i64::MAX, runs: None },
        history: History::Calls,
        adopted: AdoptedIds::new(),
        lease: 30,
    });
    let engine = factory.engine(Namespace::new("a"));
    engine.start_background_tasks();
    Node { engine, stop: stop_runs }
}

impl Node {
    /// Creates a run. Returns the ids of its thread and of itself.
    async fn create_run(&self) -> (String, String) {
        let id = |json: &[u8]| -> String {
            let value: Value = serde_json::from_slice(json).unwrap();
            value["id"].as_str().unwrap().to_owned()
        };
        let tool: Tool =
            serde_json::from_value(json!({"type": "function", "function": {"name": "weather"}}))
                .unwrap();
        let request = CreateAssistantRequest::new("m").tools(vec![tool]);
        let assistant = id(&self.engine.create_assistant(request).await.unwrap());
        let thread = id(&self.engine.create_thread(CreateThreadRequest::default()).await.unwrap());
        let request = CreateRunRequest::new(assistant);
        let (run, _) = self.engine.create_run(&thread, request, false).await.unwrap();
        (thread, run.run_id)
    }

    async fn events(&self, thread: &str, run: &str) -> Subscriber {
        self.engine.subscribe_after(thread, run, 0).await.unwrap().unwrap()
    }

    async fn run(&self, thread: &str, run: &str) -> Value {
        serde_json::from_slice(&self.engine.run(thread, run).await.unwrap().json).unwrap()
    }

    async fn wait_for(&self, thread: &str, run: &str, status: &str) -> Value {
        for _ in 0..10_000 {
            let run = self.run(thread, run).await;
            if run["status"] == status {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the run does not become {status}");
    }
}

/// Reads events up to one with this name, or to the end. Returns their names.
async fn read_until(events: &mut Subscriber, name: &str) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (bytes, is_end) = match events.receive().await {
            Received::Events(bytes) => (bytes, false),
            Received::End(bytes) => (bytes, true),
            Received::Lagged => panic!("events are missing after {names:?}"),
        };
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let new = text.lines().filter_map(|line| line.strip_prefix("event: "));
        names.extend(new.map(|name| name.trim_start_matches("thread.").to_owned()));
        if is_end || names.iter().any(|known| known == name) {
            return names;
        }
    }
}

const STARTED: [&str; 7] = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "message.created",
    "message.in_progress",
];

#[tokio::test(start_paused = true)]
async fn run_of_another_node_is_streamed_and_cancelled() {
    // Notifications only save time.
    for notifies in [true, false] {
        let (store, clock) = (NodeStore::new(notifies), ManualClock::new());
        let first = node(&store, &clock, [Turn::text("It").and_stall()]);
        let second = node(&store, &clock, []);
        let (thread, run) = first.create_run().await;
        let mut events = second.events(&thread, &run).await;
        let names = read_until(&mut events, "message.delta").await;
        assert_eq!(names[..7], STARTED);
        second.engine.cancel_run(&thread, &run).await.unwrap();
        let names = read_until(&mut events, "done").await;
        let end = ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled"];
        assert_eq!(names, [&end[..], &["done"]].concat());
        second.wait_for(&thread, &run, "cancelled").await;
    }
}

#[tokio::test(start_paused = true)]
async fn deltas_of_another_node_are_received_before_they_are_committed() {
    let (store, clock) = (NodeStore::new(true), ManualClock::new());
    let turn = Turn::chunks(["It ", "is ", "sunny."]).chunk_interval(Duration::from_millis(100));
    let first = node(&store, &clock, [turn]);
    let second = node(&store, &clock, []);
    let (thread, run) = first.create_run().await;
    let mut events = second.events(&thread, &run).await;
    read_until(&mut events, "message.delta").await;
    let key = RunKey { namespace: Namespace::new("a"), thread: thread.clone(), run: run.clone() };
    let Received::Events(delta) = events.receive().await else { panic!("the run has ended") };
    let delta = String::from_utf8(delta.to_vec()).unwrap();
    assert!(delta.contains("\"is \""), "{delta}");
    let number: u64 = delta["id: ".len()..].lines().next().unwrap().parse().unwrap();
    assert_eq!(store.events_after(&key, number - 1).await, Ok(Vec::new()), "it is stored");
    let names = read_until(&mut events, "done").await;
    let end = ["message.delta", "message.completed", "run.step.completed", "run.completed", "done"];
    assert_eq!(names, end);
}

#[tokio::test(start_paused = true)]
async fn deletion_on_another_node_stops_the_run() {
    for notifies in [true, false] {
        let (store, clock) = (NodeStore::new(notifies), ManualClock::new());
        let first = node(&store, &clock, [Turn::text("It").and_stall()]);
        let second = node(&store, &clock, []);
        let (thread, run) = first.create_run().await;
        let mut events = first.events(&thread, &run).await;
        read_until(&mut events, "message.delta").await;
        second.engine.delete_thread(&thread).await.unwrap();
        let names = read_until(&mut events, "done").await;
        let end = ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled"];
        assert_eq!(names, [&end[..], &["done"]].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_are_accepted_by_another_node() {
    let (store, clock) = (NodeStore::new(true), ManualClock::new());
    let first = node(&store, &clock, [Turn::call("weather", json!({}))]);
    let second = node(&store, &clock, [Turn::text("Sunny.")]);
    let (thread, run) = first.create_run().await;
    let waiting = first.wait_for(&thread, &run, "requires_action").await;
    let call = &waiting["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"];
    let body = json!({"tool_outputs": [{"tool_call_id": call, "output": "sun"}]});
    let request: SubmitToolOutputsRequest = serde_json::from_value(body).unwrap();
    second.engine.submit_tool_outputs(&thread, &run, &request).await.unwrap();
    first.wait_for(&thread, &run, "completed").await;
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_node_without_a_lease_are_taken_over() {
    let (store, clock) = (NodeStore::new(false), ManualClock::new());
    let first = node(&store, &clock, [Turn::stall()]);
    let (thread, run) = first.create_run().await;
    first.wait_for(&thread, &run, "in_progress").await;
    let second = node(&store, &clock, [Turn::text("Sunny.")]);
    // Between two renewals of the lease.
    tokio::time::sleep(Duration::from_secs(55)).await;
    assert_eq!(second.run(&thread, &run).await["status"], "in_progress", "the lease is valid");
    // The first node does not renew its lease any more, but its execution is not aware of that.
    store.renew_lease(Claimant(Arc::clone(&first.engine.context.node)), 0, -1).await.unwrap();
    second.engine.context.claims.notify_one();
    let completed = second.wait_for(&thread, &run, "completed").await;
    assert_eq!(completed["usage"]["completion_tokens"], 2);
    // The first node finds that and stops without writing.
    store.notifications.send(Notification::Lost).unwrap();
    while !first.engine.context.live_runs.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(second.run(&thread, &run).await, completed);
}

#[tokio::test(start_paused = true)]
async fn runs_of_a_node_that_shuts_down_are_continued_by_another() {
    let (store, clock) = (NodeStore::new(true), ManualClock::new());
    let first = node(&store, &clock, [Turn::stall()]);
    let second = node(&store, &clock, [Turn::text("Sunny.")]);
    let (thread, run) = first.create_run().await;
    first.wait_for(&thread, &run, "in_progress").await;
    first.stop.cancel();
    while !first.engine.context.live_runs.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.notifications.send(Notification::RunsReleased).unwrap();
    second.wait_for(&thread, &run, "completed").await;
}

#[tokio::test(start_paused = true)]
async fn writes_with_an_unknown_outcome_are_neither_lost_nor_repeated() {
    for is_committed in [true, false] {
        // The creation of the run, its first output, its end.
        for position in 0..3 {
            let (store, clock) = (NodeStore::new(true), ManualClock::new());
            let turn = Turn::chunks(["It ", "is."]).chunk_interval(Duration::from_millis(10));
            let node = node(&store, &clock, [turn]);
            // The assistant and the thread are created before.
            *store.lost.lock() = Some((position + 2, is_committed));
            if position == 0 && !is_committed {
                let created = std::panic::AssertUnwindSafe(node.create_run()).catch_unwind().await;
                assert!(created.is_err(), "the run was created");
                continue;
            }
            let (thread, run) = node.create_run().await;
            let mut events = node.events(&thread, &run).await;
            let names = read_until(&mut events, "done").await;
            let end = [
                "message.delta",
                "message.delta",
                "message.completed",
                "run.step.completed",
                "run.completed",
                "done",
            ];
            assert_eq!(names, [&STARTED[..], &end].concat(), "{position} {is_committed}");
            assert!(store.lost.lock().is_none());
            let key = RunKey { namespace: Namespace::new("a"), thread, run };
            let mut stored = Vec::new();
            while let Some(chunk) = store
                .events_after(&key, stored.last().map_or(0, |chunk: &EventChunk| chunk.last))
                .await
                .unwrap()
                .pop()
            {
                stored.push(chunk);
            }
            let count: u64 = stored.iter().map(|chunk| chunk.last - chunk.first + 1).sum();
            assert_eq!(count, 13, "{position} {is_committed}");
        }
    }
}

/// Checks what a run in `cancelling` allows. Another node, which is slow, executes the run.
async fn check_cancelling(inner: SharedStore) {
    let (store, clock) = (NodeStore::over(inner, true), ManualClock::new());
    let node = node(&store, &clock, [Turn::stall(), Turn::text("Fine.")]);
    let (thread, run) = node.create_run().await;
    let other = Claimant("other".into());
    let key = node.engine.run_key(&thread, &run);
    store.renew_lease(other.clone(), 0, i64::MAX).await.unwrap();
    store.renew_lease(Claimant(Arc::clone(&node.engine.context.node)), 0, -1).await.unwrap();
    assert_eq!(store.claim_runs(other, 0, 1).await.unwrap(), [key]);

    let engine = &node.engine;
    let cancelled = engine.cancel_run(&thread, &run).await.unwrap();
    assert!(!cancelled.has_settled);
    let status = runstep_api::types::RunStatus::Cancelling;
    let again = engine.cancel_run(&thread, &run).await.unwrap_err();
    assert_eq!(again, EngineError::CannotCancel { status: status.clone() });
    let request: SubmitToolOutputsRequest =
        serde_json::from_value(json!({"tool_outputs": []})).unwrap();
    let outputs = engine.submit_tool_outputs(&thread, &run, &request).await.err();
    assert_eq!(outputs, Some(EngineError::OutputsNotAccepted { status }));

    let (thread_id, run_id) = (thread.clone(), run.clone());
    let busy = EngineError::ActiveRun { thread_id: thread_id.clone(), run_id: run_id.clone() };
    let assistant = node.run(&thread, &run).await["assistant_id"].as_str().unwrap().to_owned();
    let created = engine.create_run(&thread, CreateRunRequest::new(assistant), false).await.err();
    assert_eq!(created, Some(busy));
    let message = json!({"role": "user", "content": "More"});
    let message = serde_json::from_value(message).unwrap();
    let added = engine.create_message(&thread, message).await.err();
    assert_eq!(added, Some(EngineError::MessagesWhileActive { thread_id, run_id }));

    let update = serde_json::from_value(json!({"metadata": {"a": "b"}})).unwrap();
    engine.update_run(&thread, &run, update).await.unwrap();
    let updated = node.run(&thread, &run).await;
    assert_eq!(
        (&updated["status"], &updated["metadata"]["a"]),
        (&json!("cancelling"), &json!("b"))
    );
    engine.delete_thread(&thread).await.unwrap();
    assert!(matches!(engine.run(&thread, &run).await, Err(EngineError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn run_that_is_being_cancelled_allows_only_updates_in_memory() {
    let quota = MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default());
    check_cancelling(Arc::new(MemoryStore::new(quota))).await;
}

#[tokio::test(start_paused = true)]
async fn run_that_is_being_cancelled_allows_only_updates_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        durability: Durability::Normal,
        max_bytes: u64::MAX,
        metrics: StoreMetrics::default(),
        quota: MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default()),
    };
    let store = SqliteStore::open(&directory.path().join("data.db"), options).unwrap();
    check_cancelling(Arc::new(store)).await;
}
