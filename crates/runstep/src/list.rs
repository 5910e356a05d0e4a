//! Lists: a page, or all entries one after the other.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::request::ResponseFuture;

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) limit: Option<u64>,
    pub(crate) order: Option<runstep_api::types::Order>,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// A page's entries, and where the next page begins if there is one.
pub(crate) struct Fetched<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// A request for a page that can be asked for the next one.
pub(crate) trait Pages: Clone + Send + 'static {
    type Entry: Send + 'static;

    fn fetch(self) -> ResponseFuture<Fetched<Self::Entry>>;

    /// Where this page begins.
    fn begins_after(&self) -> Option<&str>;

    fn continue_after(&mut self, id: String);
}

/// Methods that choose a page of a list, and those that go beyond it.
macro_rules! list_request {
    ($Request:ident -> $List:ty, $Entry:ty) => {
        impl $Request {
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

            /// One page; the same as awaiting the request.
            pub fn page(self) -> $crate::ResponseFuture<$List> {
                std::future::IntoFuture::into_future(self)
            }

            /// All entries, page by page as they are needed.
            pub fn items(self) -> $crate::Items<$Entry> {
                $crate::list::items(self)
            }

            $crate::options::request_options!($List);
        }

        impl $crate::list::Pages for $Request {
            type Entry = $Entry;

            fn fetch(self) -> $crate::ResponseFuture<$crate::list::Fetched<$Entry>> {
                Box::pin(async move {
                    let list = self.execute().await?.into_value();
                    let last = list.last_id.or_else(|| list.data.last().map(|entry| entry.id.clone()));
                    let next = last.filter(|_| list.has_more && !list.data.is_empty());
                    Ok($crate::list::Fetched { entries: list.data, next })
                })
            }

            fn begins_after(&self) -> Option<&str> {
                self.page.after.as_deref()
            }

            fn continue_after(&mut self, id: String) {
                self.page.after = Some(id);
            }
        }

        $crate::request::awaitable!($Request -> $List);
    };
}
pub(crate) use list_request;

/// The entries of a list, page by page as they are needed.
///
/// A page that fails ends the stream with the error.
#[must_use = "a stream does nothing until it is polled"]
pub struct Items<T>(Pin<Box<dyn Stream<Item = Result<T>> + Send>>);

pub(crate) fn items<P: Pages>(request: P) -> Items<P::Entry> {
    let state = (Some(request), VecDeque::new());
    let entries = futures_util::stream::try_unfold(state, |(mut request, mut ready)| async move {
        loop {
            if let Some(entry) = ready.pop_front() {
                return Ok(Some((entry, (request, ready))));
            }
            let Some(mut next) = request.take() else { return Ok(None) };
            let fetched = next.clone().fetch().await?;
            if fetched.next.is_some() && fetched.next.as_deref() == next.begins_after() {
                let message = "the server gives the same page again: it does not know `after`";
                return Err(Error::new(ErrorKind::Decode, message));
            }
            ready.extend(fetched.entries);
            if let Some(id) = fetched.next {
                next.continue_after(id);
                request = Some(next);
            }
        }
    });
    Items(entries.boxed())
}

impl<T> Items<T> {
    /// The next entry; none after the last.
    ///
    /// # Errors
    ///
    /// When a page cannot be had.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.0.next().await.transpose()
    }

    /// All entries that are left.
    ///
    /// # Errors
    ///
    /// When a page cannot be had.
    pub async fn collect_all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(entry) = self.try_next().await? {
            all.push(entry);
        }
        Ok(all)
    }
}

impl<T> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}
