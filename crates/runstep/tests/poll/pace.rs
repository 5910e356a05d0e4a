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

#[tokio::test(start_paused = true)]
async fn the_server_sets_the_pace_of_looks_that_fail_too() {
    for (name, value, milliseconds) in [
        ("openai-poll-after-ms", "60000", 60_000),
        ("retry-after", "60", 120_000),
        ("retry-after-ms", "60000", 120_000),
        // So short a pause is made longer.
        ("openai-poll-after-ms", "0", 20),
        ("retry-after", "0", 40),
        ("retry-after", "-5", 40),
    ] {
        let server = Recorder::start(paced(name, value)).await;
        // After the failure, which says nothing of a poll's pace, the backoff holds.
        let told_once = name == "openai-poll-after-ms";
        let (first, rest) = if told_once { (TINY, 1) } else { (HOUR, 0) };
        let begun = tokio::time::Instant::now();
        poll(&server).deadline(HOUR).backoff(Backoff::new(first, first)).await.unwrap();
        let took = begun.elapsed().as_millis();
        let most = milliseconds + 2 * rest + 5; // timers go by milliseconds
        assert!((milliseconds..=most).contains(&took), "{name}: {value} took {took} ms");
        assert_eq!(server.count(), 3);
    }
}

/// From a quarter of a second to two, each up to a quarter shorter by chance.
#[tokio::test(start_paused = true)]
async fn looks_are_a_quarter_of_a_second_to_two_apart() {
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&times);
    let server = Recorder::start(move |number| {
        keep.lock().unwrap().push(tokio::time::Instant::now());
        json(&run(if number < 12 { "queued" } else { "completed" }))
    })
    .await;
    poll(&server).deadline(HOUR).await.unwrap();
    let times = times.lock().unwrap();
    for (number, pair) in times.windows(2).enumerate() {
        let apart = (pair[1] - pair[0]).as_secs_f64();
        let longest = (0.25 * 1.5_f64.powi(number as i32)).min(2.0);
        let bounds = longest * 0.75..=longest + 0.005;
        assert!(bounds.contains(&apart), "pause {number}: {apart} s, not {bounds:?}");
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
#[tokio::test(start_paused = true)]
async fn the_pace_is_the_polls_own_else_the_clients() {
    let quick = Backoff::new(TINY, TINY);
    let slow = Backoff::new(HOUR, HOUR).jitter(0.0);
    let server = server_of(&["queued", "queued", "queued", "completed"]).await;
    let client = server.builder().poll_backoff(quick).build().unwrap();
    let begun = tokio::time::Instant::now();
    client.runs("t").poll("r").await.unwrap();
    assert!(begun.elapsed() < HOUR / 60);
    let server = server_of(&["queued", "queued", "queued", "completed"]).await;
    let client = server.builder().poll_backoff(slow).build().unwrap();
    client.runs("t").poll("r").backoff(quick).deadline(HOUR).await.unwrap();
    assert!(begun.elapsed() < HOUR / 60);
    let server = server_of(&["queued", "completed"]).await;
    let client = server.builder().poll_backoff(slow).build().unwrap();
    client.runs("t").poll("r").deadline(2 * HOUR).await.unwrap();
    assert!(begun.elapsed() >= HOUR);
    assert_eq!(server.count(), 2);
}

/// A backoff of nothing does not ask without end.
#[tokio::test(start_paused = true)]
async fn the_shortest_pause_is_a_millisecond() {
    let server = server_of(&["queued"]).await;
    let nothing = Backoff::new(Duration::ZERO, Duration::ZERO);
    let late = poll(&server).backoff(nothing).deadline(Duration::from_millis(50)).await;
    assert_deadline(late, Some("queued"));
    assert!((2..=52).contains(&server.count()), "{} looks", server.count());
}
