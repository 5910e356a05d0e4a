//! Streams over scripted connections: recovery after a cut, and responses that are not as expected.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use runstep::types::{Message, Run, RunStep};
use runstep::{ErrorKind, RunEvent, StreamEnd};
use serde_json::{Value, json};

use super::fixtures::{
    broken_stream, first_half, message, respond_with_completed_run, run, second_half, step,
};
use crate::harness::{
    Behavior, EVENT_STREAM, RecordingServer, ScriptedServer, example, http_response, json_response,
    sse_event,
};

fn request(server: &RecordingServer) -> runstep::CreateRun {
    server.client().runs("thread_1").create("asst_1")
}

/// Returns the names of all events, and the number of the first synthesized one.
async fn event_names(request: runstep::CreateRun) -> (Vec<String>, Option<usize>) {
    let mut events = request.stream().await.unwrap();
    let (mut names, mut first_synthesized) = (Vec::new(), None);
    while let Some(event) = events.try_next().await.unwrap() {
        if events.is_synthesized() {
            first_synthesized.get_or_insert(names.len());
        }
        names.push(event.event().trim_start_matches("thread.").to_owned());
    }
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    let decode = |value: Value| serde_json::from_value::<Run>(value).unwrap();
    assert_eq!(events.run(), Some(&decode(run("completed"))));
    let steps: Vec<RunStep> = serde_json::from_value(json!([step("completed")])).unwrap();
    assert_eq!(events.steps(), steps);
    let messages = json!([message("completed", "It is sunny.")]);
    let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
    assert_eq!(events.messages(), messages);
    (names, first_synthesized)
}

const ALL_EVENTS: [&str; 12] = [
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
async fn request_accepts_event_stream() {
    let server = RecordingServer::start(move |_| {
        http_response(200, EVENT_STREAM, first_half(false) + &second_half())
    })
    .await;
    assert_eq!(event_names(request(&server)).await, (ALL_EVENTS.map(str::to_owned).to_vec(), None));
    insta::assert_snapshot!("create_run_stream", server.only_request().text());
}

#[tokio::test]
async fn broken_stream_is_completed_without_repeating_post() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => broken_stream(first_half(false)),
        _ => respond_with_completed_run(request),
    })
    .await;
    // The rest of the text is one delta.
    assert_eq!(
        event_names(request(&server)).await,
        (ALL_EVENTS.map(str::to_owned).to_vec(), Some(8))
    );
    let requests: Vec<String> = server
        .requests()
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    insta::assert_snapshot!(requests.join("\n"), @r"
    POST /v1/threads/thread_1/runs
    GET /v1/threads/thread_1/runs/run_1
    GET /v1/threads/thread_1/runs/run_1/steps?limit=100&order=asc
    GET /v1/threads/thread_1/messages/msg_1
    ");
}

#[tokio::test]
async fn fetched_steps_use_include_of_request() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => broken_stream(first_half(false)),
        _ => respond_with_completed_run(request),
    })
    .await;
    let include = "step_details.tool_calls[*].file_search.results[*].content";
    let create = server.client().runs("thread_1").create("asst_1").include(include);
    create.stream().await.unwrap().final_run().await.unwrap();
    let requests = server.requests();
    let query = requests[0].target.split_once('?').unwrap().1;
    assert!(query.contains("file_search.results"), "{query}");
    let steps = requests.iter().find(|request| request.target.contains("/steps")).unwrap();
    assert!(steps.target.contains(query), "{}", steps.target);
}

#[tokio::test]
async fn stream_is_complete_wherever_the_connection_breaks() {
    let stream = first_half(false) + &second_half();
    for cut in (0..stream.len()).step_by(131) {
        let received = stream[..cut].to_owned();
        let server = RecordingServer::start_with(move |number, request| match number {
            0 => broken_stream(received.clone()),
            _ => respond_with_completed_run(request),
        })
        .await;
        let (mut names, _) = event_names(request(&server)).await;
        // The missing text is one delta, so repeated deltas are ignored.
        names.dedup();
        let mut expected = ALL_EVENTS.to_vec();
        expected.dedup();
        assert_eq!(names, expected, "cut after {cut}");
        assert_eq!(server.count_of("POST", "/runs"), 1, "cut after {cut}");
    }
}

