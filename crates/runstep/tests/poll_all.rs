//! Waiting for many runs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::Response;
use futures_util::StreamExt as _;
use runstep::{Backoff, ErrorKind, PollAll, PollErrorPolicy, RunEnd};
use serde_json::Value;
use support::{Recorder, example, json, reply};
use tokio::time::Instant;

const TINY: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn run(id: &str, status: &str) -> Value {
    let mut run = example("Run");
    run["id"] = id.into();
    run["thread_id"] = id.replace("run", "thread").into();
    run["status"] = status.into();
    run
}

/// Answers each look by the run and how often it has been looked at, from 0.
async fn server(
    answer: impl Fn(&str, usize) -> Response + Clone + Send + Sync + 'static,
) -> Recorder {
    let looks = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    Recorder::answering(move |_, request| {
        let id = request.target.rsplit('/').next().unwrap();
        let id = id.split('?').next().unwrap();
        let look = {
            let mut looks = looks.lock().unwrap();
            let count = looks.entry(id.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        answer(id, look)
    })
    .await
}

fn ids(numbers: std::ops::Range<usize>) -> Vec<(String, String)> {
    numbers.map(|number| (format!("thread_{number}"), format!("run_{number}"))).collect()
}

/// Quick, but for what a test says itself.
fn poll_all(server: &Recorder, runs: Vec<(String, String)>) -> PollAll {
    let client = server.builder().poll_backoff(Backoff::new(TINY, TINY)).build().unwrap();
    client.poll_all(runs).requests_per_second(1000.0)
}

async fn ends(all: PollAll) -> Vec<(String, Result<String, ErrorKind>)> {
    let told = |end: RunEnd| {
        let result = end.result.map(|run| run.status.to_string());
        (end.run_ref.run_id, result.map_err(|error| error.kind()))
    };
    all.map(told).collect().await
}

#[tokio::test]
async fn each_run_is_given_as_it_ends() {
    let server = server(|id, look| {
        let (after, status) = match id {
            "run_0" => (6, "completed"),
            "run_1" => (0, "failed"),
            _ => (3, "requires_action"),
        };
        json(&run(id, if look < after { "in_progress" } else { status }))
    })
    .await;
    let told = ends(poll_all(&server, ids(0..3))).await;
    let expected = [("run_1", "failed"), ("run_2", "requires_action"), ("run_0", "completed")];
    assert_eq!(told, expected.map(|(id, status)| (id.to_owned(), Ok(status.to_owned()))));
    for request in server.seen() {
        assert_eq!(request.method, "GET");
        let id = request.target.rsplit('_').next().unwrap();
        assert_eq!(request.target, format!("/v1/threads/thread_{id}/runs/run_{id}"));
    }
    assert_eq!(server.count(), 7 + 1 + 4, "a run that has ended is not looked at again");
}

#[tokio::test]
async fn no_runs_end_at_once() {
    let server = server(|id, _| json(&run(id, "queued"))).await;
    let mut all = poll_all(&server, Vec::new());
    assert!(all.next_end().await.is_none());
    assert!(all.next_end().await.is_none(), "asked once more");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn nothing_comes_after_the_last() {
    let server = server(|id, _| json(&run(id, "completed"))).await;
    let mut all = poll_all(&server, ids(0..2));
    assert!(all.next_end().await.is_some() && all.next_end().await.is_some());
    assert!(all.next_end().await.is_none());
    assert!(all.next_end().await.is_none(), "asked once more");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_asked_for_nor_after_a_drop() {
    let server = server(|id, _| json(&run(id, "queued"))).await;
    let mut all = poll_all(&server, ids(0..3));
    tokio::time::sleep(TINY).await;
    assert_eq!(server.count(), 0);
    while server.count() < 3 {
        assert!(tokio::time::timeout(Duration::from_millis(5), all.next_end()).await.is_err());
    }
    drop(all);
    tokio::time::sleep(Duration::from_millis(20)).await; // what was on its way arrives
    let before = server.count();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(server.count(), before);
}

#[tokio::test]
async fn runs_can_be_given_themselves_or_by_their_ids() {
    let server = server(|id, _| json(&run(id, "completed"))).await;
    let client = server.client();
    let known = client.runs("thread_7").retrieve("run_7").await.unwrap();
    let end = client.poll_all(&[known]).next_end().await.unwrap();
    assert_eq!(
        (end.run_ref.thread_id.as_str(), end.run_ref.run_id.as_str()),
        ("thread_7", "run_7")
    );
    let end = client.poll_all([("thread_7", "run_7")]).next_end().await.unwrap();
    assert_eq!(end.result.unwrap().id, "run_7");
}

/// At 100 requests a second 30 looks take 290 ms, however many runs want them and whatever pace the
/// server asks for.
#[tokio::test(start_paused = true)]
async fn the_budget_of_requests_is_kept() {
    let server = server(|id, look| {
        let mut response = json(&run(id, if look < 2 { "in_progress" } else { "completed" }));
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
        response
    })
    .await;
    let begun = Instant::now();
    let told = ends(poll_all(&server, ids(0..10)).requests_per_second(100.0)).await;
    assert_eq!((told.len(), server.count()), (10, 30));
    let took = begun.elapsed().as_millis();
    assert!((290..400).contains(&took), "{took} ms");
}

/// In no window are there more than the budget allows, also at the start.
#[tokio::test(start_paused = true)]
async fn requests_do_not_come_in_bursts() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&times);
    let server = server(move |id, _| {
        keep.lock().unwrap().push(Instant::now());
        json(&run(id, "completed"))
    })
    .await;
    ends(poll_all(&server, ids(0..12)).requests_per_second(50.0)).await;
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 12);
    for pair in times.windows(2) {
        let apart = (pair[1] - pair[0]).as_millis();
        assert!((19..=25).contains(&apart), "two requests {apart} ms apart, not 20");
    }
}

#[tokio::test]
async fn the_server_sets_the_pace_of_each_run() {
    let server = server(|id, look| {
        let mut response = json(&run(id, if look < 1 { "in_progress" } else { "completed" }));
        let pause = if id == "run_0" { "3600000" } else { "1" };
        response.headers_mut().insert("openai-poll-after-ms", pause.parse().unwrap());
        response
    })
    .await;
    let mut all = poll_all(&server, ids(0..2));
    assert_eq!(all.next_end().await.unwrap().run_ref.run_id, "run_1");
    assert!(tokio::time::timeout(Duration::from_millis(30), all.next_end()).await.is_err());
    assert_eq!(server.count_of("GET", "run_0"), 1);
}

#[tokio::test]
async fn on_the_deadline_the_rest_is_given_with_its_last_state() {
    let server =
        server(|id, _| json(&run(id, if id == "run_1" { "completed" } else { "in_progress" })))
            .await;
    let mut all = poll_all(&server, ids(0..4)).deadline(Duration::from_millis(800));
    let mut late = Vec::new();
    while let Some(end) = all.next_end().await {
        match end.result {
            Ok(run) => assert_eq!(run.id, "run_1"),
            Err(error) => {
                assert!(error.is_deadline(), "{error:?}");
                assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
                assert_eq!(error.run().map(|run| &run.id), Some(&end.run_ref.run_id));
                late.push(end.run_ref.run_id);
            }
        }
    }
    late.sort();
    assert_eq!(late, ["run_0", "run_2", "run_3"]);
    assert!(all.next_end().await.is_none(), "asked once more");
}

#[tokio::test]
async fn looks_that_hang_end_at_the_deadline_and_hold_up_no_others() {
    let server = server(|id, look| {
        if id == "run_0" {
            let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
            return reply(200, &[], axum::body::Body::from_stream(never));
        }
        json(&run(id, if look < 2 { "queued" } else { "completed" }))
    })
    .await;
    let told = ends(poll_all(&server, ids(0..3)).deadline(Duration::from_secs(2))).await;
    let completed = || Ok("completed".to_owned());
    assert_eq!(told.len(), 3);
    assert!(told[..2].iter().all(|(_, result)| *result == completed()), "{told:?}");
    assert_eq!(told[2], ("run_0".to_owned(), Err(ErrorKind::Deadline)));
}

#[tokio::test]
async fn a_run_that_fails_does_not_stop_the_others() {
    let server = server(|id, look| match id {
        "run_0" => reply(404, &[], r#"{"error": {"message": "No run found."}}"#),
        "run_1" if look > 0 => reply(500, &[], "{}"),
        _ => json(&run(id, if look < 9 { "in_progress" } else { "completed" })),
    })
    .await;
    let mut all = poll_all(&server, ids(0..3));
    let gone = all.next_end().await.unwrap();
    assert_eq!(gone.run_ref.run_id, "run_0");
    assert!(gone.result.unwrap_err().is_not_found());
    let broken = all.next_end().await.unwrap();
    assert_eq!(broken.run_ref.run_id, "run_1");
    let error = broken.result.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
    assert_eq!(server.count_of("GET", "run_1"), 1 + 6, "five in a row are tolerated");
    assert_eq!(all.next_end().await.unwrap().result.unwrap().status, "completed");
    assert!(all.next_end().await.is_none());
}

#[tokio::test]
async fn the_policy_for_failures_can_be_said() {
    let server = server(|_, _| reply(500, &[], "{}")).await;
    let retrying = support::script::quick().attempts(9);
    let client = server.builder().retry_policy(retrying).poll_backoff(Backoff::new(TINY, TINY));
    let client = client.build().unwrap();
    let all = client.poll_all(ids(0..2)).error_policy(PollErrorPolicy::none());
    assert_eq!(ends(all.requests_per_second(1000.0)).await.len(), 2);
    assert_eq!(server.count(), 2, "and no look is sent again");
}

#[tokio::test]
async fn no_number_is_a_fault() {
    let server = server(|id, _| json(&run(id, "completed"))).await;
    for number in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
        let all = poll_all(&server, ids(0..1)).requests_per_second(number).deadline(HOUR);
        assert_eq!(ends(all).await.len(), 1, "{number}");
    }
    let all = poll_all(&server, ids(0..1)).deadline(Duration::MAX);
    assert_eq!(ends(all).await.len(), 1);
}

#[tokio::test]
async fn a_look_at_the_deadline_sees_what_has_just_ended() {
    let server =
        server(|id, look| json(&run(id, if look == 0 { "queued" } else { "completed" }))).await;
    let all = poll_all(&server, ids(0..3)).interval(HOUR).deadline(Duration::from_millis(500));
    let told = ends(all).await;
    assert!(told.iter().all(|(_, result)| result.as_deref() == Ok("completed")), "{told:?}");
    assert_eq!((told.len(), server.count()), (3, 6));
}

/// The last looks take a second at most, and keep to the budget.
#[tokio::test]
async fn looks_at_the_deadline_keep_to_the_budget() {
    let server = server(|id, _| json(&run(id, "queued"))).await;
    let all = poll_all(&server, ids(0..100)).deadline(Duration::ZERO).requests_per_second(10.0);
    let told = ends(all).await;
    assert!(told.iter().all(|(_, result)| *result == Err(ErrorKind::Deadline)), "{told:?}");
    assert_eq!(told.len(), 100);
    assert!((1..=11).contains(&server.count()), "{} requests", server.count());
}

#[tokio::test]
async fn the_error_on_the_deadline_tells_the_failure_before_it() {
    let server = server(|_, _| reply(503, &[], "{}")).await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let all = poll_all(&server, ids(0..1)).error_policy(policy);
    let end = all.deadline(Duration::from_millis(300)).next_end().await.unwrap();
    let error = end.result.unwrap_err();
    assert!(error.is_deadline());
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<runstep::Error>();
    assert_eq!(cause.unwrap().status(), Some(503));
}

#[tokio::test]
async fn what_is_said_of_a_look_holds_for_many_too() {
    let server = server(|id, look| match look {
        0 => json(&run(id, "queued")),
        _ => {
            let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
            reply(200, &[], axum::body::Body::from_stream(never))
        }
    })
    .await;
    let client = server.builder().poll_backoff(Backoff::new(HOUR, HOUR)).build().unwrap();
    let all = client.poll_all(ids(0..1)).backoff(Backoff::new(TINY, TINY));
    let all = all.header("x-tenant", "7").query("region", "eu");
    let mut all =
        all.request_timeout(Duration::from_millis(200)).error_policy(PollErrorPolicy::none());
    assert!(all.next_end().await.unwrap().result.unwrap_err().is_timeout());
    assert_eq!(server.count(), 2);
    for request in server.seen() {
        assert_eq!(request.header("x-tenant"), Some("7"));
        assert!(request.target.ends_with("?region=eu"));
    }
}
