//! What all requests have in common: they are builders that are sent when they are awaited.

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;

/// The future of a request.
pub type ResponseFuture<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Makes a request awaitable by its `send`.
macro_rules! awaitable {
    ($Request:ident -> $Output:ty) => {
        impl std::future::IntoFuture for $Request {
            type Output = $crate::error::Result<$Output>;
            type IntoFuture = $crate::request::ResponseFuture<$Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

/// Methods that set one field of a request's body each.
macro_rules! body_setters {
    ($($(#[$attribute:meta])* $field:ident: $Type:ty,)+) => {
        $(
            $(#[$attribute])*
            pub fn $field(mut self, $field: impl Into<$Type>) -> Self {
                let value: $Type = $field.into();
                self.body = self.body.$field(value);
                self
            }
        )+
    };
}

/// The method that adds a pair to a body's metadata.
macro_rules! metadata_setter {
    () => {
        /// Adds a pair of your own; at most 16, keys of up to 64 and values of up to 512 characters.
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.body.metadata.get_or_insert_default().insert(key.into(), value.into());
            self
        }
    };
}

/// Methods that choose a page of a list.
macro_rules! page_setters {
    () => {
        /// How many entries a page has, 1 to 100. Default: 20.
        pub fn limit(mut self, limit: u64) -> Self {
            self.page.limit = Some(limit);
            self
        }

        /// Oldest or newest first. Default: newest.
        pub fn order(mut self, order: runstep_api::types::Order) -> Self {
            self.page.order = Some(order);
            self
        }

        /// Only what comes after the entry with this id, in the order asked for.
        pub fn after(mut self, id: impl Into<String>) -> Self {
            self.page.after = Some(id.into());
            self
        }

        /// Only what comes before the entry with this id, in the order asked for.
        pub fn before(mut self, id: impl Into<String>) -> Self {
            self.page.before = Some(id.into());
            self
        }
    };
}

/// Calls an operation of the generated client and receives its reply.
macro_rules! call {
    ($client:expr, $operation:ident($($argument:expr),* $(,)?)) => {{
        let (api, options) = $client.api()?;
        $crate::reply::receive(&options, api.$operation($($argument),*).await).await
    }};
}

pub(crate) use {awaitable, body_setters, call, metadata_setter, page_setters};

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<u64>,
    pub(crate) order: Option<runstep_api::types::Order>,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}
