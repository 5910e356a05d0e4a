use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use runstep_api::types::{ErrorObject, Run, RunStatus, StreamEvent};

use super::log::{MAX_BYTES, MAX_LAG_EVENTS};
use super::*;

fn event() -> StreamEvent {
    let status = RunStatus::Queued;
    let run = Run::new("run_1", 0, "thread_1", "asst_1", status, "model", "", Vec::new(), true);
    StreamEvent::RunQueued(Box::new(run))
}

fn log() -> Arc<EventLog> {
    Arc::new(EventLog::new(Counter::default()))
}

/// The numbers of events.
fn numbers(received: &Received) -> Vec<u64> {
    let (Received::Events(bytes) | Received::End(bytes)) = received else { panic!("{received:?}") };
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test]
async fn subscriber_receives_each_event_once_up_to_done() {
    let log = log();
    log.push(&event());
    let mut subscriber = log.subscribe_after(0).unwrap();
    assert_eq!(numbers(&subscriber.receive().await), [1]);
    log.push(&event());
    log.push(&StreamEvent::Done);
    log.push(&event());
    let last = subscriber.receive().await;
    assert!(matches!(last, Received::End(_)));
    assert_eq!(numbers(&last), [2, 3]);
}

#[tokio::test]
async fn subscribing_after_an_event_requires_that_more_can_follow() {
    let log = log();
    log.push(&event());
    log.push(&event());
    assert_eq!(numbers(&log.subscribe_after(1).unwrap().receive().await), [2]);
    assert!(log.subscribe_after(2).is_some(), "more may follow");
    assert!(log.subscribe_after(3).is_none(), "the event does not exist");
    assert!(log.subscribe_after(u64::MAX).is_none());
    log.push(&StreamEvent::Done);
    assert_eq!(numbers(&log.subscribe_after(2).unwrap().receive().await), [3]);
    assert!(log.subscribe_after(3).is_none(), "nothing follows");
    log.push(&event());
    assert_eq!(numbers(&log.subscribe_after(3).unwrap().receive().await), [4]);
}

#[tokio::test]
async fn size_is_bounded_and_a_subscriber_that_lags_gets_an_error() {
    let log = log();
    let count = MAX_BYTES / frame::encode(Some(1000), &event()).len() + 500;
    let mut slow = log.subscribe();
    log.push(&event());
    log.push(&StreamEvent::Done);
    for _ in 0..count {
        log.push(&event());
    }
    assert!(log.bytes() <= MAX_BYTES);
    assert!(log.subscribe_after(0).is_none());
    assert_eq!(slow.receive().await, Received::Lagged);
}

#[tokio::test]
async fn events_are_not_evicted_before_a_subscriber_of_the_last_execution_received_them() {
    let log = log();
    let mut slow = log.subscribe();
    let count = MAX_BYTES / 200;
    (0..count).for_each(|_| log.push(&event()));
    log.push(&StreamEvent::Done);
    let mut received = 0;
    while received <= count {
        received += numbers(&slow.receive().await).len();
    }
    log.push(&event());
    assert!(log.bytes() <= MAX_BYTES);
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_a_subscriber_that_is_many_bytes_behind() {
    let log = log();
    let mut subscriber = log.subscribe();
    log.push(&StreamEvent::Error(ErrorObject::new("x".repeat(300_000))));
    let run = Arc::clone(&log);
    let waiting = tokio::spawn(async move {
        run.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    subscriber.receive().await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_a_slow_subscriber_up_to_the_budget() {
    let log = log();
    let mut subscriber = log.subscribe();
    (0..=MAX_LAG_EVENTS).for_each(|_| log.push(&event()));
    let started = tokio::time::Instant::now();
    let run = Arc::clone(&log);
    let waiting = tokio::spawn(async move {
        run.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let received = numbers(&subscriber.receive().await).len();
    waiting.await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "it stops waiting at once");

    (0..=MAX_LAG_EVENTS).for_each(|_| log.push(&event()));
    log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET);
    (0..=MAX_LAG_EVENTS).for_each(|_| log.push(&event()));
    log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET, "it does not wait again");
    assert_eq!(numbers(&subscriber.receive().await).first(), Some(&(received as u64 + 1)));
}

#[tokio::test(start_paused = true)]
async fn run_does_not_wait_for_dropped_subscribers_or_those_of_earlier_executions() {
    let log = log();
    let _earlier = log.subscribe();
    log.push(&StreamEvent::Done);
    log.push(&event());
    let dropped = log.subscribe();
    (0..=MAX_LAG_EVENTS).for_each(|_| log.push(&event()));
    drop(dropped);
    let started = tokio::time::Instant::now();
    log.wait_for_slow_subscribers(&mut { SLOW_SUBSCRIBER_BUDGET }).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn budget_covers_all_waits_for_a_subscriber_that_reads_now_and_then() {
    let log = log();
    let mut subscriber = log.subscribe();
    let reading = tokio::spawn(async move {
        for _ in 0..9 {
            tokio::time::sleep(SLOW_SUBSCRIBER_BUDGET * 2 / 3).await;
            subscriber.receive().await;
        }
    });
    let started = tokio::time::Instant::now();
    let mut budget = SLOW_SUBSCRIBER_BUDGET;
    for _ in 0..9 {
        (0..=MAX_LAG_EVENTS).for_each(|_| log.push(&event()));
        log.wait_for_slow_subscribers(&mut budget).await;
    }
    assert_eq!(started.elapsed(), SLOW_SUBSCRIBER_BUDGET);
    reading.await.unwrap();
}
