//! Retries: only before the first part of the output.

use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_server::model::Model as _;
use serde_json::json;

use crate::harness::upstream::{
    MockResponse, Upstream, collect_response, delta_chunk, hello_response, request, text_delta,
    text_event, usage_event,
};

fn busy(status: u16) -> MockResponse {
    MockResponse::json(status, &json!({"error": {"message": "busy"}}))
}

#[tokio::test]
async fn failures_before_the_first_part_are_retried() {
    let empty_chunk = || delta_chunk(json!({"role": "assistant", "content": ""}));
    let failures = [
        ("408", busy(408)),
        ("409", busy(409)),
        ("429", busy(429)),
        ("500", busy(500)),
        ("503", busy(503)),
        ("no response", MockResponse::raw("")),
        ("cut before the first part", MockResponse::stream().chunk(empty_chunk())),
        ("end before the first part", MockResponse::chunks([empty_chunk()])),
        ("error as the first part", MockResponse::chunks([json!({"error": {"code": 503}})])),
    ];
    for (name, failure) in failures {
        let upstream = Upstream::new([failure.clone(), failure, hello_response()]).await;
        let events = collect_response(&upstream.model()).await;
        assert_eq!(
            events,
            [Ok(text_event("Hello ")), Ok(text_event("there.")), Ok(usage_event(9, 3))],
            "{name}"
        );
        let requests = upstream.requests();
        assert_eq!(requests.len(), 3, "{name}");
        assert!(requests.iter().all(|request| request.body == requests[0].body), "{name}");
    }
}

#[tokio::test]
async fn retries_are_limited() {
    let upstream = Upstream::new((0..9).map(|_| busy(503))).await;
    assert!(
        collect_response(&upstream.builder().max_retries(4).build().unwrap()).await[0].is_err()
    );
    assert_eq!(upstream.requests().len(), 5);
}

#[tokio::test]
async fn permanent_failures_are_not_retried() {
    let quota = json!({"error": {"message": "no quota", "code": "insufficient_quota"}});
    let do_not_retry = "x-should-retry: false\r\n";
    let responses = [
        busy(400),
        busy(401),
        busy(404),
        MockResponse::json(429, &quota),
        MockResponse::status(503, do_not_retry, ""),
        MockResponse::status(429, "retry-after: 3600\r\n", ""),
        MockResponse::status(307, "location: /v1/elsewhere\r\n", ""),
        MockResponse::stream().text("data: malformed\n\n").done(),
        MockResponse::chunks([json!({"error": {"code": "context_length_exceeded"}})]),
    ];
    for response in responses {
        let upstream = Upstream::new([response.clone(), hello_response()]).await;
        assert!(collect_response(&upstream.model()).await[0].is_err(), "{response:?}");
        assert_eq!(upstream.requests().len(), 1, "{response:?}");
    }
}

#[tokio::test]
async fn failures_after_the_first_part_are_not_retried() {
    let failures = [
        MockResponse::stream().chunk(text_delta("Hi")),
        MockResponse::chunks([text_delta("Hi"), json!({"error": {"code": 503}})]),
        MockResponse::stream().chunk(text_delta("Hi")).end(),
    ];
    for failure in failures {
        let upstream = Upstream::new([failure, hello_response()]).await;
        let events = collect_response(&upstream.model()).await;
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].is_ok() && events[1].is_err(), "{events:?}");
        assert_eq!(upstream.requests().len(), 1);
    }
}

#[tokio::test]
async fn retry_after_header_overrides_backoff() {
    let busy = MockResponse::status(429, "retry-after-ms: 40\r\nretry-after: 30\r\n", "");
    let upstream = Upstream::new([busy, hello_response()]).await;
    // Without the header, the retry would be an hour later.
    let hour = Duration::from_secs(3600);
    let model = upstream.builder().backoff(hour, hour).build().unwrap();
    assert_eq!(collect_response(&model).await.len(), 3);
}

#[tokio::test]
async fn connection_is_reused() {
    let upstream = Upstream::new((0..5).map(|_| hello_response())).await;
    let model = upstream.model();
    for _ in 0..5 {
        assert_eq!(collect_response(&model.clone()).await.len(), 3);
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (5, 1));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let mut upstream = Upstream::new([MockResponse::default().hang()]).await;
    let model = upstream.model();
    let mut events = model.respond(request());
    tokio::select! {
        event = events.next() => panic!("{event:?}"),
        () = upstream.wait_for_request() => {}
    }
    drop(events);
    upstream.wait_for_disconnect().await;

    let mut upstream = Upstream::new([MockResponse::stream().chunk(text_delta("Hi")).hang()]).await;
    let model = upstream.model();
    let mut events = model.respond(request());
    assert_eq!(events.next().await, Some(Ok(text_event("Hi"))));
    drop(events);
    upstream.wait_for_disconnect().await;
}
