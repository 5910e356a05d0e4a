//! Pagination of list requests: one page, or a stream of all pages or items.

use futures_util::{StreamExt as _, TryStreamExt as _};
use sync_wrapper::SyncWrapper;

use crate::error::{Error, ErrorKind, Result};
use crate::transport::{BoxStream, ResponseFuture, boxed_stream};

/// The page that a list request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<u64>,
    pub(crate) order: Option<runstep_api::types::Order>,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// A page of a list; see [`Pages`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page, or `None` on the last page. The list request resumes there with
    /// `after(cursor)`, also in another process.
    pub next_cursor: Option<String>,
}

/// A list request, for any page.
pub(crate) trait PagedRequest: Clone + Send + 'static {
    type Item: Send + 'static;

    fn fetch(self) -> ResponseFuture<Page<Self::Item>>;

    /// Returns the cursor after which the page starts.
    fn cursor(&self) -> Option<&str>;

    fn set_cursor(&mut self, cursor: String);
}

/// Setters for the page, and methods that fetch one page or all items.
macro_rules! list_request {
    ($Request:ident -> $List:ty, $Item:ty) => {
        impl $Request {
            /// Sets the number of items per page, 1 to 100. Default: 20.
            pub fn limit(mut self, limit: u64) -> Self {
                self.page.limit = Some(limit);
                self
            }

            /// Sets the order by creation time. Default: newest first.
            pub fn order(mut self, order: runstep_api::types::Order) -> Self {
                self.page.order = Some(order);
                self
            }

            /// Starts after the item with this id, in the requested order.
            pub fn after(mut self, id: impl Into<String>) -> Self {
                self.page.after = Some(id.into());
                self
            }

            /// Ends before the item with this id, in the requested order.
            pub fn before(mut self, id: impl Into<String>) -> Self {
                self.page.before = Some(id.into());
                self
            }

            /// Fetches one page; the same as awaiting the request.
            pub fn page(self) -> $crate::ResponseFuture<$List> {
                std::future::IntoFuture::into_future(self)
            }

            /// Returns a stream of all pages, each fetched when it is read. A page has the cursor of the
            /// next one, which can be saved to resume there with [`after`](Self::after).
            pub fn pages(self) -> $crate::Pages<$Item> {
                $crate::pagination::pages(self)
            }

            /// Returns a stream of all items, which fetches pages as needed.
            pub fn items(self) -> $crate::Items<$Item> {
                $crate::pagination::items(self)
            }
        }

        impl $crate::pagination::PagedRequest for $Request {
            type Item = $Item;

            fn fetch(self) -> $crate::ResponseFuture<$crate::Page<$Item>> {
                Box::pin(async move {
                    let list = self.execute().await?.into_inner();
                    let last =
                        list.last_id.or_else(|| list.data.last().map(|item| item.id.clone()));
                    let next_cursor = last.filter(|_| list.has_more && !list.data.is_empty());
                    Ok($crate::Page { items: list.data, next_cursor })
                })
            }

            fn cursor(&self) -> Option<&str> {
                self.page.after.as_deref()
            }

            fn set_cursor(&mut self, cursor: String) {
                self.page.after = Some(cursor);
            }
        }
    };
}
pub(crate) use list_request;

/// A stream of the pages of a list; see [`ListRuns::pages`](crate::ListRuns::pages).
///
/// An error while fetching a page ends the stream.
///
/// ```no_run
/// # async fn example(runs: runstep::Runs, saved: Option<String>) -> runstep::Result<()> {
/// # fn save(_: Option<&str>) {}
/// let mut list = runs.list().limit(100);
/// if let Some(cursor) = saved {
///     list = list.after(cursor);
/// }
/// let mut pages = list.pages();
/// while let Some(page) = pages.try_next().await? {
///     println!("{} runs", page.items.len());
///     save(page.next_cursor.as_deref());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct Pages<T>(BoxStream<Page<T>>);

/// A stream of the items of a list, which fetches pages as needed.
///
/// An error while fetching a page ends the stream.
#[must_use = "a stream does nothing until it is polled"]
pub struct Items<T>(BoxStream<T>);

pub(crate) fn pages<R: PagedRequest>(request: R) -> Pages<R::Item> {
    let pages = futures_util::stream::try_unfold(Some(request), |request| async move {
        let Some(mut next) = request else { return Ok(None) };
        let page = next.clone().fetch().await?;
        if page.next_cursor.is_some() && page.next_cursor.as_deref() == next.cursor() {
            let message = "the server returned the same page again: it ignores `after`";
            return Err(Error::new(ErrorKind::Decode, message));
        }
        let request = page.next_cursor.clone().map(|cursor| {
            next.set_cursor(cursor);
            next
        });
        Ok(Some((page, request)))
    });
    Pages(SyncWrapper::new(pages.boxed()))
}

pub(crate) fn items<R: PagedRequest>(request: R) -> Items<R::Item> {
    let pages = pages(request).map_ok(|page| futures_util::stream::iter(page.items).map(Ok));
    Items(SyncWrapper::new(pages.try_flatten().boxed()))
}

impl<T> Pages<T> {
    /// Returns the next page, or `None` after the last.
    ///
    /// # Errors
    ///
    /// Returns an error if the page cannot be fetched.
    pub async fn try_next(&mut self) -> Result<Option<Page<T>>> {
        self.next().await.transpose()
    }
}

impl<T> Items<T> {
    /// Returns the next item, or `None` after the last.
    ///
    /// # Errors
    ///
    /// Returns an error if a page cannot be fetched.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.next().await.transpose()
    }

    /// Returns all remaining items.
    ///
    /// # Errors
    ///
    /// Returns an error if a page cannot be fetched.
    pub async fn collect_all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.try_next().await? {
            all.push(item);
        }
        Ok(all)
    }
}

boxed_stream!(Pages<T> -> Page<T>);
boxed_stream!(Items<T> -> T);
