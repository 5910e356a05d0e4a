//! Constructors of errors, for tests of applications.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use runstep_api::types::Run;

use super::{Error, ErrorKind};

impl Error {
    /// Creates an error of this kind, for a test. Requires the feature `test-util`.
    ///
    /// ```
    /// use runstep::{Error, ErrorKind};
    ///
    /// let error = Error::from_kind(ErrorKind::Timeout, "the request timed out");
    /// assert!(error.is_timeout());
    /// ```
    pub fn from_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message)
    }

    /// Creates the error of this response, for a test, as a request returns it. Requires the feature
    /// `test-util`.
    ///
    /// A status that is not valid counts as 500, and headers that are not valid are left out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runstep::Error;
    ///
    /// let body = r#"{"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}"#;
    /// let error = Error::from_response(429, &[("retry-after", "7")], body);
    /// assert!(error.is_rate_limited());
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    /// assert_eq!(error.code(), Some("rate_limit_exceeded"));
    /// ```
    pub fn from_response(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::try_from(*name).ok()?, HeaderValue::try_from(*value).ok()?))
        });
        Self::api(status, &headers.collect::<HeaderMap>(), body.as_ref(), None)
    }

    /// Adds the last known state of the run, for a test; see [`run`](Self::run). Requires the feature
    /// `test-util`.
    pub fn about_run(self, run: Run) -> Self {
        self.with_run(Some(run))
    }
}
