//! The layer below the client: request options, retry policies, and decoding of responses.

mod backoff;
mod options;
mod path_id;
mod poll_error_policy;
mod response;
pub(crate) mod response_body;
mod retry;

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

pub use backoff::Backoff;
pub(crate) use options::{RequestOptions, TakesOptions, names, sensitive_header_value};
pub(crate) use path_id::checked_id;
pub use poll_error_policy::PollErrorPolicy;
pub use response::Response;
pub use retry::RetryPolicy;
pub(crate) use retry::is_transient;

/// The future of a request.
pub type ResponseFuture<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
