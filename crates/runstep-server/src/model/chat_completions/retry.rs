//! When a request is sent again.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A provider that wants to be left alone for longer is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Pauses that double up to a longest one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) retries: u32,
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

/// What a failure means for sending the request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// It would fail again, or do harm.
    GiveUp,
    /// It may help, after a pause.
    TryAgain,
    /// It may help, after this pause.
    TryAfter(Duration),
}

impl Backoff {
    /// How long to wait before the request is sent again; none if it is not.
    pub(super) fn pause(&self, failures: u32, advice: Advice) -> Option<Duration> {
        if failures > self.retries {
            return None;
        }
        match advice {
            Advice::GiveUp => None,
            Advice::TryAfter(wait) => Some(wait).filter(|wait| *wait <= LONGEST_WAIT),
            Advice::TryAgain => {
                let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
                let pause = self.first.saturating_mul(doubled).min(self.longest);
                // Runs that failed together must not come back together.
                Some(pause.mul_f64(1.0 - 0.25 * fastrand::f64()))
            }
        }
    }
}

/// What a refusal advises: its status, and what its headers say beside it.
pub(super) fn advice(status: StatusCode, headers: &HeaderMap) -> Advice {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let again = match text("x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error(),
    };
    if !again {
        return Advice::GiveUp;
    }
    let milliseconds =
        text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()).map(|ms| ms / 1e3);
    let wait = milliseconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .or_else(|| retry_after(text(RETRY_AFTER.as_str())?.trim()));
    wait.map_or(Advice::TryAgain, Advice::TryAfter)
}

/// `Retry-After`: seconds, or a date. One that has passed is no advice.
fn retry_after(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advised(status: u16, headers: &[(&'static str, &str)]) -> Advice {
        let pairs = headers.iter().map(|(name, value)| {
            (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())
        });
        advice(StatusCode::from_u16(status).unwrap(), &pairs.collect())
    }

    #[test]
    fn the_status_advises_unless_the_provider_does() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert_eq!(advised(status, &[]), Advice::TryAgain, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413, 422] {
            assert_eq!(advised(status, &[]), Advice::GiveUp, "{status}");
        }
        assert_eq!(advised(400, &[("x-should-retry", "true")]), Advice::TryAgain);
        assert_eq!(advised(429, &[("x-should-retry", "false")]), Advice::GiveUp);
    }

    #[test]
    fn the_provider_says_when() {
        let after = |ms| Advice::TryAfter(Duration::from_millis(ms));
        assert_eq!(advised(429, &[("retry-after", "2")]), after(2000));
        assert_eq!(advised(429, &[("retry-after", "0.25")]), after(250));
        assert_eq!(advised(503, &[("retry-after-ms", "70"), ("retry-after", "2")]), after(70));
        for nonsense in ["-1", "nan", "inf", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(advised(429, &[("retry-after", nonsense)]), Advice::TryAgain, "{nonsense}");
            assert_eq!(advised(429, &[("retry-after-ms", nonsense)]), Advice::TryAgain);
        }
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1000));
        let Advice::TryAfter(wait) = advised(429, &[("retry-after", &date)]) else { panic!() };
        assert!(wait.as_secs().abs_diff(1000) < 60, "{wait:?}");
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(3));
        let backoff = Backoff { retries: 4, first, longest };
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (3, 3.0), (4, 3.0)] {
            let pause = backoff.pause(failures, Advice::TryAgain).unwrap().as_secs_f64();
            assert!((0.75 * seconds..=seconds).contains(&pause), "{failures}: {pause}");
        }
        assert_eq!(backoff.pause(5, Advice::TryAgain), None);
        assert_eq!(backoff.pause(1, Advice::GiveUp), None);
        let minute = Duration::from_secs(60);
        assert_eq!(backoff.pause(1, Advice::TryAfter(minute)), Some(minute));
        assert_eq!(backoff.pause(1, Advice::TryAfter(minute + first)), None);
        let endless = Backoff { retries: u32::MAX, ..backoff };
        assert!(endless.pause(u32::MAX, Advice::TryAgain).is_some());
    }
}
