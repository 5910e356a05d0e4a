use prometheus_client::metrics::counter::Counter;
use runstep_api::types::{Run, RunStatus};

use super::*;

fn event() -> StreamEvent {
    StreamEvent::RunQueued(Box::new(Run::new("run_1", 0, "thread_1", RunStatus::Queued)))
}

fn log() -> Arc<EventLog> {
    Arc::new(EventLog::new(Counter::default()))
}

/// The numbers of events.
fn numbers(heard: &Heard) -> Vec<u64> {
    let (Heard::Events(bytes) | Heard::End(bytes)) = heard else { panic!("{heard:?}") };
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test]
async fn a_listener_hears_each_event_once_up_to_done() {
    let log = log();
    log.push(&event());
    let mut listener = log.listen_after(0).unwrap();
    assert_eq!(numbers(&listener.hear().await), [1]);
    log.push(&event());
    log.push(&StreamEvent::Done);
    log.push(&event());
    let last = listener.hear().await;
    assert!(matches!(last, Heard::End(_)));
    assert_eq!(numbers(&last), [2, 3]);
}

#[tokio::test]
async fn one_listens_after_an_event_if_something_comes_after_it() {
    let log = log();
    log.push(&event());
    log.push(&event());
    assert_eq!(numbers(&log.listen_after(1).unwrap().hear().await), [2]);
    assert!(log.listen_after(2).is_some(), "more may come");
    assert!(log.listen_after(3).is_none(), "there is no such event");
    assert!(log.listen_after(u64::MAX).is_none());
    log.push(&StreamEvent::Done);
    assert_eq!(numbers(&log.listen_after(2).unwrap().hear().await), [3]);
    assert!(log.listen_after(3).is_none(), "nothing comes");
    log.push(&event());
    assert_eq!(numbers(&log.listen_after(3).unwrap().hear().await), [4]);
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_who_is_behind_is_told() {
    let log = log();
    let count = MOST_BYTES / frame::numbered(1000, &event()).len() + 500;
    let mut slow = log.listen();
    log.push(&event());
    log.push(&StreamEvent::Done);
    for _ in 0..count {
        log.push(&event());
    }
    assert!(log.bytes() <= MOST_BYTES);
    assert!(log.listen_after(0).is_none());
    assert_eq!(slow.hear().await, Heard::FellBehind);
}

#[tokio::test]
async fn nothing_is_let_go_before_a_listener_of_the_last_leg_has_heard_it() {
    let log = log();
    let mut slow = log.listen();
    let count = MOST_BYTES / 200;
    (0..count).for_each(|_| log.push(&event()));
    log.push(&StreamEvent::Done);
    let mut heard = 0;
    while heard <= count {
        heard += numbers(&slow.hear().await).len();
    }
    log.push(&event());
    assert!(log.bytes() <= MOST_BYTES);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_who_is_behind_by_long_events() {
    let log = log();
    let mut listener = log.listen();
    let long = StreamEvent::Error(runstep_api::types::ErrorObject::new("x".repeat(300_000)));
    log.push(&long);
    let waiting = Arc::clone(&log);
    let waiting = tokio::spawn(async move { waiting.room(&mut { PATIENCE }).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    listener.hear().await;
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_who_listens_but_not_for_ever() {
    let log = log();
    let mut listener = log.listen();
    (0..=LAG).for_each(|_| log.push(&event()));
    let started = tokio::time::Instant::now();
    let waiting = Arc::clone(&log);
    let waiting = tokio::spawn(async move { waiting.room(&mut { PATIENCE }).await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let heard = numbers(&listener.hear().await).len();
    waiting.await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO, "it waits no more than it must");

    (0..=LAG).for_each(|_| log.push(&event()));
    log.room(&mut { PATIENCE }).await;
    assert_eq!(started.elapsed(), PATIENCE);
    (0..=LAG).for_each(|_| log.push(&event()));
    log.room(&mut { PATIENCE }).await;
    assert_eq!(started.elapsed(), PATIENCE, "it is waited for no more");
    assert_eq!(numbers(&listener.hear().await).first(), Some(&(heard as u64 + 1)));
}

#[tokio::test(start_paused = true)]
async fn a_run_does_not_wait_for_who_has_gone_or_listens_to_an_earlier_leg() {
    let log = log();
    let _earlier = log.listen();
    log.push(&StreamEvent::Done);
    log.push(&event());
    let gone = log.listen();
    (0..=LAG).for_each(|_| log.push(&event()));
    drop(gone);
    let started = tokio::time::Instant::now();
    log.room(&mut { PATIENCE }).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_no_longer_in_all_for_who_hears_a_little_now_and_then() {
    let log = log();
    let mut listener = log.listen();
    let hearing = tokio::spawn(async move {
        for _ in 0..9 {
            tokio::time::sleep(PATIENCE * 2 / 3).await;
            listener.hear().await;
        }
    });
    let started = tokio::time::Instant::now();
    let mut patience = PATIENCE;
    for _ in 0..9 {
        (0..=LAG).for_each(|_| log.push(&event()));
        log.room(&mut patience).await;
    }
    assert_eq!(started.elapsed(), PATIENCE);
    hearing.await.unwrap();
}
