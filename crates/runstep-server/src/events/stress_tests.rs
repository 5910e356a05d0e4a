//! Many threads that use one log at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use runstep_api::types::{ErrorObject, StreamEvent};

use super::log::MAX_BYTES;
use super::tests::{Harness, numbers};
use super::*;

const EVENTS: u64 = 6000;
const READERS: u64 = 12;
/// The largest event, encoded.
const MAX_EVENT_BYTES: usize = 3000;

/// Returns an event whose size depends on its number.
fn event(number: u64) -> Event {
    let length = usize::try_from(number * 7919 % 2800).unwrap();
    StreamEvent::Error(ErrorObject::new("x".repeat(length))).into()
}

/// Checks that the next events are received.
fn check(received: &Received, last: &mut u64, reader: u64) {
    for number in numbers(received) {
        assert_eq!(number, *last + 1, "reader {reader} lost an event or received it twice");
        *last = number;
    }
}

/// Reads to the end of the execution, in one of three ways. Returns the number of the last event.
async fn read(log: Arc<EventLog>, source: EventSource, reader: u64) -> u64 {
    let mut subscriber = Subscriber::new(source.clone(), Some(&log), 1);
    let mut last = 0;
    loop {
        if reader % 3 == 1 {
            // A future that is dropped before it is ready loses no event.
            if let Some(received) = subscriber.receive().now_or_never() {
                check(&received, &mut last, reader);
                if matches!(received, Received::End(_)) {
                    return last;
                }
            }
        }
        let received = subscriber.receive().await;
        check(&received, &mut last, reader);
        if matches!(received, Received::End(_)) {
            return last;
        }
        if reader % 3 == 2 {
            subscriber = Subscriber::new(source.clone(), Some(&log), last + 1);
        }
    }
}

/// Subscribes and unsubscribes, and observes the size of the log, until the run ends. Returns the
/// largest size.
async fn churn(log: Arc<EventLog>, source: EventSource, ended: Arc<AtomicBool>) -> usize {
    let mut largest = 0;
    while !ended.load(Ordering::Acquire) {
        drop(Subscriber::new(source.clone(), Some(&log), log.next()));
        largest = largest.max(log.bytes());
        tokio::task::yield_now().await;
    }
    largest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_readers_receive_every_event_once_and_in_order() {
    let mut harness = Harness::new();
    let log = Arc::clone(&harness.log);
    let ended = Arc::new(AtomicBool::new(false));
    let churn = tokio::spawn(churn(Arc::clone(&log), harness.source(), Arc::clone(&ended)));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| tokio::spawn(read(Arc::clone(&log), harness.source(), reader)))
        .collect();
    // No reader is given up.
    let mut budget = Duration::MAX;
    for number in 2..EVENTS {
        harness.push(&event(number));
        log.wait_for_slow_subscribers(&mut budget).await;
    }
    harness.push(&StreamEvent::Done.into());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), EVENTS);
    }
    ended.store(true, Ordering::Release);
    let largest = churn.await.unwrap();
    assert!(largest <= MAX_BYTES + MAX_EVENT_BYTES, "the log had {largest} bytes");
    assert!(log.bytes() <= MAX_BYTES);
}
