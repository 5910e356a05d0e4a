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

use futures_core::Stream;
use sync_wrapper::SyncWrapper;

use crate::error::Result;

pub use backoff::Backoff;
pub(crate) use options::{RequestOptions, names, sensitive_header_value};
pub(crate) use path_id::checked_id;
pub use poll_error_policy::PollErrorPolicy;
pub use response::Response;
pub(crate) use response_body::not_built;
pub use retry::RetryPolicy;
pub(crate) use retry::is_transient;

/// The future of a request.
pub type ResponseFuture<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// The content of a stream type.
pub(crate) type BoxStream<T> = SyncWrapper<Pin<Box<dyn Stream<Item = Result<T>> + Send>>>;

/// Implements `Stream` and `Debug` for a type that contains a [`BoxStream`].
macro_rules! boxed_stream {
    ($Name:ident$(<$T:ident>)? -> $Item:ty) => {
        impl$(<$T>)? futures_core::Stream for $Name$(<$T>)? {
            type Item = $crate::error::Result<$Item>;

            fn poll_next(
                mut self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Self::Item>> {
                self.0.get_mut().as_mut().poll_next(context)
            }
        }

        impl$(<$T>)? std::fmt::Debug for $Name$(<$T>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($Name)).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use boxed_stream;
