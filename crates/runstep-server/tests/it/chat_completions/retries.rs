//! Requests are sent again before the first part of an answer, and never after.

use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_server::model::Model as _;
use serde_json::json;

use crate::chat_completions::upstream::{
    Reply, Upstream, ask, cost, delta, hello, request, says, text,
};

fn busy(status: u16) -> Reply {
    Reply::json(status, &json!({"error": {"message": "busy"}}))
}

#[tokio::test]
async fn a_failure_before_the_answer_is_made_good() {
    let opening = || delta(json!({"role": "assistant", "content": ""}));
    let failures = [
        ("408", busy(408)),
        ("409", busy(409)),
        ("429", busy(429)),
        ("500", busy(500)),
        ("503", busy(503)),
        ("no reply", Reply::raw("")),
        ("a cut before the first part", Reply::stream().chunk(opening())),
        ("an end before the first part", Reply::chunks([opening()])),
        ("an error as the first part", Reply::chunks([json!({"error": {"code": 503}})])),
    ];
    for (name, failure) in failures {
        let upstream = Upstream::new([failure.clone(), failure, hello()]).await;
        let events = ask(&upstream.model()).await;
        assert_eq!(events, [Ok(text("Hello ")), Ok(text("there.")), Ok(cost(9, 3))], "{name}");
        let requests = upstream.requests();
        assert_eq!(requests.len(), 3, "{name}");
        assert!(requests.iter().all(|request| request.body == requests[0].body), "{name}");
    }
}

#[tokio::test]
async fn retries_end() {
    let upstream = Upstream::new((0..9).map(|_| busy(503))).await;
    assert!(ask(&upstream.builder().retries(4).build().unwrap()).await[0].is_err());
    assert_eq!(upstream.requests().len(), 5);
}

#[tokio::test]
async fn what_would_fail_again_is_not_sent_again() {
    let quota = json!({"error": {"message": "no quota", "code": "insufficient_quota"}});
    let told = "x-should-retry: false\r\n";
    let replies = [
        busy(400),
        busy(401),
        busy(404),
        Reply::json(429, &quota),
        Reply::status(503, told, ""),
        Reply::status(429, "retry-after: 3600\r\n", ""),
        Reply::status(307, "location: /v1/elsewhere\r\n", ""),
        Reply::stream().text("data: nonsense\n\n").done(),
        Reply::chunks([json!({"error": {"code": "context_length_exceeded"}})]),
    ];
    for reply in replies {
        let upstream = Upstream::new([reply.clone(), hello()]).await;
        assert!(ask(&upstream.model()).await[0].is_err(), "{reply:?}");
        assert_eq!(upstream.requests().len(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_again_once_the_answer_has_begun() {
    let failures = [
        Reply::stream().chunk(says("Hi")),
        Reply::chunks([says("Hi"), json!({"error": {"code": 503}})]),
        Reply::stream().chunk(says("Hi")).end(),
    ];
    for failure in failures {
        let upstream = Upstream::new([failure, hello()]).await;
        let events = ask(&upstream.model()).await;
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].is_ok() && events[1].is_err(), "{events:?}");
        assert_eq!(upstream.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_provider_says_when_to_come_back() {
    let busy = Reply::status(429, "retry-after-ms: 40\r\nretry-after: 30\r\n", "");
    let upstream = Upstream::new([busy, hello()]).await;
    // Without that, the pause would be an hour.
    let hour = Duration::from_secs(3600);
    let model = upstream.builder().backoff(hour, hour).build().unwrap();
    assert_eq!(ask(&model).await.len(), 3);
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let upstream = Upstream::new((0..5).map(|_| hello())).await;
    let model = upstream.model();
    for _ in 0..5 {
        assert_eq!(ask(&model.clone()).await.len(), 3);
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (5, 1));
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_the_connection() {
    let mut upstream = Upstream::new([Reply::default().hang()]).await;
    let model = upstream.model();
    let mut answer = model.respond(request());
    tokio::select! {
        event = answer.next() => panic!("{event:?}"),
        () = upstream.is_asked() => {}
    }
    drop(answer);
    upstream.is_left().await;

    let mut upstream = Upstream::new([Reply::stream().chunk(says("Hi")).hang()]).await;
    let model = upstream.model();
    let mut answer = model.respond(request());
    assert_eq!(answer.next().await, Some(Ok(text("Hi"))));
    drop(answer);
    upstream.is_left().await;
}
