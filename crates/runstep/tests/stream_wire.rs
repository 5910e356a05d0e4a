//! Streams over real connections: what is asked, and what becomes of replies that are not as they
//! should be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "stream/replies.rs"]
mod replies;
mod support;

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use replies::{EVENTS, broken, event, first_half, found, message, run, second_half, step};
use runstep::types::{Message, Run, RunStep};
use runstep::{ErrorKind, OpenStream, RunEvent, RunStreamEnd};
use serde_json::{Value, json};
use support::script::{Act, Script};
use support::{Recorder, example, reply};

fn open(recorder: &Recorder) -> OpenStream<runstep::CreateRun> {
    recorder.client().runs("thread_1").create("asst_1").stream()
}

/// The names of the events, and where those begin that were made up for.
async fn names(stream: OpenStream<runstep::CreateRun>) -> (Vec<String>, Option<usize>) {
    let mut events = stream.await.unwrap();
    let (mut names, mut recovered) = (Vec::new(), None);
    while let Some(event) = events.try_next().await.unwrap() {
        if events.is_recovered() {
            recovered.get_or_insert(names.len());
        }
        names.push(event.event().trim_start_matches("thread.").to_owned());
    }
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    let decode = |value: Value| serde_json::from_value::<Run>(value).unwrap();
    assert_eq!(events.run(), Some(&decode(run("completed"))));
    let steps: Vec<RunStep> = serde_json::from_value(json!([step("completed")])).unwrap();
    assert_eq!(events.steps(), steps);
    let messages = json!([message("completed", "It is sunny.")]);
    let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
    assert_eq!(events.messages(), messages);
    (names, recovered)
}

const WHOLE: [&str; 12] = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "message.created",
    "message.in_progress",
    "message.delta",
    "message.delta",
    "message.completed",
    "run.step.completed",
    "run.completed",
];

#[tokio::test]
async fn the_request_asks_for_events() {
    let recorder =
        Recorder::start(move |_| reply(200, EVENTS, first_half(false) + &second_half())).await;
    assert_eq!(names(open(&recorder)).await, (WHOLE.map(str::to_owned).to_vec(), None));
    insta::assert_snapshot!("stream_create_run", recorder.only_request().text());
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_up_for_and_the_request_not_sent_again() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => broken(first_half(false)),
        _ => found(request),
    })
    .await;
    // What is left of the text is in one piece.
    assert_eq!(names(open(&recorder)).await, (WHOLE.map(str::to_owned).to_vec(), Some(8)));
    let asked: Vec<String> = recorder
        .seen()
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    insta::assert_snapshot!(asked.join("\n"), @r"
    POST /v1/threads/thread_1/runs
    GET /v1/threads/thread_1/runs/run_1
    GET /v1/threads/thread_1/runs/run_1/steps?limit=100&order=asc
    GET /v1/threads/thread_1/messages/msg_1
    ");
}

#[tokio::test]
async fn steps_that_are_looked_up_have_what_was_asked_for() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => broken(first_half(false)),
        _ => found(request),
    })
    .await;
    let what = "step_details.tool_calls[*].file_search.results[*].content";
    let create = recorder.client().runs("thread_1").create("asst_1").include(what);
    create.stream().await.unwrap().final_run().await.unwrap();
    let seen = recorder.seen();
    let query = seen[0].target.split_once('?').unwrap().1;
    assert!(query.contains("file_search.results"), "{query}");
    let steps = seen.iter().find(|request| request.target.contains("/steps")).unwrap();
    assert!(steps.target.contains(query), "{}", steps.target);
}

#[tokio::test]
async fn wherever_the_connection_breaks_the_end_is_the_same() {
    let whole = first_half(false) + &second_half();
    for cut in (0..whole.len()).step_by(131) {
        let part = whole[..cut].to_owned();
        let recorder = Recorder::answering(move |number, request| match number {
            0 => broken(part.clone()),
            _ => found(request),
        })
        .await;
        let (mut names, _) = names(open(&recorder)).await;
        // What was missed of the text comes in one piece.
        names.dedup();
        let mut expected = WHOLE.to_vec();
        expected.dedup();
        assert_eq!(names, expected, "cut after {cut}");
        assert_eq!(recorder.count_of("POST", "/runs"), 1, "cut after {cut}");
    }
}