#[tokio::test]
async fn stream_with_event_ids_is_resumed() {
    let server = RecordingServer::start_with(|number, _| match number {
        0 => broken_stream(first_half(true)),
        _ => http_response(200, EVENT_STREAM, second_half()),
    })
    .await;
    assert_eq!(event_names(request(&server)).await, (ALL_EVENTS.map(str::to_owned).to_vec(), None));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    insta::assert_snapshot!("resume_request", requests[1].text());
}

#[tokio::test]
async fn run_is_used_if_server_does_not_resume() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => broken_stream(first_half(true)),
        _ => respond_with_completed_run(request),
    })
    .await;
    assert_eq!(event_names(request(&server)).await.1, Some(8));
    // The response to the resume request contains the run, so it is not fetched again.
    assert_eq!(server.count_of("GET", "/runs/run_1"), 1);
}

#[tokio::test]
async fn run_is_fetched_after_unusable_resume_response() {
    let done = || http_response(200, EVENT_STREAM, "event: done\ndata: [DONE]\n\n");
    let undecodable =
        || http_response(200, EVENT_STREAM, "event: thread.run.completed\ndata: {}\n\n");
    let unknown_event = || http_response(200, EVENT_STREAM, "id: 7\nevent: news\ndata: {}\n\n");
    let gone = || http_response(410, &[], "gone");
    let server_error = || http_response(500, &[], "oh");
    let not_a_stream = || http_response(200, &[("content-type", "application/json")], "[]");
    let resume_responses: [fn() -> Response; 6] =
        [done, undecodable, unknown_event, gone, server_error, not_a_stream];
    for (case, respond) in resume_responses.into_iter().enumerate() {
        let server = RecordingServer::start_with(move |number, request| match number {
            0 => broken_stream(first_half(true)),
            _ if request.header("last-event-id").is_some() => respond(),
            _ => respond_with_completed_run(request),
        })
        .await;
        let mut events =
            request(&server).recovery_deadline(Duration::from_secs(20)).stream().await.unwrap();
        let run = events.final_run().await.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(run.status, "completed", "{case}");
        let requests = server.requests();
        let resumes = requests.iter().filter(|request| request.header("last-event-id").is_some());
        assert_eq!(resumes.count(), 1, "{case}");
    }
}

#[tokio::test]
async fn in_progress_event_is_synthesized_only_if_nothing_followed() {
    let half = first_half(false);
    let is_in_progress_event = |event: &&str| {
        ["step", "message"].iter().any(|object| event.contains(&format!("{object}.in_progress\n")))
    };
    let half: String =
        half.split_inclusive("\n\n").filter(|event| !is_in_progress_event(event)).collect();
    let server = RecordingServer::start_with(move |number, request| match number {
        0 => broken_stream(half.clone()),
        _ => respond_with_completed_run(request),
    })
    .await;
    let (names, first_synthesized) = event_names(request(&server)).await;
    let expected = ["run.step.in_progress", "message.delta", "message.completed"];
    assert_eq!(names[first_synthesized.unwrap()..][..3], expected);
}

#[tokio::test]
async fn run_is_polled_if_server_does_not_stream() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => json_response(&run("queued")),
        _ => respond_with_completed_run(request),
    })
    .await;
    assert_eq!(event_names(request(&server)).await.1, Some(0));
    assert_eq!(server.count_of("POST", "/runs"), 1);
}

#[tokio::test]
async fn idle_timeout_breaks_the_connection() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => {
            let events = stream::iter([Ok::<_, io::Error>(Bytes::from(first_half(false)))]);
            http_response(200, EVENT_STREAM, Body::from_stream(events.chain(stream::pending())))
        }
        _ => respond_with_completed_run(request),
    })
    .await;
    let request = request(&server).idle_timeout(Duration::from_millis(50));
    assert_eq!(event_names(request).await.1, Some(8));
}

