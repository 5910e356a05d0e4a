//! How long a poll waits between two looks.

use super::*;

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
