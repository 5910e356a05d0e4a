//! Responses to streaming requests that are not streams of events, and events in dialects of the API.

use runstep::{Error, ErrorKind, RunEvent, StreamEnd};
use serde_json::json;

use super::fixtures::{first_half, run, second_half};
use crate::harness::{EVENT_STREAM, RecordingServer, http_response, sse_event};

async fn server(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<Vec<u8>>,
) -> RecordingServer {
    let body = body.into();
    RecordingServer::start(move |_| http_response(status, headers, body.clone())).await
}

/// Reads a stream without reconnection to its end.
async fn read(server: &RecordingServer) -> (Vec<RunEvent>, Option<Error>) {
    let request = server.client().runs("thread_1").create("asst_1").reconnect(false);
    let mut events = match request.stream().await {
        Ok(events) => events,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut all = Vec::new();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => all.push(event),
            Ok(None) => return (all, None),
            Err(error) if events.end().is_some_and(StreamEnd::is_error) => {
                return (all, Some(error));
            }
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn error_events_have_the_formats_of_error_responses() {
    for data in [
        r#"{"message": "boom", "type": "server_error", "code": "overloaded"}"#,
        r#"{"error": {"message": "boom", "type": "server_error", "code": "overloaded"}}"#,
        r#"{"error": {"message": "boom", "type": "server_error", "code": 503}}"#,
        r#"{"error": "boom"}"#,
    ] {
        let body = sse_event("thread.run.created", &run("queued"))
            + &format!("event: error\ndata: {data}\n\n");
        let (events, error) = read(&server(200, EVENT_STREAM, body).await).await;
        let Some(RunEvent::Error(event)) = events.last() else { panic!("{data}: {events:?}") };
        assert_eq!(event.message, "boom", "{data}");
        let error = error.unwrap();
        assert!(error.message().ends_with(": boom"), "{data}: {error}");
        assert_eq!(error.error_type(), event.type_.as_deref());
        assert_eq!(error.code(), event.code.as_deref());
    }
}

#[tokio::test]
async fn response_that_is_not_a_stream_of_events_is_described() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03KK\x04\x00".as_slice();
    let html = "<html>\n  <body>Sign in\x1b[31m</body></html>";
    let cases = [
        server(200, &[("content-type", "text/html")], html).await,
        server(204, &[], "").await,
        server(200, &[("content-type", "text/event-stream"), ("content-encoding", "gzip")], gzip)
            .await,
        server(200, &[("content-type", "application/json"), ("content-encoding", "br")], gzip)
            .await,
    ];
    let mut errors = Vec::new();
    for server in &cases {
        let (events, error) = read(server).await;
        assert_eq!(events, []);
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Decode);
        errors.push(error.to_string());
    }
    insta::assert_snapshot!(errors.join("\n\n"), @r"
    the connection was lost before the first run event; the run may have been created: list the runs of the thread before you create another: the response is not a stream of events (text/html): <html> <body>Sign in\u{1b}[31m</body></html> (status 200)

    the connection was lost before the first run event; the run may have been created: list the runs of the thread before you create another: the response is not a stream of events (no content type): it has no body (status 204)

    the connection was lost before the first run event; the run may have been created: list the runs of the thread before you create another: the response is not a stream of events (text/event-stream; the content encoding gzip is not supported): \u{1f}�\u{8}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{3}KK\u{4}\u{0} (status 200)

    the content encoding br is not supported: the response cannot be decoded: invalid utf-8 sequence of 1 bytes from index 1; found: \u{1f}�\u{8}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{3}KK\u{4}\u{0} (status 200)
    ");
}

#[tokio::test]
async fn events_with_another_content_type_are_read() {
    let body = first_half(false) + &second_half();
    for content_type in ["text/plain", "application/octet-stream"] {
        let headers = Box::leak(Box::new([("content-type", content_type)]));
        let (events, error) = read(&server(200, headers, body.clone()).await).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.len(), 12);
        let (events, error) = read(&server(200, headers, first_half(false)).await).await;
        assert_eq!(events.len(), 8);
        let error = error.unwrap();
        assert!(error.message().ends_with("the server closed the stream"), "{error}");
    }
}

#[tokio::test]
async fn terminal_event_that_is_sent_again_is_a_duplicate() {
    for status in ["completed", "failed", "requires_action", "cancelled", "incomplete", "expired"] {
        let end = sse_event(&format!("thread.run.{status}"), &run(status));
        let body = sse_event("thread.run.created", &run("queued")) + &end + &end;
        let (events, error) = read(&server(200, EVENT_STREAM, body).await).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.len(), 2, "{events:?}");
    }
}

/// Some servers send properties in random order.
#[tokio::test]
async fn terminal_event_with_reordered_properties_is_a_duplicate() {
    let end = |additional: [(&str, u32); 2]| {
        let mut run = run("completed");
        for (name, value) in additional {
            run[name] = json!({"value": value});
        }
        sse_event("thread.run.completed", &run)
    };
    for (repeated, expected) in [([("b", 2), ("a", 1)], 2), ([("b", 1), ("a", 2)], 3)] {
        let body = sse_event("thread.run.created", &run("queued"))
            + &end([("a", 1), ("b", 2)])
            + &end(repeated);
        let (events, error) = read(&server(200, EVENT_STREAM, body).await).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(events.len(), expected, "{events:?}");
    }
}