#[tokio::test]
async fn a_server_that_knows_ids_of_events_is_asked_for_the_rest() {
    let recorder = Recorder::answering(|number, _| match number {
        0 => broken(first_half(true)),
        _ => reply(200, EVENTS, second_half()),
    })
    .await;
    assert_eq!(names(open(&recorder)).await, (WHOLE.map(str::to_owned).to_vec(), None));
    let seen = recorder.seen();
    assert_eq!(seen.len(), 2);
    insta::assert_snapshot!("stream_resume", seen[1].text());
}

#[tokio::test]
async fn a_server_that_cannot_resume_tells_the_run() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => broken(first_half(true)),
        _ => found(request),
    })
    .await;
    assert_eq!(names(open(&recorder)).await.1, Some(8));
    // The run that came in place of events is looked at, and not asked for again.
    assert_eq!(recorder.count_of("GET", "/runs/run_1"), 1);
}

#[tokio::test]
async fn whatever_a_server_says_instead_of_the_rest_the_run_is_looked_at() {
    let done = || reply(200, EVENTS, "event: done\ndata: [DONE]\n\n");
    let unreadable = || reply(200, EVENTS, "event: thread.run.completed\ndata: {}\n\n");
    let old = || reply(200, EVENTS, "id: 7\nevent: news\ndata: {}\n\n");
    let gone = || reply(410, &[], "gone");
    let broken_down = || reply(500, &[], "oh");
    let page = || reply(200, &[("content-type", "application/json")], "[]");
    let instead: [fn() -> Response; 6] = [done, unreadable, old, gone, broken_down, page];
    for (case, instead) in instead.into_iter().enumerate() {
        let recorder = Recorder::answering(move |number, request| match number {
            0 => broken(first_half(true)),
            _ if request.header("last-event-id").is_some() => instead(),
            _ => found(request),
        })
        .await;
        let mut events = open(&recorder).recovery_deadline(Duration::from_secs(20)).await.unwrap();
        let run = events.final_run().await.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(run.status, "completed", "{case}");
        let seen = recorder.seen();
        let resumes = seen.iter().filter(|request| request.header("last-event-id").is_some());
        assert_eq!(resumes.count(), 1, "{case}");
    }
}

#[tokio::test]
async fn what_has_grown_without_a_word_of_its_beginning_is_not_told_again() {
    let half = first_half(false);
    let begins = |event: &&str| {
        ["step", "message"].iter().any(|what| event.contains(&format!("{what}.in_progress\n")))
    };
    let half: String = half.split_inclusive("\n\n").filter(|event| !begins(event)).collect();
    let recorder = Recorder::answering(move |number, request| match number {
        0 => broken(half.clone()),
        _ => found(request),
    })
    .await;
    let (names, recovered) = names(open(&recorder)).await;
    let after = ["run.step.in_progress", "message.delta", "message.completed"];
    assert_eq!(names[recovered.unwrap()..][..3], after);
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_polled() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => support::json(&run("queued")),
        _ => found(request),
    })
    .await;
    assert_eq!(names(open(&recorder)).await.1, Some(0));
    assert_eq!(recorder.count_of("POST", "/runs"), 1);
}

#[tokio::test]
async fn silence_is_a_cut() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => {
            let events = stream::iter([Ok::<_, io::Error>(Bytes::from(first_half(false)))]);
            reply(200, EVENTS, Body::from_stream(events.chain(stream::pending())))
        }
        _ => found(request),
    })
    .await;
    let silent = open(&recorder).idle_timeout(Duration::from_millis(50));
    assert_eq!(names(silent).await.1, Some(8));
}

#[tokio::test]
async fn comments_are_no_silence_and_a_stream_outlives_the_time_of_a_request() {
    let recorder = Recorder::start(|_| {
        let comments = stream::iter(0..20).then(|_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ": still here\n\n".to_owned()
        });
        let body = stream::iter([first_half(false)])
            .chain(comments)
            .chain(stream::iter([second_half()]))
            .map(|text| Ok::<_, io::Error>(Bytes::from(text)));
        reply(200, EVENTS, Body::from_stream(body))
    })
    .await;
    // Two seconds in all, however busy the machine is.
    let client = recorder.builder().timeout(Duration::from_millis(1500)).build().unwrap();
    let stream = client.runs("thread_1").create("asst_1").stream();
    let told = names(stream.idle_timeout(Duration::from_millis(1500))).await;
    assert_eq!(told, (WHOLE.map(str::to_owned).to_vec(), None));
}

