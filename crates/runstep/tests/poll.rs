//! Waiting for a run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use runstep::{Backoff, Error, ErrorKind, Poll, PollErrorPolicy, Result};
use serde_json::Value;
use support::script::{Act, Script, quick};
use support::{Recorder, example, json, reply};

const TINY: Duration = Duration::from_millis(1);
/// A deadline to wait for, before which a look at least succeeds on a busy machine.
const SOON: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_secs(3600);

fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run
}

/// A server where the run takes these statuses one after the other, and keeps the last.
async fn server_of(script: &'static [&'static str]) -> Recorder {
    scripted(script, |_| {}).await
}

async fn scripted(script: &'static [&'static str], change: fn(&mut Response)) -> Recorder {
    Recorder::start(move |number| {
        let mut response = json(&run(script[number.min(script.len() - 1)]));
        change(&mut response);
        response
    })
    .await
}

/// A poll that gives up before the test run does.
fn poll(server: &Recorder) -> Poll {
    server.client().runs("thread_abc123").poll("run_abc123").deadline(HOUR / 720)
}

/// The statuses that the stream gives, and the error at its end if there is one.
async fn updates(poll: Poll) -> (Vec<String>, Option<Error>) {
    let mut updates = poll.into_stream();
    let mut statuses = Vec::new();
    loop {
        match updates.try_next().await {
            Ok(Some(run)) => statuses.push(run.status.to_string()),
            ended => {
                assert!(updates.try_next().await.unwrap().is_none(), "there is more after the end");
                return (statuses, ended.err());
            }
        }
    }
}

#[tokio::test]
async fn the_stream_gives_each_status_once() {
    let server =
        server_of(&["queued", "queued", "in_progress", "in_progress", "queued", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued", "in_progress", "queued", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn each_look_retrieves_the_run() {
    let server = server_of(&["queued", "completed"]).await;
    poll(&server).interval(TINY).await.unwrap();
    for request in server.seen() {
        let target = "/v1/threads/thread_abc123/runs/run_abc123";
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", target));
    }
}

macro_rules! stops_at {
    ($($test:ident: $status:literal;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = server_of(&["in_progress", $status]).await;
                let run = poll(&server).interval(TINY).await.unwrap();
                assert_eq!(run.status, $status);
                assert_eq!(server.seen().len(), 2);
            }
        )+
    };
}

stops_at! {
    stops_when_action_is_required: "requires_action";
    stops_when_completed: "completed";
    stops_when_failed: "failed";
    stops_when_incomplete: "incomplete";
    stops_when_cancelled: "cancelled";
    stops_when_expired: "expired";
}

#[tokio::test]
async fn goes_on_while_the_run_is_being_cancelled() {
    let server = server_of(&["cancelling", "cancelled"]).await;
    let (statuses, _) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["cancelling", "cancelled"]);
}

