//! The delay before a retry: backoff and `retry-after`.

use std::time::SystemTime;

use runstep::Error;
use tokio::time::Instant;

use super::*;

/// A client that would wait a day between attempts.
fn client_with_long_delays(server: &ScriptedServer) -> Client {
    let day = Duration::from_secs(24 * 60 * 60);
    let policy = RetryPolicy::default().backoff(Backoff::new(day, day));
    server.builder().retry_policy(policy).build().unwrap()
}

#[tokio::test]
async fn retry_after_overrides_backoff() {
    for (name, value) in [
        ("retry-after", "0".to_owned()),
        ("retry-after", "00".to_owned()),
        ("retry-after", "0.005".to_owned()),
        ("retry-after", "00.005".to_owned()),
        ("retry-after-ms", "005".to_owned()),
        ("retry-after-ms", "5".to_owned()),
        ("retry-after-ms", "2.5".to_owned()),
        ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
        ("retry-after", httpdate::fmt_http_date(SystemTime::now())),
    ] {
        for status in [429, 503] {
            let server = ScriptedServer::start([
                Behavior::status(status).with_header(name, value.clone()),
                ok(),
            ])
            .await;
            let client = client_with_long_delays(&server);
            let run = tokio::time::timeout(Duration::from_secs(20), post(&client)).await;
            run.unwrap_or_else(|_| panic!("{name}: {value} was ignored")).unwrap();
            assert_eq!(server.count(), 2);
        }
    }
}

/// The delays of the policy apply: a day.
#[tokio::test(start_paused = true)]
async fn retry_after_that_is_not_a_valid_delay_is_ignored() {
    for name in ["retry-after", "retry-after-ms"] {
        for value in ["NaN", "-3", "-0.5", "inf", "-inf", "soon", ""] {
            let failure = Behavior::status(429).with_header(name, value);
            let server = ScriptedServer::start([failure, ok()]).await;
            let start = Instant::now();
            retrieve_run(&client_with_long_delays(&server)).await.unwrap();
            let hours = start.elapsed().as_secs() / 3600;
            assert!((18..=24).contains(&hours), "{name}: {value}: {hours} h");
        }
    }
}

#[tokio::test]
async fn retry_after_ms_overrides_retry_after() {
    let behavior =
        Behavior::status(429).with_header("retry-after", "3600").with_header("retry-after-ms", "1");
    let server = ScriptedServer::start([behavior, ok()]).await;
    retrieve_run(&client_with_long_delays(&server)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn retry_waits_at_least_retry_after() {
    for (name, value) in [("retry-after", "30"), ("retry-after-ms", "30000")] {
        let server =
            ScriptedServer::start([Behavior::status(429).with_header(name, value), ok()]).await;
        let client = server.client();
        let start = Instant::now();
        retrieve_run(&client).await.unwrap();
        let elapsed = start.elapsed().as_millis();
        assert!((30_000..30_100).contains(&elapsed), "{name}: {elapsed} ms");
    }
}

/// From 0.5 to 8 seconds, each reduced by up to 25 % of jitter.
#[tokio::test(start_paused = true)]
async fn default_delay_grows_from_half_to_eight_seconds() {
    let server = ScriptedServer::start([Behavior::status(500)]).await;
    let policy = RetryPolicy::default();
    for (attempts, max) in [(2, 0.5), (3, 1.5), (6, 15.5), (7, 23.5)] {
        let client = server.builder().retry_policy(policy.max_attempts(attempts)).build().unwrap();
        let start = Instant::now();
        retrieve_run(&client).await.unwrap_err();
        let elapsed = start.elapsed().as_secs_f64();
        let bounds = max * 0.75..=max + 0.1;
        assert!(bounds.contains(&elapsed), "{attempts} attempts took {elapsed} s, not {bounds:?}");
    }
}

#[test]
fn delays_grow_and_have_jitter() {
    let second = Duration::from_secs(1);
    let backoff = Backoff::new(second, 20 * second).multiplier(3.0);
    for (before, max) in [(0, 1.0), (1, 3.0), (2, 9.0), (3, 20.0), (u32::MAX, 20.0)] {
        let delays: Vec<f64> = (0..200).map(|_| backoff.delay(before).as_secs_f64()).collect();
        assert!(delays.iter().all(|delay| (max * 0.75..=max).contains(delay)));
        let shortest = delays.iter().fold(max, |a, b| a.min(*b));
        assert!(shortest < max * 0.85, "the delays of retry {before} have no jitter");
    }
    let full_jitter = Backoff::new(second, second).jitter(1.0);
    assert!((0..200).any(|_| full_jitter.delay(0) < second / 2));
}

/// The error of a GET after one 429 response with this header, and the number of requests.
async fn error_after_429(policy: RetryPolicy, name: &'static str, value: String) -> (Error, usize) {
    let server =
        ScriptedServer::start([Behavior::status(429).with_header(name, value), ok()]).await;
    let client = server.builder().retry_policy(policy).build().unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    (error, server.count())
}

#[tokio::test]
async fn too_long_retry_after_is_not_waited_for() {
    let (error, count) = error_after_429(fast_retries(), "retry-after", "61".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_secs(61)), 1));
    assert!(error.is_rate_limited());
    let (error, count) =
        error_after_429(fast_retries(), "retry-after-ms", "60001".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_millis(60_001)), 1));
    let later = SystemTime::now() + Duration::from_secs(7200);
    let date = httpdate::fmt_http_date(later);
    let (error, count) = error_after_429(fast_retries(), "retry-after", date).await;
    let seconds = error.retry_after().unwrap().as_secs();
    assert!((7100..=7200).contains(&seconds) && count == 1, "{seconds} s, {count} requests");
}

#[tokio::test]
async fn maximum_retry_after_can_be_set() {
    let policy = fast_retries().max_retry_after(Duration::from_millis(9));
    let (error, count) = error_after_429(policy, "retry-after-ms", "10".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_millis(10)), 1));
    let server =
        ScriptedServer::start([Behavior::status(429).with_header("retry-after-ms", "9"), ok()])
            .await;
    let client = server.builder().retry_policy(policy).build().unwrap();
    retrieve_run(&client).await.unwrap();
}

/// The client falls back to its own backoff.
#[tokio::test]
async fn invalid_retry_after_is_ignored() {
    for value in ["soon", "", "1e400", "inf", "NaN", "Wed, 99 Oct"] {
        let server =
            ScriptedServer::start([Behavior::status(429).with_header("retry-after", value), ok()])
                .await;
        retrieve_run(&server.client()).await.unwrap_or_else(|error| panic!("{value}: {error:?}"));
        assert_eq!(server.count(), 2, "{value}");
    }
}
