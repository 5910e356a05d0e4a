//! The retry policy. The client in `runstep` has one of its own, because it retries by other rules
//! and this crate does not depend on it.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A longer `Retry-After` prevents a retry.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Exponential backoff with jitter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) max_retries: u32,
    pub(crate) initial_delay: Duration,
    pub(crate) max_delay: Duration,
}

/// Whether and when to retry after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAdvice {
    /// A retry would fail again or do harm.
    Never,
    /// Retry with backoff.
    Retry,
    /// Retry after this time.
    RetryAfter(Duration),
}

impl Backoff {
    /// Returns the delay before the next attempt, or `None` if there is none.
    pub(super) fn delay(&self, failures: u32, advice: RetryAdvice) -> Option<Duration> {
        if failures > self.max_retries {
            return None;
        }
        match advice {
            RetryAdvice::Never => None,
            RetryAdvice::RetryAfter(delay) => Some(delay).filter(|delay| *delay <= MAX_RETRY_AFTER),
            RetryAdvice::Retry => {
                let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
                let delay = self.initial_delay.saturating_mul(factor).min(self.max_delay);
                // Jitter spreads the retries of runs that failed together.
                Some(delay.mul_f64(1.0 - 0.25 * fastrand::f64()))
            }
        }
    }
}

/// Returns the advice of an error response, from its status and headers.
pub(super) fn advice(status: StatusCode, headers: &HeaderMap) -> RetryAdvice {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_retryable = match text("x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error(),
    };
    if !is_retryable {
        return RetryAdvice::Never;
    }
    let milliseconds =
        text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()).map(|ms| ms / 1e3);
    let delay = milliseconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| retry_after(text(RETRY_AFTER.as_str())?.trim()));
    delay.map_or(RetryAdvice::Retry, RetryAdvice::RetryAfter)
}

/// Parses `Retry-After`: seconds, or a date in the future.
fn retry_after(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice_of(status: u16, headers: &[(&'static str, &str)]) -> RetryAdvice {
        let pairs = headers.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())
        });
        advice(StatusCode::from_u16(status).unwrap(), &pairs.collect())
    }

    #[test]
    fn status_decides_unless_the_provider_sends_x_should_retry() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert_eq!(advice_of(status, &[]), RetryAdvice::Retry, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert_eq!(advice_of(status, &[]), RetryAdvice::Never, "{status}");
        }
        assert_eq!(advice_of(400, &[("x-should-retry", "true")]), RetryAdvice::Retry);
        assert_eq!(advice_of(429, &[("x-should-retry", "false")]), RetryAdvice::Never);
    }

    #[test]
    fn retry_after_headers_are_parsed() {
        let retry_after = |ms| RetryAdvice::RetryAfter(Duration::from_millis(ms));
        assert_eq!(advice_of(429, &[("retry-after", "2")]), retry_after(2000));
        assert_eq!(advice_of(429, &[("retry-after", "0.25")]), retry_after(250));
        assert_eq!(
            advice_of(503, &[("retry-after-ms", "70"), ("retry-after", "2")]),
            retry_after(70)
        );
        for invalid in ["-1", "nan", "inf", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(
                advice_of(429, &[("retry-after", invalid)]),
                RetryAdvice::Retry,
                "{invalid}"
            );
            assert_eq!(advice_of(429, &[("retry-after-ms", invalid)]), RetryAdvice::Retry);
        }
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1000));
        let RetryAdvice::RetryAfter(delay) = advice_of(429, &[("retry-after", &date)]) else {
            panic!()
        };
        assert!(delay.as_secs().abs_diff(1000) < 60, "{delay:?}");
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let (initial_delay, max_delay) = (Duration::from_secs(1), Duration::from_secs(3));
        let backoff = Backoff { max_retries: 4, initial_delay, max_delay };
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (3, 3.0), (4, 3.0)] {
            let delay = backoff.delay(failures, RetryAdvice::Retry).unwrap().as_secs_f64();
            assert!((0.75 * seconds..=seconds).contains(&delay), "{failures}: {delay}");
        }
        assert_eq!(backoff.delay(5, RetryAdvice::Retry), None);
        assert_eq!(backoff.delay(1, RetryAdvice::Never), None);
        let minute = Duration::from_secs(60);
        assert_eq!(backoff.delay(1, RetryAdvice::RetryAfter(minute)), Some(minute));
        assert_eq!(backoff.delay(1, RetryAdvice::RetryAfter(minute + initial_delay)), None);
        let endless = Backoff { max_retries: u32::MAX, ..backoff };
        assert!(endless.delay(u32::MAX, RetryAdvice::Retry).is_some());
    }
}
