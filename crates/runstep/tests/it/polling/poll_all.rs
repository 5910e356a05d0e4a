//! `poll_all`: polling many runs under one request rate.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::response::Response;
use futures_util::StreamExt as _;
use runstep::{PollAll, PolledRun};

use tokio::time::Instant;

use super::*;

fn run(id: &str, status: &str) -> Value {
    let mut run = run_with_status(status);
    run["id"] = id.into();
    run["thread_id"] = id.replace("run", "thread").into();
    run
}

/// Starts a server whose responses depend on the run and on the number of its poll, from 0.
async fn server(
    respond: impl Fn(&str, usize) -> Response + Clone + Send + Sync + 'static,
) -> RecordingServer {
    let polls_by_run = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    RecordingServer::start_with(move |_, request| {
        let id = request.target.rsplit('/').next().unwrap();
        let id = id.split('?').next().unwrap();
        let poll = {
            let mut polls_by_run = polls_by_run.lock().unwrap();
            let count = polls_by_run.entry(id.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        respond(id, poll)
    })
    .await
}

fn run_refs(numbers: std::ops::Range<usize>) -> Vec<(String, String)> {
    numbers.map(|number| (format!("thread_{number}"), format!("run_{number}"))).collect()
}

/// Polls these runs with short delays and a high request rate, which tests can override.
fn poll_all(server: &RecordingServer, runs: Vec<(String, String)>) -> PollAll {
    let client =
        server.builder().poll_backoff(Backoff::new(MILLISECOND, MILLISECOND)).build().unwrap();
    client.poll_all(runs).requests_per_second(1000.0)
}

/// Returns each run's id with its final status or error, in order of completion.
async fn results(all: PollAll) -> Vec<(String, std::result::Result<String, ErrorKind>)> {
    let id_and_result = |end: PolledRun| {
        let result = end.result.map(|run| run.status.to_string());
        (end.run_ref.run_id, result.map_err(|error| error.kind()))
    };
    all.map(id_and_result).collect().await
}

#[tokio::test]
async fn runs_are_yielded_as_they_finish() {
    let server = server(|id, poll| {
        let (after, status) = match id {
            "run_0" => (6, "completed"),
            "run_1" => (0, "failed"),
            _ => (3, "requires_action"),
        };
        json_response(&run(id, if poll < after { "in_progress" } else { status }))
    })
    .await;
    let ends = results(poll_all(&server, run_refs(0..3))).await;
    let expected = [("run_1", "failed"), ("run_2", "requires_action"), ("run_0", "completed")];
    assert_eq!(ends, expected.map(|(id, status)| (id.to_owned(), Ok(status.to_owned()))));
    for request in server.requests() {
        assert_eq!(request.method, "GET");
        let id = request.target.rsplit('_').next().unwrap();
        assert_eq!(request.target, format!("/v1/threads/thread_{id}/runs/run_{id}"));
    }
    assert_eq!(server.count(), 7 + 1 + 4, "a finished run is not polled again");
}

#[tokio::test]
async fn empty_set_of_runs_ends_immediately() {
    let server = server(|id, _| json_response(&run(id, "queued"))).await;
    let mut all = poll_all(&server, Vec::new());
    assert!(all.next_run().await.is_none());
    assert!(all.next_run().await.is_none(), "the stream continues after its end");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn stream_ends_after_last_run() {
    let server = server(|id, _| json_response(&run(id, "completed"))).await;
    let mut all = poll_all(&server, run_refs(0..2));
    assert!(all.next_run().await.is_some() && all.next_run().await.is_some());
    assert!(all.next_run().await.is_none());
    assert!(all.next_run().await.is_none(), "the stream continues after its end");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn no_request_is_sent_before_first_read_or_after_drop() {
    let server = server(|id, _| json_response(&run(id, "queued"))).await;
    let mut all = poll_all(&server, run_refs(0..3));
    tokio::time::sleep(MILLISECOND).await;
    assert_eq!(server.count(), 0);
    while server.count() < 3 {
        assert!(tokio::time::timeout(Duration::from_millis(5), all.next_run()).await.is_err());
    }
    drop(all);
    tokio::time::sleep(Duration::from_millis(20)).await; // for requests in flight
    let before = server.count();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(server.count(), before);
}

#[tokio::test]
async fn runs_can_be_passed_as_values_or_ids() {
    let server = server(|id, _| json_response(&run(id, "completed"))).await;
    let client = server.client();
    let known = client.runs("thread_7").retrieve("run_7").await.unwrap();
    let end = client.poll_all(&[known]).next_run().await.unwrap();
    assert_eq!(
        (end.run_ref.thread_id.as_str(), end.run_ref.run_id.as_str()),
        ("thread_7", "run_7")
    );
    let end = client.poll_all([("thread_7", "run_7")]).next_run().await.unwrap();
    assert_eq!(end.result.unwrap().id, "run_7");
    let run_ref = end.run_ref;
    let end = client.poll_all([&run_ref]).next_run().await.unwrap();
    assert_eq!(end.run_ref, run_ref);
    let end = client.poll_all([run_ref]).next_run().await.unwrap();
    assert_eq!(end.result.unwrap().id, "run_7");
}

fn known_run(id: &str, status: &str) -> runstep::types::Run {
    serde_json::from_value(run(id, status)).unwrap()
}

#[tokio::test]
async fn terminal_runs_are_yielded_without_requests() {
    let server = server(|id, _| json_response(&run(id, "completed"))).await;
    let runs =
        [known_run("run_0", "queued"), known_run("run_1", "failed"), known_run("run_2", "expired")];
    let ends = results(server.client().poll_all(runs)).await;
    let expected = [("run_1", "failed"), ("run_2", "expired"), ("run_0", "completed")];
    assert_eq!(ends, expected.map(|(id, status)| (id.to_owned(), Ok(status.to_owned()))));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn run_that_requires_action_is_polled_because_it_may_be_stale() {
    let server = server(|id, _| json_response(&run(id, "completed"))).await;
    let known = known_run("run_0", "requires_action");
    let end = server.client().poll_all([known]).next_run().await.unwrap();
    assert_eq!(end.result.unwrap().status, "completed");
}

/// At one request per second, most of 50 runs are not polled before the deadline.
#[tokio::test]
async fn deadline_errors_carry_runs_that_were_never_polled() {
    let server = server(|id, _| json_response(&run(id, "in_progress"))).await;
    let runs: Vec<_> = (0..50).map(|n| known_run(&format!("run_{n}"), "queued")).collect();
    let all = server.client().poll_all(&runs).requests_per_second(1.0).deadline(Duration::ZERO);
    let ends: Vec<PolledRun> = all.collect().await;
    assert_eq!(ends.len(), 50);
    for end in ends {
        let error = end.result.unwrap_err();
        assert!(error.is_deadline(), "{error:?}");
        assert_eq!(error.run().map(|run| &run.id), Some(&end.run_ref.run_id));
    }
}

#[tokio::test]
async fn failed_poll_carries_the_given_run() {
    let server = server(|_, _| http_response(404, &[], "{}")).await;
    let end = server.client().poll_all([known_run("run_0", "queued")]).next_run().await.unwrap();
    let error = end.result.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
}

/// At 100 requests per second, 30 requests take 290 ms, for any number of runs and any interval
/// that the server sets.
#[tokio::test(start_paused = true)]
async fn request_rate_is_limited() {
    let server = server(|id, poll| {
        let mut response =
            json_response(&run(id, if poll < 2 { "in_progress" } else { "completed" }));
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
        response
    })
    .await;
    let start = Instant::now();
    let ends = results(poll_all(&server, run_refs(0..10)).requests_per_second(100.0)).await;
    assert_eq!((ends.len(), server.count()), (10, 30));
    let elapsed = start.elapsed().as_millis();
    assert!((290..400).contains(&elapsed), "{elapsed} ms");
}

/// The rate limit holds for every pair of requests, from the first one on.
#[tokio::test(start_paused = true)]
async fn requests_are_evenly_spaced() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let server_times = Arc::clone(&times);
    let server = server(move |id, _| {
        server_times.lock().unwrap().push(Instant::now());
        json_response(&run(id, "completed"))
    })
    .await;
    results(poll_all(&server, run_refs(0..12)).requests_per_second(50.0)).await;
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 12);
    for pair in times.windows(2) {
        let delay = (pair[1] - pair[0]).as_millis();
        assert!((19..=25).contains(&delay), "two requests are {delay} ms apart, not 20");
    }
}

#[tokio::test]
async fn server_sets_interval_of_each_run() {
    let server = server(|id, poll| {
        let mut response =
            json_response(&run(id, if poll < 1 { "in_progress" } else { "completed" }));
        let interval = if id == "run_0" { "3600000" } else { "1" };
        response.headers_mut().insert("openai-poll-after-ms", interval.parse().unwrap());
        response
    })
    .await;
    let mut all = poll_all(&server, run_refs(0..2));
    assert_eq!(all.next_run().await.unwrap().run_ref.run_id, "run_1");
    assert!(tokio::time::timeout(Duration::from_millis(30), all.next_run()).await.is_err());
    assert_eq!(server.count_of("GET", "run_0"), 1);
}

#[tokio::test]
async fn deadline_yields_unfinished_runs_with_last_state() {
    let server = server(|id, _| {
        json_response(&run(id, if id == "run_1" { "completed" } else { "in_progress" }))
    })
    .await;
    let mut all = poll_all(&server, run_refs(0..4)).deadline(Duration::from_millis(800));
    let mut unfinished = Vec::new();
    while let Some(end) = all.next_run().await {
        match end.result {
            Ok(run) => assert_eq!(run.id, "run_1"),
            Err(error) => {
                assert!(error.is_deadline(), "{error:?}");
                assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
                assert_eq!(error.run().map(|run| &run.id), Some(&end.run_ref.run_id));
                unfinished.push(end.run_ref.run_id);
            }
        }
    }
    unfinished.sort();
    assert_eq!(unfinished, ["run_0", "run_2", "run_3"]);
    assert!(all.next_run().await.is_none(), "the stream continues after its end");
}

#[tokio::test]
async fn hanging_request_does_not_delay_other_runs() {
    let server = server(|id, poll| {
        if id == "run_0" {
            return hanging_response();
        }
        json_response(&run(id, if poll < 2 { "queued" } else { "completed" }))
    })
    .await;
    let ends = results(poll_all(&server, run_refs(0..3)).deadline(Duration::from_secs(2))).await;
    let completed = || Ok("completed".to_owned());
    assert_eq!(ends.len(), 3);
    assert!(ends[..2].iter().all(|(_, result)| *result == completed()), "{ends:?}");
    assert_eq!(ends[2], ("run_0".to_owned(), Err(ErrorKind::Deadline)));
}

#[tokio::test]
async fn failure_of_one_run_does_not_stop_others() {
    let server = server(|id, poll| match id {
        "run_0" => http_response(404, &[], r#"{"error": {"message": "No run found."}}"#),
        "run_1" if poll > 0 => http_response(500, &[], "{}"),
        _ => json_response(&run(id, if poll < 9 { "in_progress" } else { "completed" })),
    })
    .await;
    let mut all = poll_all(&server, run_refs(0..3));
    let not_found = all.next_run().await.unwrap();
    assert_eq!(not_found.run_ref.run_id, "run_0");
    assert!(not_found.result.unwrap_err().is_not_found());
    let broken = all.next_run().await.unwrap();
    assert_eq!(broken.run_ref.run_id, "run_1");
    let error = broken.result.unwrap_err();
    assert_eq!(error.status(), Some(500));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
    assert_eq!(server.count_of("GET", "run_1"), 1 + 6, "five consecutive failures are tolerated");
    assert_eq!(all.next_run().await.unwrap().result.unwrap().status, "completed");
    assert!(all.next_run().await.is_none());
}

#[tokio::test]
async fn error_policy_can_be_set() {
    let server = server(|_, _| http_response(500, &[], "{}")).await;
    let retrying = fast_retries().max_attempts(9);
    let client = server
        .builder()
        .retry_policy(retrying)
        .poll_backoff(Backoff::new(MILLISECOND, MILLISECOND));
    let client = client.build().unwrap();
    let all = client.poll_all(run_refs(0..2)).error_policy(PollErrorPolicy::none());
    assert_eq!(results(all.requests_per_second(1000.0)).await.len(), 2);
    assert_eq!(server.count(), 2, "poll requests are not retried");
}

#[tokio::test]
async fn invalid_rates_and_maximum_deadline_are_accepted() {
    let server = server(|id, _| json_response(&run(id, "completed"))).await;
    for number in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
        let all = poll_all(&server, run_refs(0..1)).requests_per_second(number).deadline(HOUR);
        assert_eq!(results(all).await.len(), 1, "{number}");
    }
    let all = poll_all(&server, run_refs(0..1)).deadline(Duration::MAX);
    assert_eq!(results(all).await.len(), 1);
}

#[tokio::test]
async fn final_poll_at_deadline_finds_completed_runs() {
    let server =
        server(|id, poll| json_response(&run(id, if poll == 0 { "queued" } else { "completed" })))
            .await;
    let all = poll_all(&server, run_refs(0..3)).interval(HOUR).deadline(Duration::from_millis(500));
    let ends = results(all).await;
    assert!(ends.iter().all(|(_, result)| result.as_deref() == Ok("completed")), "{ends:?}");
    assert_eq!((ends.len(), server.count()), (3, 6));
}

/// The final polls end after one second at most, and stay within the request rate.
#[tokio::test]
async fn final_polls_stay_within_request_rate() {
    let server = server(|id, _| json_response(&run(id, "queued"))).await;
    let all =
        poll_all(&server, run_refs(0..100)).deadline(Duration::ZERO).requests_per_second(10.0);
    let ends = results(all).await;
    assert!(ends.iter().all(|(_, result)| *result == Err(ErrorKind::Deadline)), "{ends:?}");
    assert_eq!(ends.len(), 100);
    assert!((1..=11).contains(&server.count()), "{} requests", server.count());
}

#[tokio::test]
async fn deadline_error_has_last_poll_error_as_source() {
    let server = server(|_, _| http_response(503, &[], "{}")).await;
    let policy = PollErrorPolicy::default().max_consecutive_errors(u32::MAX);
    let all = poll_all(&server, run_refs(0..1)).error_policy(policy);
    let end = all.deadline(Duration::from_millis(300)).next_run().await.unwrap();
    let error = end.result.unwrap_err();
    assert!(error.is_deadline());
    let cause = std::error::Error::source(&error).unwrap().downcast_ref::<runstep::Error>();
    assert_eq!(cause.unwrap().status(), Some(503));
}

#[tokio::test]
async fn request_settings_apply_to_every_run() {
    let server = server(|id, poll| match poll {
        0 => json_response(&run(id, "queued")),
        _ => hanging_response(),
    })
    .await;
    let client = server.builder().poll_backoff(Backoff::new(HOUR, HOUR)).build().unwrap();
    let all = client.poll_all(run_refs(0..1)).backoff(Backoff::new(MILLISECOND, MILLISECOND));
    let all = all.header("x-tenant", "7").query("region", "eu");
    let mut all =
        all.request_timeout(Duration::from_millis(200)).error_policy(PollErrorPolicy::none());
    assert!(all.next_run().await.unwrap().result.unwrap_err().is_timeout());
    assert_eq!(server.count(), 2);
    for request in server.requests() {
        assert_eq!(request.header("x-tenant"), Some("7"));
        assert!(request.target.ends_with("?region=eu"));
    }
}
