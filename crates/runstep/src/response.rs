//! A reply: the value, and what came with it.

use std::fmt;
use std::ops::Deref;

use reqwest::header::HeaderMap;
use runstep_api::ResponseValue;

/// A value with the status and the headers of the reply that it came in. It can be used as the
/// value itself.
pub struct Response<T>(ResponseValue<T>);

impl<T> Response<T> {
    pub(crate) fn new(reply: ResponseValue<T>) -> Self {
        Self(reply)
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.0
    }

    /// The value alone.
    pub fn into_value(self) -> T {
        self.0.into_inner()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header as text; none where it is not there or is no text. The name's case is no matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_map().get(name)?.to_str().ok()
    }

    /// All headers, their names in lower case; one that came several times is there several times.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.header_map().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// The server's id of the request, by which its operators find it.
    pub fn request_id(&self) -> Option<&str> {
        crate::headers::request_id(self.header_map())
    }

    pub(crate) fn header_map(&self) -> &HeaderMap {
        self.0.headers()
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> Clone for Response<T> {
    fn clone(&self) -> Self {
        Self(ResponseValue::new(T::clone(self), self.0.status(), self.header_map().clone()))
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
