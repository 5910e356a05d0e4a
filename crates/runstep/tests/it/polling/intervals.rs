//! The delay between two poll requests.

use super::*;

/// With the default delays, this many requests would take longer than the deadline.
#[tokio::test]
async fn server_sets_poll_interval() {
    let statuses = &["queued", "queued", "queued", "queued", "queued", "queued", "completed"];
    let server = server_with_changed_responses(statuses, |response| {
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
    })
    .await;
    let run = poll(&server).deadline(Duration::from_secs(1)).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(server.requests().len(), 7);
}

#[tokio::test]
async fn configured_interval_overrides_server_interval() {
    let server = server_with_changed_responses(&["queued", "queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
    })
    .await;
    let run = poll(&server).interval(MILLISECOND).deadline(HOUR / 60).await.unwrap();
    assert_eq!(run.status, "completed");
}

/// After a failed poll, zero requests the shortest delay.
#[tokio::test(start_paused = true)]
async fn retry_after_zero_is_bounded_by_the_minimum() {
    let server = RecordingServer::start(|number| match number {
        0 | 1 => http_response(429, &[("retry-after", "0")], "{}"),
        _ => json_response(&run_with_status("completed")),
    })
    .await;
    let start = tokio::time::Instant::now();
    poll(&server).deadline(HOUR).backoff(Backoff::new(HOUR, HOUR)).await.unwrap();
    let elapsed = start.elapsed().as_millis();
    assert!((40..=45).contains(&elapsed), "elapsed {elapsed} ms");
}

/// The delays of the caller apply: a minute.
#[tokio::test(start_paused = true)]
async fn server_interval_that_is_not_a_valid_delay_is_ignored() {
    for name in ["openai-poll-after-ms", "retry-after", "retry-after-ms"] {
        for value in ["NaN", "-5", "0", "0.0", "inf"] {
            let server = RecordingServer::start(move |number| {
                let status = if number == 0 { "queued" } else { "completed" };
                let mut response = json_response(&run_with_status(status));
                response.headers_mut().insert(name, value.parse().unwrap());
                response
            })
            .await;
            let start = tokio::time::Instant::now();
            let minute = HOUR / 60;
            let poll = poll(&server).backoff(Backoff::new(minute, minute).jitter(0.0));
            poll.deadline(HOUR).await.unwrap();
            assert!(start.elapsed() >= minute, "{name}: {value}: {:?}", start.elapsed());
        }
    }
}

#[tokio::test]
async fn invalid_server_interval_is_ignored() {
    let server = server_with_changed_responses(&["queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "soon".parse().unwrap());
    })
    .await;
    assert_eq!(poll(&server).await.unwrap().status, "completed");
}

/// The header is on a queued run, on a 429 response and on a completed run.
fn respond_with_interval(
    name: &'static str,
    value: &'static str,
) -> impl Fn(usize) -> Response + Clone {
    move |number| {
        let mut response = match number {
            0 => json_response(&run_with_status("queued")),
            1 => http_response(429, &[], "{}"),
            _ => json_response(&run_with_status("completed")),
        };
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    }
}

#[tokio::test(start_paused = true)]
async fn server_sets_interval_after_failed_polls() {
    for (name, value, milliseconds) in [
        ("openai-poll-after-ms", "60000", 60_000),
        ("retry-after", "60", 120_000),
        ("retry-after-ms", "60000", 120_000),
        // Shorter than the minimum.
        ("openai-poll-after-ms", "1", 20),
    ] {
        let server = RecordingServer::start(respond_with_interval(name, value)).await;
        // `openai-poll-after-ms` counts only on successful responses: after the 429, the
        // backoff applies.
        let is_ignored_on_errors = name == "openai-poll-after-ms";
        let (backoff, backoff_ms) = if is_ignored_on_errors { (MILLISECOND, 1) } else { (HOUR, 0) };
        let start = tokio::time::Instant::now();
        poll(&server).deadline(HOUR).backoff(Backoff::new(backoff, backoff)).await.unwrap();
        let elapsed = start.elapsed().as_millis();
        let max = milliseconds + 2 * backoff_ms + 5; // timers have millisecond resolution
        assert!((milliseconds..=max).contains(&elapsed), "{name}: {value} elapsed {elapsed} ms");
        assert_eq!(server.count(), 3);
    }
}

/// From 0.25 to 2 seconds, each reduced by up to 25 % of jitter.
#[tokio::test(start_paused = true)]
async fn default_delay_grows_from_quarter_to_two_seconds() {
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let server_times = Arc::clone(&times);
    let server = RecordingServer::start(move |number| {
        server_times.lock().unwrap().push(tokio::time::Instant::now());
        json_response(&run_with_status(if number < 12 { "queued" } else { "completed" }))
    })
    .await;
    poll(&server).deadline(HOUR).await.unwrap();
    let times = times.lock().unwrap();
    for (number, pair) in times.windows(2).enumerate() {
        let delay = (pair[1] - pair[0]).as_secs_f64();
        let max = (0.25 * 1.5_f64.powi(number as i32)).min(2.0);
        let bounds = max * 0.75..=max + 0.005;
        assert!(bounds.contains(&delay), "pause {number}: {delay} s, not {bounds:?}");
    }
}

#[tokio::test]
async fn poll_after_header_overrides_retry_after() {
    let server = server_with_changed_responses(&["queued", "completed"], |response| {
        response.headers_mut().insert("retry-after", "3600".parse().unwrap());
        response.headers_mut().insert("openai-poll-after-ms", "1".parse().unwrap());
    })
    .await;
    let run = poll(&server).deadline(HOUR).into_future();
    tokio::time::timeout(Duration::from_secs(20), run).await.unwrap().unwrap();
}

/// If the server sets no interval, the poll's backoff applies, else the client's.
#[tokio::test(start_paused = true)]
async fn backoff_of_poll_overrides_backoff_of_client() {
    let short = Backoff::new(MILLISECOND, MILLISECOND);
    let long = Backoff::new(HOUR, HOUR).jitter(0.0);
    let server = server_with_statuses(&["queued", "queued", "queued", "completed"]).await;
    let client = server.builder().poll_backoff(short).build().unwrap();
    let start = tokio::time::Instant::now();
    client.runs("t").poll("r").await.unwrap();
    assert!(start.elapsed() < HOUR / 60);
    let server = server_with_statuses(&["queued", "queued", "queued", "completed"]).await;
    let client = server.builder().poll_backoff(long).build().unwrap();
    client.runs("t").poll("r").backoff(short).deadline(HOUR).await.unwrap();
    assert!(start.elapsed() < HOUR / 60);
    let server = server_with_statuses(&["queued", "completed"]).await;
    let client = server.builder().poll_backoff(long).build().unwrap();
    client.runs("t").poll("r").deadline(2 * HOUR).await.unwrap();
    assert!(start.elapsed() >= HOUR);
    assert_eq!(server.count(), 2);
}

/// A zero backoff does not become a busy loop.
#[tokio::test(start_paused = true)]
async fn minimum_delay_is_one_millisecond() {
    let server = server_with_statuses(&["queued"]).await;
    let zero = Backoff::new(Duration::ZERO, Duration::ZERO);
    let result = poll(&server).backoff(zero).deadline(Duration::from_millis(50)).await;
    assert_deadline(result, Some("queued"));
    assert!((2..=52).contains(&server.count()), "{} requests", server.count());
}
