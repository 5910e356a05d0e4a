use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::FutureExt as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runstep_api::types::{ErrorObject, Run, RunStatus, StreamEvent};

use super::frame::skip_events;
use super::log::{MAX_BYTES, MAX_LAG_EVENTS};
use super::*;
use crate::store::{
    Change, EventChunk, MemoryQuota, MemoryStore, Namespace, NewObject, NewRun, NewThread, Phase,
    RunKey, RunUpdate, RunWrite, Store, Transaction,
};

/// A run with an event log, and a store for its events.
pub(super) struct Harness {
    pub(super) log: Arc<EventLog>,
    store: Arc<MemoryStore>,
    version: u64,
}

fn event() -> Event {
    let status = RunStatus::Queued;
    let run = Run::new("run_1", 0, "thread_1", "asst_1", status, "model", "", Vec::new(), true);
    StreamEvent::RunQueued(Box::new(run)).into()
}

fn key() -> RunKey {
    let namespace = Namespace::new("");
    RunKey { namespace, thread: "thread_1".to_owned(), run: "run_1".to_owned() }
}

impl Harness {
    /// A run whose first event is stored.
    pub(super) fn new() -> Self {
        let quota = MemoryQuota::new(usize::MAX, usize::MAX, Gauge::default());
        let store = Arc::new(MemoryStore::new(quota));
        let log = Arc::new(EventLog::new(Counter::default(), 1));
        let object =
            |id: &str| NewObject { id: id.to_owned(), json: "{}".into(), hidden: Bytes::new() };
        let harness = Self { log, store, version: 0 };
        harness.commit(Change::CreateRun(Box::new(NewRun {
            thread: "thread_1".to_owned(),
            new_thread: Some(NewThread { thread: object("thread_1"), messages: Vec::new() }),
            messages: Vec::new(),
            run: object("run_1"),
            phase: Phase::Queued,
            expires_at: 0,
            owner: None,
            next_event: 2,
            events: chunk(1, &event()),
        })));
        harness.log.push([Frame::new(1, &event())], 2);
        harness
    }

    fn commit(&self, change: Change) {
        let namespace = Namespace::new("");
        let transaction = Transaction { namespace, now: 0, idempotency: None, change };
        self.store.commit(transaction).now_or_never().unwrap().unwrap();
    }

    /// Stores and logs an event.
    pub(super) fn push(&mut self, event: &Event) {
        let number = self.log.next();
        self.store_events(chunk(number, event), Phase::InProgress);
        self.log.push([Frame::new(number, event)], number + 1);
    }

    fn store_events(&mut self, events: EventChunk, phase: Phase) {
        self.commit(Change::WriteRun(Box::new(RunWrite {
            thread: "thread_1".to_owned(),
            run: "run_1".to_owned(),
            version: self.version,
            update: Some(RunUpdate {
                json: "{}".into(),
                hidden: Bytes::new(),
                phase,
                expires_at: 0,
                owner: None,
            }),
            next_event: events.last + 1,
            steps: Vec::new(),
            messages: Vec::new(),
            events: Some(events),
        })));
        self.version += 1;
    }

    fn subscribe(&self, next: u64) -> Subscriber {
        Subscriber::new(self.source(), Some(&self.log), next)
    }

    pub(super) fn source(&self) -> EventSource {
        EventSource { store: self.store.clone(), key: key(), followers: Arc::default() }
    }
}

fn chunk(number: u64, event: &Event) -> EventChunk {
    let frame = Frame::new(number, event);
    EventChunk { first: number, last: number, is_done: frame.is_done, bytes: frame.bytes }
}

/// The numbers of events.
pub(super) fn numbers(received: &Received) -> Vec<u64> {
    let (Received::Events(bytes) | Received::End(bytes)) = received else { panic!("{received:?}") };
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test]
async fn subscriber_receives_each_event_once_up_to_done() {
    let mut harness = Harness::new();
    let mut subscriber = harness.subscribe(1);
    assert_eq!(numbers(&subscriber.receive().await), [1]);
    harness.push(&event());
    harness.push(&StreamEvent::Done.into());
    let last = subscriber.receive().await;
    assert!(matches!(last, Received::End(_)));
    assert_eq!(numbers(&last), [2, 3]);
}

#[tokio::test]
async fn events_that_no_subscriber_needs_are_only_in_the_store() {
    let mut harness = Harness::new();
    (0..10).for_each(|_| harness.push(&event()));
    assert_eq!(harness.log.bytes(), 0);
    let mut subscriber = harness.subscribe(3);
    let mut received = Vec::new();
    while received.last() != Some(&11) {
        received.extend(numbers(&subscriber.receive().await));
    }
    assert!(received.iter().copied().eq(3..=11));
}

