//! Times and durations for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that has four digits in its year.
const MAX_SECONDS: u64 = 253_402_300_799;

/// Returns a Unix timestamp as a date and time in UTC, or `-` if it is unknown.
pub(crate) fn timestamp(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "-".to_owned() };
    match u64::try_from(seconds) {
        Ok(seconds @ ..=MAX_SECONDS) => {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            humantime::format_rfc3339_seconds(time).to_string().replace('T', " ")
        }
        _ => seconds.to_string(),
    }
}

/// Returns a duration such as `1m 20s`, or `-` if it is unknown.
pub(crate) fn duration(duration: Option<Duration>) -> String {
    match duration {
        Some(duration) => humantime::format_duration(duration).to_string(),
        None => "-".to_owned(),
    }
}

/// Returns the present time as a Unix timestamp.
pub(crate) fn now() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_of_the_calendar_are_numbers() {
        assert_eq!(timestamp(Some(0)), "1970-01-01 00:00:00Z");
        assert_eq!(timestamp(Some(-5)), "-5");
        assert_eq!(timestamp(Some(i64::MAX)), i64::MAX.to_string());
        assert_eq!(timestamp(None), "-");
    }
}
