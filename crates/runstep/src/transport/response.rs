//! A response: its value, status and headers.

use std::fmt;

use reqwest::header::HeaderMap;

use super::response_body::ResponseHead;

/// A value with the status, the headers and the body of its response.
///
/// ```no_run
/// # async fn example(runs: runstep::Runs) -> runstep::Result<()> {
/// let response = runs.retrieve("run_abc123").send().await?;
/// println!("{} {:?}", response.status(), response.header("openai-processing-ms"));
/// println!("{}", String::from_utf8_lossy(response.body()));
/// let run = response.into_inner();
/// # let _ = run;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Response<T> {
    value: T,
    head: ResponseHead,
}

impl<T> Response<T> {
    pub(crate) fn new(value: T, head: ResponseHead) -> Self {
        Self { value, head }
    }

    /// Returns the value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Returns the value and discards the rest.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Converts the value.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Response<U> {
        Response { value: convert(self.value), head: self.head }
    }

    /// Returns the body of the response as it was received. Empty if the response is read as a stream.
    pub fn body(&self) -> &[u8] {
        &self.head.body
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// Returns a header as text, if it is present and valid UTF-8. The name is case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_map().get(name)?.to_str().ok()
    }

    /// Returns all headers with lower-case names. A repeated header appears several times.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.header_map().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// Returns the server's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        crate::headers::request_id(self.header_map())
    }

    pub(crate) fn head(&self) -> &ResponseHead {
        &self.head
    }

    pub(crate) fn header_map(&self) -> &HeaderMap {
        &self.head.headers
    }
}

impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("value", self.value())
            .field("status", &self.status())
            .field("headers", self.header_map())
            .finish()
    }
}