#[tokio::test]
async fn comments_reset_idle_timeout_and_request_timeout_does_not_apply() {
    let server = RecordingServer::start(|_| {
        let comments = stream::iter(0..20).then(|_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ": keep-alive\n\n".to_owned()
        });
        let body = stream::iter([first_half(false)])
            .chain(comments)
            .chain(stream::iter([second_half()]))
            .map(|text| Ok::<_, io::Error>(Bytes::from(text)));
        http_response(200, EVENT_STREAM, Body::from_stream(body))
    })
    .await;
    // The stream takes two seconds in all.
    let client = server.builder().timeout(Duration::from_millis(1500)).build().unwrap();
    let stream = client.runs("thread_1").create("asst_1");
    let names = event_names(stream.idle_timeout(Duration::from_millis(1500))).await;
    assert_eq!(names, (ALL_EVENTS.map(str::to_owned).to_vec(), None));
}

#[tokio::test]
async fn undecodable_event_is_an_error_and_stream_continues() {
    let server = RecordingServer::start(|_| {
        let wrong = json!({"id": null, "delta": {"content": [{"index": "x", "type": "text"}]}});
        let wrong = sse_event("thread.message.delta", &wrong);
        let unknown = sse_event("thread.message.chunk", &json!({"a": 1}));
        let long = sse_event("thread.message.chunk", &"x".repeat(100_000).into());
        http_response(
            200,
            EVENT_STREAM,
            first_half(false) + &wrong + &unknown + &long + &second_half(),
        )
    })
    .await;
    let mut events = request(&server).max_event_bytes(50_000).stream().await.unwrap();
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
        @r#"the event `thread.message.delta` cannot be decoded: at `id`: invalid type: null, expected a string; found: null"#
    );
    assert_eq!((wrong.kind(), long.kind()), (ErrorKind::Decode, ErrorKind::Decode));
    assert!(wrong.body().unwrap().contains("\"x\""));
    assert!(wrong.run().is_some());
    insta::assert_snapshot!(long.message(), @"an event exceeds 50000 bytes and was skipped");
    assert_eq!(unknown, [("thread.message.chunk".to_owned(), "{\"a\":1}".to_owned())]);
    assert_eq!(events.end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn error_event_is_yielded_and_returned_as_error() {
    let error = sse_event(
        "error",
        &json!({"message": "The server is shutting down.", "type": "server_error", "code": "closing", "param": null}),
    );
    let done = "event: done\ndata: [DONE]\n\n";
    let server =
        RecordingServer::start(move |_| http_response(200, EVENT_STREAM, format!("{error}{done}")))
            .await;
    let mut events = request(&server).reconnect(false).stream().await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(RunEvent::Error(_))));
    let error = events.try_next().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Api, Some("closing")));
    assert!(error.message().ends_with("The server is shutting down."), "{error}");
    assert_eq!(events.end(), Some(StreamEnd::ConnectionLost));
}

#[tokio::test]
async fn done_before_terminal_event_breaks_the_connection() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => http_response(200, EVENT_STREAM, first_half(false) + "event: done\ndata: [DONE]\n\n"),
        _ => respond_with_completed_run(request),
    })
    .await;
    assert_eq!(event_names(request(&server)).await.1, Some(8));
}

/// Whether the run was created is unknown: the retry rules of any POST apply.
#[tokio::test]
async fn break_within_headers_is_an_error_without_retry() {
    let server =
        ScriptedServer::start([Behavior::ResetInHeaders, Behavior::ok(run("queued"))]).await;
    let request = server.client().runs("thread_1").create("asst_1").stream();
    assert_eq!(request.await.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn run_is_found_by_its_new_thread() {
    let server =
        RecordingServer::start_with(|number, request| match (number, request.target.as_str()) {
            (0, _) => {
                let mut thread = example("Thread");
                thread["id"] = "thread_1".into();
                broken_stream(sse_event("thread.created", &thread))
            }
            (1, "/v1/threads/thread_1/runs?limit=20&order=desc") => json_response(
                &json!({"object": "list", "data": [run("completed")], "has_more": false}),
            ),
            _ => respond_with_completed_run(request),
        })
        .await;
    let client = server.client();
    let mut events = client.threads().create_and_run("asst_1").stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().id, "run_1");
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_eq!(server.count_of("POST", "/threads/runs"), 1);
}
