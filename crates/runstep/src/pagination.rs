//! Pagination of list requests: one page, or a stream of all pages or items.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use futures_util::{StreamExt as _, TryStreamExt as _};
use runstep_api::Decode;
use serde_json::Value;
use serde_json::value::RawValue;
use sync_wrapper::SyncWrapper;

use crate::error::{Error, ErrorKind, Result, without_mark};
use crate::transport::{BoxStream, Response, ResponseFuture, boxed_stream};

/// The page that a list request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<u64>,
    pub(crate) order: Option<runstep_api::types::Order>,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// A page of a list.
///
/// An entry that does not decode is in [`invalid`](Self::invalid), with its JSON; the other entries
/// are in [`data`](Self::data).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries that decode, in the order of the server.
    pub data: Vec<T>,
    /// The entries that do not decode, in the order of the server. Empty, unless the server sent an
    /// object without what identifies it, such as its id.
    pub invalid: Vec<InvalidEntry>,
    /// The id of the first entry, if the server sent it.
    pub first_id: Option<String>,
    /// The id of the last entry, if the server sent it or the entry has one.
    pub last_id: Option<String>,
    /// Whether there are more entries after this page.
    pub has_more: bool,
}

/// An entry of a list that does not decode; see [`Page::invalid`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InvalidEntry {
    /// The zero-based position in the page, counting valid and invalid entries.
    pub index: usize,
    /// The entry as the server sent it. An entry that [`Value`] cannot hold, for example because of a
    /// number such as `1e400`, is a string with its JSON text.
    pub json: Value,
    text: String,
    reason: String,
}

impl std::fmt::Display for InvalidEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "entry {} of the page cannot be decoded: {}", self.index, self.reason)
    }
}

impl std::error::Error for InvalidEntry {}

impl InvalidEntry {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Decode, self.to_string()).with_body(self.text.as_bytes())
    }
}

impl<T> Page<T> {
    /// Returns the cursor of the next page, or `None` on the last page. The list request resumes there
    /// with `after(cursor)`, also in another process.
    ///
    /// Also `None` if no entry of the page has a readable id, although [`has_more`](Self::has_more) is
    /// true. Streams of pages and items yield an error then.
    pub fn next_cursor(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|_| self.has_more && !self.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.data.is_empty() && self.invalid.is_empty()
    }

    /// Returns all entries, valid and invalid, in the order of the server.
    fn into_entries(self) -> impl Iterator<Item = Result<T>> {
        let mut invalid = self.invalid.into_iter().peekable();
        let mut data = self.data.into_iter();
        (0..).map_while(move |index| match invalid.next_if(|entry| entry.index == index) {
            Some(entry) => Some(Err(entry.into_error())),
            None => data.next().map(Ok),
        })
    }
}

/// Returns the entries of a list that do not decode, and the id of the last entry. `is_partial` means
/// that there are such entries.
///
/// Fails if the response is not a list at all.
pub(crate) fn invalid_entries<L, T: Decode>(
    response: &Response<L>,
    is_empty: bool,
    is_partial: bool,
) -> Result<(Vec<InvalidEntry>, Option<String>)> {
    if !is_partial {
        // The decoder accepts lists without `data`, and so every object. Empty lists are short.
        if is_empty && !is_list(response.body()) {
            return Err(Error::not_a_list(response.body())
                .with_status(response.status())
                .with_headers(response.header_map()));
        }
        return Ok((Vec::new(), None));
    }
    // From the text, because a `Value` cannot hold every entry.
    let entries = entries(response.body()).map_err(|error| {
        Error::undecodable(error, response.body())
            .with_status(response.status())
            .with_headers(response.header_map())
    })?;
    let last_id = entries.last().and_then(|last| {
        let last: BTreeMap<String, &RawValue> = serde_json::from_str(last.get()).ok()?;
        serde_json::from_str(last.get("id")?.get()).ok()
    });
    let mut invalid = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        if let Err(error) = runstep_api::decode::<T>(entry.get().as_bytes()) {
            let (text, reason) = (entry.get().to_owned(), error.to_string());
            let json = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_str()));
            invalid.push(InvalidEntry { index, json, text, reason });
        }
    }
    Ok((invalid, last_id))
}

/// Returns the texts of the entries of a list. The last `data` counts, as for the decoder.
fn entries(body: &[u8]) -> serde_json::Result<Vec<&RawValue>> {
    let mut list: BTreeMap<String, &RawValue> = serde_json::from_slice(without_mark(body))?;
    list.remove("data").map_or(Ok(Vec::new()), |data| serde_json::from_str(data.get()))
}