#[tokio::test]
async fn an_event_that_does_not_decode_is_an_error_and_the_stream_goes_on() {
    let recorder = Recorder::start(|_| {
        let wrong = json!({"id": "msg_1", "delta": {"content": [{"index": "x", "type": "text"}]}});
        let wrong = event("thread.message.delta", &wrong);
        let unknown = event("thread.message.chunk", &json!({"a": 1}));
        let long = event("thread.message.chunk", &"x".repeat(100_000).into());
        reply(200, EVENTS, first_half(false) + &wrong + &unknown + &long + &second_half())
    })
    .await;
    let mut events = open(&recorder).max_event_bytes(50_000).await.unwrap();
    let (mut errors, mut unknown) = (Vec::new(), Vec::new());
    loop {
        match events.try_next().await {
            Ok(None) => break,
            Ok(Some(RunEvent::Unknown { event, data })) => unknown.push((event, data)),
            Ok(Some(_)) => {}
            Err(error) => errors.push(error),
        }
    }
    let [wrong, long] = errors.as_slice() else { panic!("{errors:?}") };
    insta::assert_snapshot!(
        wrong.message(),
        @r#"the event `thread.message.delta` cannot be decoded: at `delta.content[0].index`: invalid type: string "x", expected u64; there is: "x""#
    );
    assert_eq!((wrong.kind(), long.kind()), (ErrorKind::Decode, ErrorKind::Decode));
    assert!(wrong.body().unwrap().contains("\"x\""));
    assert!(wrong.run().is_some());
    insta::assert_snapshot!(long.message(), @"an event of the stream is longer than 50000 bytes and was left out");
    assert_eq!(unknown, [("thread.message.chunk".to_owned(), "{\"a\":1}".to_owned())]);
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
}

#[tokio::test]
async fn what_the_server_says_in_an_error_event_is_told() {
    let error = event(
        "error",
        &json!({"message": "The server is shutting down.", "type": "server_error", "code": "closing", "param": null}),
    );
    let done = "event: done\ndata: [DONE]\n\n";
    let recorder = Recorder::start(move |_| reply(200, EVENTS, format!("{error}{done}"))).await;
    let mut events = open(&recorder).recover(false).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(RunEvent::Error(_))));
    let error = events.try_next().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Api, Some("closing")));
    assert!(error.message().ends_with("The server is shutting down."), "{error}");
    assert_eq!(events.end(), Some(RunStreamEnd::Cut));
}

#[tokio::test]
async fn done_before_the_end_of_the_run_is_a_cut() {
    let recorder = Recorder::answering(|number, request| match number {
        0 => reply(200, EVENTS, first_half(false) + "event: done\ndata: [DONE]\n\n"),
        _ => found(request),
    })
    .await;
    assert_eq!(names(open(&recorder)).await.1, Some(8));
}

/// Nothing tells whether the run was made: the rules for sending again are those of any request.
#[tokio::test]
async fn a_cut_in_the_headers_is_an_error_and_the_request_not_sent_again() {
    let script = Script::of([Act::ResetInHeaders, Act::ok(run("queued"))]).await;
    let request = script.client().runs("thread_1").create("asst_1").stream();
    assert_eq!(request.await.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(script.count(), 1);
}

#[tokio::test]
async fn a_thread_of_its_own_tells_its_run() {
    let recorder = Recorder::answering(|number, request| match (number, request.target.as_str()) {
        (0, _) => {
            let mut thread = example("Thread");
            thread["id"] = "thread_1".into();
            broken(event("thread.created", &thread))
        }
        (1, "/v1/threads/thread_1/runs?limit=20&order=desc") => {
            support::json(&json!({"object": "list", "data": [run("completed")], "has_more": false}))
        }
        _ => found(request),
    })
    .await;
    let client = recorder.client();
    let mut events = client.threads().create_and_run("asst_1").stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().id, "run_1");
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    assert_eq!(recorder.count_of("POST", "/threads/runs"), 1);
}
