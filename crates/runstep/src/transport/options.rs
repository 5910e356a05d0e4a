//! Options of a single request.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use runstep_api::Field;

use super::retry::RetryPolicy;
use crate::arguments::IntoField;
use crate::error::{Error, ErrorKind, Result};

/// Options of a single request.
#[derive(Clone, Default)]
pub(crate) struct RequestOptions {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// Fields of the body that the request does not model, with their values as JSON.
    pub(crate) body: Vec<(String, String)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    /// Whether the request accepts a stream of events.
    pub(crate) accepts_events: bool,
    /// The first argument that cannot be sent.
    pub(crate) invalid: Option<Box<InvalidField>>,
}

/// A field whose argument cannot be sent.
#[derive(Clone)]
pub(crate) struct InvalidField {
    name: &'static str,
    reason: String,
}

impl RequestOptions {
    /// Returns the options for other requests about the same run, without those that belong to this
    /// request alone.
    pub(crate) fn for_related_requests(&self) -> Self {
        let is_own = |name: &str| name.eq_ignore_ascii_case("idempotency-key");
        let headers = self.headers.iter().filter(|(name, _)| !is_own(name));
        Self {
            headers: headers.cloned().collect(),
            query: self.query.clone(),
            timeout: self.timeout,
            ..Self::default()
        }
    }

    /// Returns the value of a field. An argument that cannot be sent is an error of the request when it is
    /// sent; until then, another value of the same field replaces it.
    pub(crate) fn field<T, Kind>(
        &mut self,
        name: &'static str,
        argument: impl IntoField<T, Kind>,
    ) -> Field<T> {
        let is_same = |invalid: &mut Box<InvalidField>| invalid.name == name;
        self.invalid.take_if(is_same);
        argument.into_field().unwrap_or_else(|error| {
            let reason = error.reason().to_owned();
            self.invalid.get_or_insert_with(|| Box::new(InvalidField { name, reason }));
            Field::Absent
        })
    }

    /// Returns an error if an argument cannot be sent.
    pub(crate) fn check_arguments(&self) -> Result<()> {
        let Some(invalid) = &self.invalid else { return Ok(()) };
        let InvalidField { name, reason } = &**invalid;
        let message = format!("`{name}` {reason}; nothing was sent");
        Err(Error::new(ErrorKind::InvalidRequest, message).with_param(name))
    }

    /// Inserts the headers into those of the client.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) -> Result<()> {
        for (name, value) in &self.headers {
            let invalid = |part: &str| {
                let message = format!("the {part} of header `{name}` is invalid; nothing was sent");
                Error::new(ErrorKind::InvalidRequest, message)
            };
            let header = HeaderName::try_from(name).map_err(|_| invalid("name"))?;
            let value = sensitive_header_value(value).ok_or_else(|| invalid("value"))?;
            headers.insert(header, value);
        }
        Ok(())
    }
}

/// Creates the value of a header that the caller has set and that may be secret.
pub(crate) fn sensitive_header_value(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the names of headers or query parameters, whose values may be secret.
pub(crate) fn names(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().map(|(name, _)| name.as_str()).collect()
}

/// Shows names only, because values may be secret.
impl fmt::Debug for RequestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestOptions")
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field("body", &self.body.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("accepts_events", &self.accepts_events)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HTTP libraries neither log nor compress sensitive values.
    #[test]
    fn headers_of_the_caller_are_sensitive() -> Result<()> {
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