/// Returns whether the body has a property by which a list is recognized. An error with status 200 has
/// none.
fn is_list(body: &[u8]) -> bool {
    let list: BTreeMap<String, &RawValue> = match serde_json::from_slice(without_mark(body)) {
        Ok(list) => list,
        Err(_) => return false,
    };
    let has = |name: &str| list.get(name).is_some_and(|value| value.get() != "null");
    has("data")
        || !has("error")
            && (list.get("object").is_some_and(|object| object.get() == "\"list\"")
                || list.contains_key("data")
                || ["first_id", "last_id", "has_more"].into_iter().any(has))
}

/// A list request, for any page.
pub(crate) trait PagedRequest: Clone + Send + 'static {
    type Item: Send + 'static;

    fn fetch(self) -> ResponseFuture<Page<Self::Item>>;

    /// Returns the cursor after which the page starts.
    fn cursor(&self) -> Option<&str>;

    fn set_cursor(&mut self, cursor: String);
}

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
///     println!("{} runs", page.data.len());
///     save(page.next_cursor());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct Pages<T>(BoxStream<Page<T>>);

/// A stream of the items of a list, which fetches pages as needed.
///
/// An error while fetching a page ends the stream. An item that does not decode is an error of kind
/// [`Decode`](ErrorKind::Decode) in its place, with the item's JSON as [`body`](Error::body); the stream
/// continues after it.
#[must_use = "a stream does nothing until it is polled"]
pub struct Items<T>(BoxStream<T>);

/// Maximum number of cursors that are remembered, so that a list takes at most about 1 MiB.
const MAX_CURSORS: usize = 1 << 16;

/// The cursors of a list so far, as hashes.
#[derive(Default)]
struct Cursors {
    hasher: RandomState,
    seen: HashSet<u64>,
    pages: u64,
}

impl Cursors {
    /// Adds the cursor of the next page. Returns an error if it was there before: the server ignores
    /// cursors, or repeats pages, and the list would have no end.
    fn add(&mut self, cursor: &str) -> Result<()> {
        if self.seen.len() >= MAX_CURSORS {
            // A cycle is noticed nevertheless, if it is not longer than the limit.
            self.seen.clear();
        }
        if self.seen.insert(self.hasher.hash_one(cursor)) {
            self.pages += 1;
            return Ok(());
        }
        let message = format!(
            "the server repeats pages: the cursor {cursor:?} appears again after {} pages; \
             it ignores or mixes up `after`",
            self.pages
        );
        Err(Error::new(ErrorKind::Decode, message))
    }
}

/// The state of a stream of pages.
enum Position<R> {
    /// The next page is fetched with this request.
    Page(R, Cursors),
    /// There are more pages, but the last one had no cursor.
    NoCursor,
    End,
}

pub(crate) fn pages<R: PagedRequest>(request: R) -> Pages<R::Item> {
    let mut cursors = Cursors::default();
    if let Some(cursor) = request.cursor() {
        cursors.seen.insert(cursors.hasher.hash_one(cursor));
    }
    let start = Position::Page(request, cursors);
    let pages = futures_util::stream::try_unfold(start, |position| async move {
        let (mut next, mut cursors) = match position {
            Position::Page(next, cursors) => (next, cursors),
            Position::NoCursor => {
                let message = "the server has more pages, but the last page has no entry with an id \
                    to continue after";
                return Err(Error::new(ErrorKind::Decode, message));
            }
            Position::End => return Ok(None),
        };
        let page = next.clone().fetch().await?;
        let position = match page.next_cursor() {
            Some(cursor) => {
                cursors.add(cursor)?;
                next.set_cursor(cursor.to_owned());
                Position::Page(next, cursors)
            }
            None if page.has_more && !page.is_empty() => Position::NoCursor,
            None => Position::End,
        };
        Ok(Some((page, position)))
    });
    Pages(SyncWrapper::new(pages.boxed()))
}

pub(crate) fn items<R: PagedRequest>(request: R) -> Items<R::Item> {
    let pages = pages(request).map_ok(|page| futures_util::stream::iter(page.into_entries()));
    Items(SyncWrapper::new(pages.try_flatten().boxed()))
}

/// Returns the items that decode. What needs a list for its own work does not fail because of one
/// entry.
pub(crate) fn readable_items<R: PagedRequest>(request: R) -> Items<R::Item> {
    let pages = pages(request).map_ok(|page| futures_util::stream::iter(page.data).map(Ok));
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
    /// Returns an error if a page cannot be fetched, or if the item does not decode. In the second case,
    /// the next call returns the item after it.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        self.next().await.transpose()
    }

    /// Returns all remaining items.
    ///
    /// # Errors
    ///
    /// Returns an error if a page cannot be fetched, or if an item does not decode. To skip such items,
    /// read the stream item by item.
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