#[tokio::test]
async fn events_that_are_not_stored_stay_in_the_log() {
    let harness = Harness::new();
    let count = 2 * MAX_BYTES / 100;
    for _ in 0..count {
        harness.log.push([Frame::new(harness.log.next(), &event())], 0);
    }
    assert!(harness.log.bytes() > MAX_BYTES);
    harness.log.push([], u64::MAX);
    assert_eq!(harness.log.bytes(), 0);
}

#[tokio::test]
async fn size_is_bounded_and_a_subscriber_that_lags_reads_the_store() {
    let mut harness = Harness::new();
    let mut slow = harness.subscribe(1);
    let count = MAX_BYTES / encode(Some(1000), &event()).len() + 500;
    (0..count).for_each(|_| harness.push(&event()));
    harness.push(&StreamEvent::Done.into());
    assert!(harness.log.bytes() <= MAX_BYTES);
    let mut received = Vec::new();
    loop {
        let next = slow.receive().await;
        received.extend(numbers(&next));
        if matches!(next, Received::End(_)) {
            break;
        }
    }
    assert!(received.iter().copied().eq(1..=count as u64 + 2));
}

#[tokio::test]
async fn events_that_are_neither_logged_nor_stored_are_an_error() {
    let harness = Harness::new();
    harness.log.push([Frame::new(2, &event())], u64::MAX);
    assert_eq!(harness.subscribe(2).receive().await, Received::Lagged);
}

#[tokio::test(start_paused = true)]
async fn subscriber_without_a_log_waits_for_the_store() {
    let mut harness = Harness::new();
    let source = harness.source();
    let reading = tokio::spawn(async move {
        let mut subscriber = Subscriber::new(source, None, 2);
        let mut received = Vec::new();
        loop {
            let next = subscriber.receive().await;
            received.extend(numbers(&next));
            if matches!(next, Received::End(_)) {
                return received;
            }
        }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    harness.store_events(chunk(2, &event()), Phase::InProgress);
    tokio::time::sleep(Duration::from_secs(5)).await;
    harness.store_events(chunk(3, &StreamEvent::Done.into()), Phase::Ended);
    assert_eq!(reading.await.unwrap(), [2, 3]);
}

#[test]
fn chunks_are_split_after_any_event() {
    let events: Vec<_> = (1..=3).map(|number| encode(Some(number), &event())).collect();
    let chunk: Bytes = events.concat().into();
    assert_eq!(skip_events(&chunk, 0), chunk);
    assert_eq!(skip_events(&chunk, 1), events[1..].concat());
    assert_eq!(skip_events(&chunk, 2), events[2]);
    assert_eq!(skip_events(&chunk, 3), "");
    assert_eq!(skip_events(&chunk, 4), "");
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_a_subscriber_that_is_many_bytes_behind() {
    let mut harness = Harness::new();
    let mut subscriber = harness.subscribe(2);
    harness.push(&StreamEvent::Error(ErrorObject::new("x".repeat(300_000))).into());
    let log = Arc::clone(&harness.log);
    let waiting = tokio::spawn(async move {
        log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    subscriber.receive().await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_a_slow_subscriber_up_to_the_budget() {
    let mut harness = Harness::new();
    let mut subscriber = harness.subscribe(2);
    (0..=MAX_LAG_EVENTS).for_each(|_| harness.push(&event()));
    let started = tokio::time::Instant::now();
    let log = Arc::clone(&harness.log);
    let waiting = tokio::spawn(async move {
        log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let received = numbers(&subscriber.receive().await);
    waiting.await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "it stops waiting at once");

    (0..=MAX_LAG_EVENTS).for_each(|_| harness.push(&event()));
    harness.log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET);
    (0..=MAX_LAG_EVENTS).for_each(|_| harness.push(&event()));
    harness.log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET, "it does not wait again");
    let next = numbers(&subscriber.receive().await);
    assert_eq!(next.first(), received.last().map(|last| last + 1).as_ref());
}

#[tokio::test(start_paused = true)]
async fn run_does_not_wait_for_dropped_subscribers() {
    let mut harness = Harness::new();
    let dropped = harness.subscribe(2);
    (0..=MAX_LAG_EVENTS).for_each(|_| harness.push(&event()));
    drop(dropped);
    let started = tokio::time::Instant::now();
    harness.log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn budget_covers_all_waits_for_a_subscriber_that_reads_now_and_then() {
    let mut harness = Harness::new();
    let mut subscriber = harness.subscribe(2);
    let reading = tokio::spawn(async move {
        for _ in 0..9 {
            tokio::time::sleep(SLOW_SUBSCRIBER_BUDGET * 2 / 3).await;
            subscriber.receive().await;
        }
    });
    let started = tokio::time::Instant::now();
    let mut budget = SLOW_SUBSCRIBER_BUDGET;
    for _ in 0..9 {
        (0..=MAX_LAG_EVENTS).for_each(|_| harness.push(&event()));
        harness.log.wait_for_slow_subscribers(&mut budget).await;
    }
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET);
    reading.await.unwrap();
}
