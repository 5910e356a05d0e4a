//! The parts of request builders that are the same for every operation, with placeholders.

pub(super) const HEAD: &str = "//! Request builders: a struct for each operation, with setters for its optional parameters and\n\
    //! properties.\n\n\
    use runstep_api::types::*;\n\
    use runstep_api::{ByteStream, Field, Operation};\n\n\
    use crate::client::{Client, SpanIds};\n\
    use crate::error::Result;\n\
    use crate::pagination::{PageQuery, list_request};\n\
    use crate::run_request::{Plain, RunRequest};\n\
    use crate::transport::{RequestOptions, Response, ResponseFuture, RetryPolicy, checked_id};\n\n";

/// Methods of every request builder, with the type of the response in place of `OUTPUT`.
pub(super) const OPTIONS: &str = r#"
    /// Adds a header. Overrides a header of the client.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.headers.push((name.into(), value.into()));
        self
    }
    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.query.push((name.into(), value.into()));
        self
    }
    /// Sets the timeout of one attempt, from connecting to the end of the response. Default: the
    /// client's.
    pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }
    /// Sets when the request is retried. Default: the client's policy.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }
    #[allow(dead_code, reason = "the SDK itself does not send every request with other options")]
    pub(crate) fn with_options(mut self, options: RequestOptions) -> Self {
        self.options = options;
        self
    }
    /// Sends the request and returns the value with the status, headers and body of the response.
    /// Awaiting the request returns the value alone.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub fn send(self) -> ResponseFuture<Response<OUTPUT>> {
        Box::pin(async move { self.execute().await })
    }
"#;

/// The setter for body fields that this version does not model.
pub(super) const EXTRA: &str = r#"
    /// Sets a body field that this version does not model, or overrides one that it does.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.EXTRA_OPTIONS.body.insert(name.into(), value.into());
        self
    }
"#;

/// What stands for the placeholders in the code of a request that contains its client and options.
pub(super) const CONTEXT: [(&str, &str); 6] = [
    ("OPEN_ARGUMENTS", ""),
    ("ARGUMENTS", ""),
    ("SET_STREAM", "self.options.streams = true;"),
    ("CLIENT", "self.client"),
    ("REQUEST_OPTIONS", "&self.options"),
    ("EXTRA_OPTIONS", "options"),
];

/// The same for a request about a run, whose client and options are in a `RunRequest`.
pub(super) const RUN_CONTEXT: [(&str, &str); 6] = [
    ("OPEN_ARGUMENTS", ", client: Client, options: RequestOptions"),
    ("ARGUMENTS", ", client: &Client, options: &RequestOptions"),
    ("SET_STREAM", "let options = &RequestOptions { streams: true, ..options };"),
    ("CLIENT", "client"),
    ("REQUEST_OPTIONS", "options"),
    ("EXTRA_OPTIONS", "options.request"),
];