#[tokio::test]
async fn goes_on_through_a_status_that_nobody_knows() {
    let server = server_of(&["frozen", "frozen", "thawing", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["frozen", "thawing", "completed"]);
    assert!(error.is_none(), "{error:?}");
}

#[tokio::test]
async fn the_first_look_comes_before_any_pause() {
    let server = server_of(&["completed"]).await;
    let run = tokio::time::timeout(HOUR / 60, poll(&server).interval(HOUR)).await;
    assert_eq!(run.unwrap().unwrap().status, "completed");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn nothing_is_sent_before_the_poll_is_awaited() {
    let server = server_of(&["completed"]).await;
    let stream = poll(&server).into_stream();
    tokio::time::sleep(TINY).await;
    assert_eq!(server.seen().len(), 0);
    drop(stream);
}

/// With the pauses that are the default this many looks take more than the deadline.
#[tokio::test]
async fn the_server_says_when_to_ask_again() {
    let script = &["queued", "queued", "queued", "queued", "queued", "queued", "completed"];
    let server = scripted(script, |response| {
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
    })
    .await;
    let run = poll(&server).deadline(Duration::from_secs(1)).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn the_callers_interval_comes_before_the_servers() {
    let server = scripted(&["queued", "queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
    })
    .await;
    let run = poll(&server).interval(TINY).deadline(HOUR / 60).await.unwrap();
    assert_eq!(run.status, "completed");
}

#[tokio::test]
async fn a_pause_that_is_no_number_is_ignored() {
    let server = scripted(&["queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "soon".parse().unwrap());
    })
    .await;
    assert_eq!(poll(&server).await.unwrap().status, "completed");
}

fn assert_deadline(result: Result<runstep::types::Run>, status: Option<&str>) -> Error {
    let error = result.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.run().map(|run| run.status.as_str()), status);
    error
}

#[tokio::test]
async fn the_error_on_the_deadline_has_the_last_run() {
    let server = server_of(&["queued", "frozen"]).await;
    let result = poll(&server).interval(TINY).deadline(SOON).await;
    let error = assert_deadline(result, Some("frozen"));
    assert_eq!(
        error.to_string(),
        "the run neither ended nor asked for action before the deadline (run run_abc123 is frozen)"
    );
    assert!(server.seen().len() > 2);
}

#[tokio::test]
async fn a_pause_never_goes_past_the_deadline() {
    let server = server_of(&["in_progress"]).await;
    let result = poll(&server).interval(HOUR).deadline(SOON).await;
    assert_deadline(result, Some("in_progress"));
    assert_eq!(server.seen().len(), 2, "one at first, and one at the deadline");
}

/// A reply whose body never comes.
fn hanging() -> Response {
    let never = futures_util::stream::pending::<std::result::Result<Vec<u8>, std::io::Error>>();
    reply(200, &[], Body::from_stream(never))
}

#[tokio::test]
async fn a_look_that_hangs_ends_at_the_deadline() {
    let server = Recorder::start(|_| hanging()).await;
    let result = poll(&server).deadline(SOON).await;
    assert_deadline(result, None);
}

#[tokio::test]
async fn a_later_look_that_hangs_leaves_the_last_run() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => hanging(),
    })
    .await;
    let result = poll(&server).interval(TINY).deadline(SOON).await;
    assert_deadline(result, Some("queued"));
}

#[tokio::test]
async fn an_error_reply_ends_the_stream_with_that_error() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => reply(404, &[("x-request-id", "req_9")], r#"{"error": {"message": "Oh no"}}"#),
    })
    .await;
    let (statuses, error) = updates(poll(&server).interval(TINY)).await;
    assert_eq!(statuses, ["queued"]);
    let error = error.unwrap();
    assert_eq!((error.status(), error.message()), (Some(404), "Oh no"));
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
    assert_eq!(error.request_id(), Some("req_9"));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn the_longest_times_are_no_fault() {
    let server = server_of(&["queued", "completed"]).await;
    let run = poll(&server).deadline(Duration::MAX).interval(TINY).await.unwrap();
    assert_eq!(run.status, "completed");
    let server = server_of(&["queued"]).await;
    let late = poll(&server).deadline(SOON).interval(Duration::MAX).await;
    assert_deadline(late, Some("queued"));
}

