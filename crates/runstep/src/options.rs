//! What can be said of a single request besides what the API knows.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::retry::RetryPolicy;

/// What goes along with one request.
#[derive(Clone, Default)]
pub(crate) struct RequestOptions {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Map<String, Value>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    /// Whether the reply is read as it comes.
    pub(crate) streams: bool,
}

impl RequestOptions {
    /// Those that hold for other requests about the same run: not what is the one request's own.
    pub(crate) fn for_others(&self) -> Self {
        let own = |name: &str| name.eq_ignore_ascii_case("idempotency-key");
        let headers = self.headers.iter().filter(|(name, _)| !own(name));
        Self {
            headers: headers.cloned().collect(),
            query: self.query.clone(),
            timeout: self.timeout,
            ..Self::default()
        }
    }

    /// These and others, which come first where there can be only one.
    pub(crate) fn extended(mut self, others: Self) -> Self {
        self.headers.extend(others.headers);
        self.query.extend(others.query);
        Self { timeout: others.timeout.or(self.timeout), ..self }
    }

    /// Adds the headers to those of the client.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) -> Result<()> {
        for (name, value) in &self.headers {
            let wrong = |what: &str| {
                let message =
                    format!("the {what} of the header `{name}` cannot be sent; nothing was sent");
                Error::new(ErrorKind::InvalidRequest, message)
            };
            let header = HeaderName::try_from(name).map_err(|_| wrong("name"))?;
            let value = callers(value).ok_or_else(|| wrong("value"))?;
            headers.insert(header, value);
        }
        Ok(())
    }
}

/// The value of a header that the caller gave, which may be secret.
pub(crate) fn callers(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Names only: values may be secret.
impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        f.debug_struct("RequestOptions")
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field("body", &self.body.keys().collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("streams", &self.streams)
            .finish()
    }
}

/// A request that takes options.
pub(crate) trait TakesOptions: Sized {
    fn options(&mut self) -> &mut RequestOptions;

    fn with_options(mut self, options: RequestOptions) -> Self {
        *self.options() = options;
        self
    }
}

/// The methods by which a request takes options, and what sends it.
macro_rules! request_options {
    ($Output:ty) => {
        /// Adds a header, in place of one that the client would send.
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.headers.push((name.into(), value.into()));
            self
        }

        /// Adds a pair to the query.
        pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.query.push((name.into(), value.into()));
            self
        }

        /// How long one attempt may take, until its reply has been read. Default: the client's.
        pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// When the request is sent again. Default: the client's policy.
        pub fn retry_policy(mut self, policy: $crate::retry::RetryPolicy) -> Self {
            self.options.retry = Some(policy);
            self
        }

        /// Sends the request, for those who want the reply's status and headers too. Awaiting the
        /// request itself gives the value alone.
        ///
        /// # Errors
        ///
        /// See [`Error`](crate::Error).
        pub fn send(self) -> $crate::ResponseFuture<$crate::Response<$Output>> {
            Box::pin(async move { self.execute().await })
        }
    };
}

/// The way out for fields of a body that nobody knows yet.
macro_rules! extra_fields {
    () => {
        /// Adds a field to the body that this version does not know, or replaces one that it does.
        pub fn extra(
            mut self,
            name: impl Into<String>,
            value: impl Into<serde_json::Value>,
        ) -> Self {
            self.options.body.insert(name.into(), value.into());
            self
        }
    };
}

pub(crate) use {extra_fields, request_options};

#[cfg(test)]
mod tests {
    use super::*;

    /// So that whatever logs headers, or compresses them, knows that they are secret.
    #[test]
    fn the_callers_headers_are_marked_as_secret() -> Result<()> {
        let pair = |name: &str| (name.to_owned(), "a key".to_owned());
        let options = RequestOptions {
            headers: ["authorization", "api-key", "x-any"].map(pair).to_vec(),
            ..RequestOptions::default()
        };
        let mut headers = HeaderMap::new();
        options.add_headers(&mut headers)?;
        assert_eq!(headers.len(), 3);
        assert!(headers.values().all(HeaderValue::is_sensitive), "{headers:?}");
        Ok(())
    }
}
