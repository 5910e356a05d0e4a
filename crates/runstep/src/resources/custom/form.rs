//! Multipart forms.

use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use reqwest::header::HeaderValue;

/// A form for [`Request::multipart`](crate::Request::multipart): text fields and files, sent as
/// `multipart/form-data`.
///
/// Its contents are in memory, so that the request can be retried. To upload a file that does not fit
/// into memory, pass a stream to [`Request::body`](crate::Request::body).
///
/// ```
/// let form = runstep::Form::new().text("purpose", "assistants").file("file", "a.txt", "Hello");
/// # let _ = form;
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Form {
    parts: Vec<Part>,
}

#[derive(Clone)]
struct Part {
    name: String,
    file_name: Option<String>,
    content: Bytes,
}

impl Form {
    /// Creates an empty form.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text field.
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.part(name.into(), None, value.into().into())
    }

    /// Adds a file.
    pub fn file(
        self,
        name: impl Into<String>,
        file_name: impl Into<String>,
        content: impl Into<Bytes>,
    ) -> Self {
        self.part(name.into(), Some(file_name.into()), content.into())
    }

    fn part(mut self, name: String, file_name: Option<String>, content: Bytes) -> Self {
        self.parts.push(Part { name, file_name, content });
        self
    }

    /// Returns the form as chunks, and its content type.
    pub(super) fn encode(self) -> (Vec<Bytes>, Option<HeaderValue>) {
        let boundary = boundary();
        let mut chunks = Vec::with_capacity(3 * self.parts.len() + 1);
        for part in self.parts {
            let mut head = format!("--{boundary}\r\ncontent-disposition: form-data; name=\"");
            head.push_str(&escape(&part.name));
            head.push('"');
            if let Some(file_name) = &part.file_name {
                head.push_str(&format!("; filename=\"{}\"\r\n", escape(file_name)));
                head.push_str("content-type: application/octet-stream");
            }
            head.push_str("\r\n\r\n");
            chunks.extend([head.into(), part.content, Bytes::from_static(b"\r\n")]);
        }
        chunks.push(format!("--{boundary}--\r\n").into());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        (chunks, HeaderValue::try_from(content_type).ok())
    }
}

/// Escapes a name as browsers do.
fn escape(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Returns a boundary that the contents do not contain, because it is random.
fn boundary() -> String {
    let random = || RandomState::new().hash_one("boundary");
    format!("runstep-{:016x}{:016x}", random(), random())
}

/// Shows names and sizes, not the contents.
impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.parts.iter().map(|part| (&part.name, part.content.len()));
        f.debug_map().entries(parts).finish()
    }
}