/// How a run looks at each look: a status, or a failure.
enum Look {
    Run(&'static str),
    Fails(u16),
}
use Look::{Fails, Run};

/// A server where looks go like this, the last of them for ever; a cancel is granted.
async fn looks(script: &'static [Look]) -> Recorder {
    let looked = Arc::new(AtomicUsize::new(0));
    Recorder::answering(move |_, request| {
        if request.method == "POST" {
            return json(&run("cancelling"));
        }
        let number = looked.fetch_add(1, Ordering::SeqCst);
        match &script[number.min(script.len() - 1)] {
            Run(status) => json(&run(status)),
            Fails(status) => reply(*status, &[], r#"{"error": {"message": "Oh no"}}"#),
        }
    })
    .await
}

fn cancels(server: &Recorder) -> usize {
    server.count_of("POST", "/threads/thread_abc123/runs/run_abc123/cancel")
}

/// Lets what was spawned be sent, then a moment for what should not be.
async fn settled(server: &Recorder, expected: usize) {
    for _ in 0..2000 {
        if cancels(server) >= expected {
            break;
        }
        tokio::time::sleep(TINY).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(cancels(server), expected);
}

#[tokio::test]
async fn failures_are_told_and_the_poll_goes_on() {
    for status in [408, 429, 500, 503] {
        let server = Recorder::start(move |number| match number {
            0 => json(&run("queued")),
            1 | 2 => reply(status, &[], r#"{"error": {"message": "Oh no"}}"#),
            3 => json(&run("queued")),
            _ => json(&run("completed")),
        })
        .await;
        let mut updates = poll(&server).interval(TINY).into_stream();
        let mut told = Vec::new();
        while let Some(update) = updates.try_next().await.unwrap() {
            let failures: Vec<_> = update.failures.iter().map(Error::status).collect();
            told.push((update.status.to_string(), failures));
        }
        let failed = || ("queued".to_owned(), vec![Some(status)]);
        let expected =
            [("queued".to_owned(), vec![]), failed(), failed(), ("completed".to_owned(), vec![])];
        assert_eq!(told, expected);
        assert_eq!(server.count(), 5);
    }
}

#[tokio::test]
async fn failures_before_the_run_is_seen_are_told_with_it() {
    let server = looks(&[Fails(500), Fails(502), Run("completed")]).await;
    let mut updates = poll(&server).interval(TINY).into_stream();
    let update = updates.try_next().await.unwrap().unwrap();
    let failures: Vec<_> = update.failures.iter().map(Error::status).collect();
    assert_eq!((update.status.as_str(), failures), ("completed", vec![Some(500), Some(502)]));
    assert!(updates.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_broken_connection_is_a_failure_that_passes() {
    let completed = Act::ok(run("completed"));
    let acts = [Act::Reset, Act::ResetInBody(Vec::new()), Act::CloseInBody, completed];
    let server = Script::of(acts).await;
    let poll = server.client().runs("t").poll("r").interval(TINY);
    assert_eq!(poll.deadline(HOUR).await.unwrap().status, "completed");
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn a_look_that_times_out_is_a_failure_that_passes() {
    let server = Recorder::start(|number| match number {
        0 => hanging(),
        _ => json(&run("completed")),
    })
    .await;
    let client = server.builder().timeout(SOON).build().unwrap();
    let mut updates = client.runs("t").poll("r").interval(TINY).into_stream();
    let update = updates.try_next().await.unwrap().unwrap();
    assert!(update.failures[0].is_timeout());
}

#[tokio::test]
async fn too_many_failures_in_a_row_end_it_with_the_last_run() {
    for (policy, tolerated) in [
        (PollErrorPolicy::default(), 5),
        (PollErrorPolicy::default().in_a_row(2), 2),
        (PollErrorPolicy::none(), 0),
    ] {
        let server = looks(&[Run("in_progress"), Fails(503)]).await;
        let ended = poll(&server).interval(TINY).error_policy(policy).await;
        let error = ended.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(503)));
        assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
        assert_eq!(server.count(), 1 + tolerated + 1);
        let client = server.builder().poll_error_policy(policy).build().unwrap();
        let before = server.count();
        client.runs("thread_abc123").poll("run_abc123").interval(TINY).await.unwrap_err();
        assert_eq!(server.count(), before + tolerated + 1, "the client's policy");
    }
}

/// A look that works begins the count again.
#[tokio::test]
async fn failures_are_counted_in_a_row() {
    let server = looks(&[
        Run("queued"),
        Fails(500),
        Fails(500),
        Run("queued"),
        Fails(500),
        Fails(500),
        Run("completed"),
    ])
    .await;
    let policy = PollErrorPolicy::default().in_a_row(2);
    poll(&server).interval(TINY).error_policy(policy).await.unwrap();
    assert_eq!(server.count(), 7);
}

#[tokio::test]
async fn what_does_not_pass_ends_it_at_once() {
    for fails in [&[Fails(404)], &[Fails(400)], &[Fails(401)], &[Fails(403)]] {
        let server = looks(fails).await;
        let error = poll(&server).interval(TINY).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Api);
        assert_eq!(server.count(), 1);
    }
    let server = Recorder::with_json(serde_json::json!({"id": 7})).await;
    assert!(poll(&server).interval(TINY).await.unwrap_err().is_decode());
    assert_eq!(server.count(), 1);
}

/// Six looks, although the client would send each of them seven times.
#[tokio::test]
async fn retries_are_not_nested_in_a_poll() {
    let server = looks(&[Fails(500)]).await;
    let client = server.builder().retry_policy(quick().attempts(7)).build().unwrap();
    let poll = client.runs("thread_abc123").poll("run_abc123").interval(TINY);
    poll.clone().await.unwrap_err();
    assert_eq!(server.count(), 6);
    poll.with_steps(true).await.unwrap_err();
    assert_eq!(server.count(), 12);
}

fn paced(name: &'static str, value: &'static str) -> impl Fn(usize) -> Response + Clone {
    move |number| {
        let mut response = match number {
            0 => json(&run("queued")),
            1 => reply(429, &[], "{}"),
            _ => json(&run("completed")),
        };
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    }
}

#[tokio::test]
async fn the_server_sets_the_pace_of_looks_that_fail_too() {
    for (name, value, least, most) in [
        ("openai-poll-after-ms", "60", 60, 10_000),
        ("retry-after", "0.06", 120, 10_000),
        ("retry-after-ms", "60", 120, 10_000),
        // So short a pause is made longer.
        ("openai-poll-after-ms", "0", 20, 10_000),
        ("retry-after", "0", 40, 10_000),
        ("retry-after", "-5", 40, 10_000),
    ] {
        let server = Recorder::start(paced(name, value)).await;
        let slow = Backoff::new(HOUR, HOUR);
        let quick = Backoff::new(TINY, TINY);
        // After the failure that says nothing of a poll's pace the backoff holds.
        let backoff = if name == "openai-poll-after-ms" { quick } else { slow };
        let begun = Instant::now();
        let run = poll(&server).deadline(HOUR).backoff(backoff).into_future();
        tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
        let took = begun.elapsed().as_millis();
        assert!((least..most).contains(&took), "{name}: {value} took {took} ms");
        assert_eq!(server.count(), 3);
    }
}

#[tokio::test]
async fn openais_pause_comes_before_retry_after() {
    let server = scripted(&["queued", "completed"], |response| {
        response.headers_mut().insert("retry-after", "3600".parse().unwrap());
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
    })
    .await;
    let run = poll(&server).deadline(HOUR).into_future();
    tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
}

/// Without a pace of the server's own the client's holds, and a poll's own comes before it.
#[tokio::test]
async fn the_pace_is_the_polls_own_else_the_clients() {
    let server = server_of(&["queued", "queued", "queued", "completed"]).await;
    let quick = Backoff::new(TINY, TINY);
    let slow = Backoff::new(HOUR, HOUR);
    let client = server.builder().poll_backoff(quick).build().unwrap();
    let begun = Instant::now();
    client.runs("t").poll("r").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let server = server_of(&["queued", "queued", "queued", "completed"]).await;
    let client = server.builder().poll_backoff(slow).build().unwrap();
    client.runs("t").poll("r").backoff(quick).deadline(HOUR).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let server = server_of(&["queued", "completed"]).await;
    let client = server.builder().poll_backoff(slow).build().unwrap();
    let late = client.runs("t").poll("r").deadline(SOON).await;
    assert_eq!(late.unwrap().status, "completed", "by the look at the deadline");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_look_at_the_deadline_sees_a_run_that_has_just_ended() {
    let server = server_of(&["in_progress", "completed"]).await;
    let (statuses, error) = updates(poll(&server).interval(HOUR).deadline(SOON)).await;
    assert_eq!(statuses, ["in_progress", "completed"]);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(server.count(), 2);
}

/// A deadline of nothing at all still looks once.
#[tokio::test]
async fn no_time_at_all_is_a_deadline_too() {
    let server = server_of(&["in_progress"]).await;
    let late = poll(&server).interval(TINY).deadline(Duration::ZERO);
    let late = tokio::time::timeout(Duration::from_secs(20), late.into_future()).await;
    assert!(late.unwrap().unwrap_err().is_deadline());
    assert!(server.count() <= 2);
}

/// The deadline holds although the last look failed and that is tolerated, for ever if need be.
#[tokio::test]
async fn failures_do_not_carry_a_poll_beyond_its_deadline() {
    let server = looks(&[Run("in_progress"), Fails(500)]).await;
    let policy = PollErrorPolicy::default().in_a_row(u32::MAX);
    let poll = poll(&server).interval(HOUR).deadline(SOON);
    let (statuses, error) = updates(poll.error_policy(policy)).await;
    assert_eq!(statuses, ["in_progress", "in_progress"], "the second tells the failure");
    let error = error.unwrap();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("in_progress"));
    assert_eq!(server.count(), 2);
}

/// The same for a status that is another one each time.
#[tokio::test]
async fn changes_do_not_carry_a_poll_beyond_its_deadline() {
    let server = Recorder::start(|number| json(&run(&format!("frozen_{number}")))).await;
    let poll = poll(&server).interval(HOUR).deadline(SOON);
    let (statuses, error) = updates(poll).await;
    assert_eq!(statuses, ["frozen_0", "frozen_1"]);
    assert!(error.unwrap().is_deadline());
}

#[tokio::test]
async fn the_run_is_cancelled_on_the_deadline_if_asked() {
    for (cancel, times) in [(true, 1), (false, 0)] {
        let server = looks(&[Run("in_progress")]).await;
        let poll = poll(&server).interval(TINY).deadline(SOON);
        let late = poll.cancel_on_deadline(cancel).await;
        assert_deadline(late, Some("in_progress"));
        assert_eq!(cancels(&server), times);
    }
}

#[tokio::test]
async fn both_kinds_of_cancelling_cancel_once() {
    let server = looks(&[Run("in_progress")]).await;
    let poll = poll(&server).interval(TINY).deadline(SOON);
    poll.cancel_on_deadline(true).cancel_on_drop(true).await.unwrap_err();
    settled(&server, 1).await;
}

#[tokio::test]
async fn a_run_that_has_settled_is_not_cancelled() {
    for script in
        [&[Run("in_progress"), Run("completed")], &[Run("queued"), Run("requires_action")]]
    {
        let server = looks(script).await;
        let poll = || {
            let poll = poll(&server).interval(HOUR).deadline(SOON);
            poll.cancel_on_deadline(true).cancel_on_drop(true)
        };
        poll().await.unwrap();
        let mut stream = poll().into_stream();
        while stream.try_next().await.unwrap().is_some() {}
        drop(stream);
        // Dropped right after the last update, without asking for the end.
        let mut stream = poll().into_stream();
        stream.try_next().await.unwrap();
        drop(stream);
        settled(&server, 0).await;
    }
}

/// The deadline holds although the server does not answer the cancel either. Time is paused once
/// all is silent.
#[tokio::test]
async fn a_cancel_that_hangs_does_not_carry_a_poll_beyond_its_deadline() {
    let server = Recorder::start(|_| hanging()).await;
    let poll = poll(&server).deadline(Duration::from_secs(60)).cancel_on_deadline(true);
    let ended = tokio::spawn(poll.into_future());
    while server.count() == 0 {
        tokio::time::sleep(TINY).await;
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_deadline(ended.await.unwrap(), None);
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_run_is_cancelled_when_the_future_is_dropped_if_asked() {
    for (cancel, times) in [(true, 1), (false, 0)] {
        let server = looks(&[Run("in_progress")]).await;
        let poll = poll(&server).interval(TINY).deadline(HOUR).cancel_on_drop(cancel);
        let dropped = tokio::time::timeout(SOON, poll.into_future()).await;
        assert!(dropped.is_err());
        settled(&server, times).await;
    }
}

#[tokio::test]
async fn the_run_is_cancelled_when_the_stream_is_dropped_if_asked() {
    let server = looks(&[Run("in_progress")]).await;
    let mut stream = poll(&server).interval(TINY).cancel_on_drop(true).into_stream();
    stream.try_next().await.unwrap().unwrap();
    assert_eq!(cancels(&server), 0);
    drop(stream);
    settled(&server, 1).await;
}

/// A poll that is never awaited, or cloned, cancels nothing.
#[tokio::test]
async fn a_poll_that_did_nothing_leaves_nothing_behind() {
    let server = looks(&[Run("in_progress")]).await;
    let poll = poll(&server).cancel_on_drop(true);
    drop(poll.clone());
    drop(poll.into_future());
    settled(&server, 0).await;
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn nothing_is_sent_after_a_drop() {
    let server = server_of(&["in_progress"]).await;
    let mut stream = poll(&server).interval(TINY).deadline(HOUR).into_stream();
    stream.try_next().await.unwrap().unwrap();
    let pending = tokio::time::timeout(Duration::from_millis(20), stream.try_next()).await;
    assert!(pending.is_err());
    drop(stream);
    let future = poll(&server).interval(TINY).deadline(HOUR).into_future();
    assert!(tokio::time::timeout(SOON, future).await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await; // what was on its way arrives
    let before = server.count();
    assert!(before > 2);
    tokio::time::sleep(Duration::from_millis(40)).await;
    assert_eq!(server.count(), before);
}

/// A stream that is asked within a `select` and given up goes on where it was.
#[tokio::test]
async fn giving_up_one_next_loses_nothing() {
    let server = server_of(&["queued", "in_progress", "completed"]).await;
    let mut stream = poll(&server).interval(Duration::from_millis(3)).into_stream();
    let mut statuses = Vec::new();
    for _ in 0..5000 {
        match tokio::time::timeout(Duration::from_micros(200), stream.try_next()).await {
            Ok(Ok(Some(update))) => statuses.push(update.status.to_string()),
            Ok(ended) => {
                assert!(ended.unwrap().is_none());
                break;
            }
            Err(_) => {}
        }
    }
    assert_eq!(statuses, ["queued", "in_progress", "completed"]);
    assert_eq!(server.count(), 3);
}

fn step(number: usize) -> Value {
    let mut step = example("RunStep");
    step["id"] = format!("step_{number}").into();
    step
}

/// Answers a list of steps by what comes after: of as many as there are, two to a page.
fn steps_after(target: &str, there: usize) -> Response {
    let after = target.split("after=step_").nth(1);
    let after: usize = after.map_or(0, |after| after.split('&').next().unwrap().parse().unwrap());
    let numbers: Vec<usize> = (after + 1..=there).take(2).collect();
    let id = |number: Option<&usize>| number.map(|number| format!("step_{number}"));
    let last = numbers.last().copied().unwrap_or(there);
    json(&serde_json::json!({
        "object": "list", "data": numbers.iter().map(|number| step(*number)).collect::<Vec<_>>(),
        "first_id": id(numbers.first()), "last_id": id(numbers.last()), "has_more": last < there,
    }))
}

/// At each look there are as many steps; the run ends with the last look.
async fn stepping(there: &'static [usize], failing: Option<usize>) -> Recorder {
    let looks = Arc::new(AtomicUsize::new(0));
    let failed = Arc::new(AtomicUsize::new(0));
    Recorder::answering(move |_, request| {
        if !request.target.contains("/steps") {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            let ended = look + 1 >= there.len() + usize::from(failing.is_some());
            return json(&run(if ended { "completed" } else { "in_progress" }));
        }
        assert!(request.target.contains("order=asc"), "{}", request.target);
        let look = looks.load(Ordering::SeqCst) - 1 - failed.load(Ordering::SeqCst);
        if failing == Some(look) && failed.fetch_add(1, Ordering::SeqCst) == 0 {
            return reply(500, &[], "{}");
        }
        steps_after(&request.target, there[look])
    })
    .await
}

async fn steps_of(server: &Recorder) -> Vec<(String, Vec<String>)> {
    let mut updates = poll(server).interval(TINY).with_steps(true).into_stream();
    let mut told = Vec::new();
    while let Some(update) = updates.try_next().await.unwrap() {
        let ids = update.new_steps.iter().map(|step| step.id.clone()).collect();
        told.push((update.status.to_string(), ids));
    }
    told
}

#[tokio::test]
async fn each_step_is_told_once_over_all_pages() {
    let server = stepping(&[0, 1, 1, 6, 7], None).await;
    let told = steps_of(&server).await;
    let told: Vec<_> = told.iter().map(|(status, ids)| (status.as_str(), ids.join(" "))).collect();
    let expected = [
        ("in_progress", ""),
        ("in_progress", "step_1"),
        ("in_progress", "step_2 step_3 step_4 step_5 step_6"),
        ("completed", "step_7"),
    ];
    assert_eq!(told, expected.map(|(status, ids)| (status, ids.to_owned())));
}

#[tokio::test]
async fn steps_that_could_not_be_listed_are_told_later() {
    let server = stepping(&[1, 3], Some(1)).await;
    let told = steps_of(&server).await;
    let ids: Vec<&String> = told.iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(ids, ["step_1", "step_2", "step_3"]);
}

#[tokio::test]
async fn without_steps_none_are_asked_for() {
    let server = stepping(&[1, 2], None).await;
    let mut updates = poll(&server).interval(TINY).into_stream();
    while let Some(update) = updates.try_next().await.unwrap() {
        assert!(update.new_steps.is_empty());
    }
    assert_eq!(server.count(), 2);
}

/// A server that starts a run by any POST, and ends it with the third look.
async fn starting() -> Recorder {
    Recorder::answering(|number, request| {
        let status = match (request.method.as_str(), number) {
            ("POST", _) => "queued",
            (_, 1) => "queued",
            (_, 2) => "in_progress",
            _ => "completed",
        };
        json(&run(status))
    })
    .await
}

macro_rules! and_poll {
    ($($test:ident: $target:literal, |$client:ident| $request:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = starting().await;
                let $client = server.client();
                let run = $request.and_poll().interval(TINY).await.unwrap();
                assert_eq!(run.status, "completed");
                let seen = server.seen();
                let targets: Vec<_> =
                    seen.iter().map(|one| format!("{} {}", one.method, one.target)).collect();
                let look = "GET /v1/threads/thread_abc123/runs/run_abc123";
                assert_eq!(targets, [$target, look, look, look]);
                let server = starting().await;
                let $client = server.client();
                let mut updates = $request.and_poll().interval(TINY).into_stream();
                assert_eq!(server.count(), 0, "nothing is sent before it is asked for");
                let mut statuses = Vec::new();
                while let Some(update) = updates.try_next().await.unwrap() {
                    statuses.push(update.status.to_string());
                }
                assert_eq!(statuses, ["queued", "in_progress", "completed"]);
                assert_eq!(server.count_of("POST", ""), 1);
            }
        )+
    };
}

and_poll! {
    a_run_is_created_and_waited_for: "POST /v1/threads/t/runs", |client|
        client.runs("t").create("asst_1");
    a_thread_and_run_are_created_and_waited_for: "POST /v1/threads/runs", |client|
        client.threads().create_and_run("asst_1").user_message("Hi");
    outputs_are_submitted_and_the_run_waited_for:
        "POST /v1/threads/t/runs/r/submit_tool_outputs", |client|
        client.runs("t").submit_tool_outputs("r").output("call_1", "18");
}

#[tokio::test]
async fn a_run_that_cannot_be_created_is_not_waited_for() {
    let server = Recorder::with_reply(400, &[], r#"{"error": {"message": "No."}}"#).await;
    let create = server.client().runs("t").create("asst_1").and_poll();
    assert_eq!(create.clone().await.unwrap_err().message(), "No.");
    let mut updates = create.into_stream();
    assert_eq!(updates.try_next().await.unwrap_err().message(), "No.");
    assert!(updates.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn what_is_said_of_the_wait_holds_for_and_poll_too() {
    let server = looks(&[Run("in_progress")]).await;
    let create = || server.client().runs("thread_abc123").create("asst_1").and_poll();
    let late = create().interval(TINY).deadline(SOON).cancel_on_deadline(true);
    assert!(late.await.unwrap_err().is_deadline());
    settled(&server, 1).await;
    let dropped = create().interval(TINY).cancel_on_drop(true).into_future();
    assert!(tokio::time::timeout(SOON, dropped).await.is_err());
    settled(&server, 2).await;
    let server = looks(&[Fails(500)]).await;
    let create = server.client().runs("thread_abc123").create("asst_1").and_poll();
    let error = create.interval(TINY).error_policy(PollErrorPolicy::none()).await.unwrap_err();
    assert_eq!((error.status(), server.count()), (Some(500), 2));
}
