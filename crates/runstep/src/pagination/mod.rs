//! Pagination of list requests: one page, or a stream of all pages or items.

mod streams;

use futures_util::StreamExt as _;
use runstep_api::Decode;
use serde_json::Value;
use serde_json::value::RawValue;
use sync_wrapper::SyncWrapper;

use crate::error::{Error, ErrorKind, Result, without_mark};
use crate::transport::response_body::ResponseHead;
use crate::transport::{BoxStream, ResponseFuture, boxed_stream};
use streams::{ItemStream, PageStream};

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
    /// object without what identifies it, such as its id. A page with more than 1000 such entries is an
    /// error of kind [`Decode`](ErrorKind::Decode).
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
}

/// Maximum number of entries of a page that do not decode. Each takes about 200 bytes more than its JSON,
/// and a response can contain millions.
const MAX_INVALID: usize = 1000;

/// Returns why an entry does not decode, if it does not.
type CheckEntry = fn(&[u8]) -> Option<serde_json::Error>;

/// Returns the entries of a list that do not decode, and the id of the last entry. `is_partial` means
/// that there are such entries.
///
/// Fails if the response is not a list at all.
pub(crate) fn invalid_entries(
    response: &ResponseHead,
    is_empty: bool,
    is_partial: bool,
    check: CheckEntry,
) -> Result<(Vec<InvalidEntry>, Option<String>)> {
    let ResponseHead { status, headers, body } = response;
    if !is_partial {
        // The decoder accepts lists without `data`, and so every object. Empty lists are short.
        if is_empty && !is_list(body) {
            return Err(Error::not_a_list(body).with_head(Some(*status), headers));
        }
        return Ok((Vec::new(), None));
    }
    // From the text, because a `Value` cannot hold every entry.
    let entries = entries(body)
        .map_err(|error| Error::undecodable(error, body).with_head(Some(*status), headers))?;
    let last_id = entries.last().and_then(|last| {
        let last = runstep_api::raw_properties(last.get().as_bytes()).ok()?;
        match runstep_api::parse_value(property(&last, "id")?.as_bytes()).ok()? {
            Value::String(id) => Some(id),
            _ => None,
        }
    });
    let mut invalid = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let text = entry.get();
        if let Some(error) = check(text.as_bytes()) {
            if invalid.len() >= MAX_INVALID {
                let error = too_many_invalid(&invalid).with_body(body);
                return Err(error.with_head(Some(*status), headers));
            }
            let json = runstep_api::parse_value(text.as_bytes());
            let json = json.unwrap_or_else(|_| Value::from(text));
            let (text, reason) = (text.to_owned(), error.to_string());
            invalid.push(InvalidEntry { index, json, text, reason });
        }
    }
    Ok((invalid, last_id))
}

#[cold]
fn too_many_invalid(invalid: &[InvalidEntry]) -> Error {
    let mut message = format!("more than {MAX_INVALID} entries of the page cannot be decoded");
    if let Some(first) = invalid.first() {
        message.push_str(&format!("; {first}"));
    }
    Error::new(ErrorKind::Decode, message)
}

/// Returns why an entry is not a `T`, if it is not.
pub(crate) fn check_entry<T: Decode>(entry: &[u8]) -> Option<serde_json::Error> {
    runstep_api::decode::<T>(entry).err()
}

/// Returns the texts of the entries of a list.
fn entries(body: &[u8]) -> serde_json::Result<Vec<&RawValue>> {
    let list = runstep_api::raw_properties(without_mark(body))?;
    property(&list, "data").map_or(Ok(Vec::new()), |data| runstep_api::raw_items(data.as_bytes()))
}

/// Returns the text of a property. The last of several with one name counts, as for the decoder.
fn property<'a>(object: &[(String, &'a RawValue)], name: &str) -> Option<&'a str> {
    object.iter().rfind(|property| property.0 == name).map(|property| property.1.get())
}

/// Returns whether the body has a property by which a list is recognized. An error with status 200 has
/// none.
fn is_list(body: &[u8]) -> bool {
    let Ok(list) = runstep_api::raw_properties(without_mark(body)) else { return false };
    let has = |name: &str| property(&list, name).is_some_and(|value| value != "null");
    has("data")
        || !has("error")
            && (property(&list, "object") == Some("\"list\"")
                || property(&list, "data").is_some()
                || ["first_id", "last_id", "has_more"].into_iter().any(has))
}

/// A list request, for any page with items of type `T`.
pub(crate) trait PagedRequest<T>: Send {
    fn fetch(&self) -> ResponseFuture<Page<T>>;

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

pub(crate) fn pages<T: Send + 'static>(request: impl PagedRequest<T> + 'static) -> Pages<T> {
    Pages(SyncWrapper::new(Box::pin(PageStream::new(Box::new(request)))))
}

pub(crate) fn items<T: Send + Unpin + 'static>(
    request: impl PagedRequest<T> + 'static,
) -> Items<T> {
    Items::new(Box::new(request), false)
}

/// Returns the items that decode. What needs a list for its own work does not fail because of one
/// entry.
pub(crate) fn readable_items<T: Send + Unpin + 'static>(
    request: impl PagedRequest<T> + 'static,
) -> Items<T> {
    Items::new(Box::new(request), true)
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

impl<T: Send + Unpin + 'static> Items<T> {
    fn new(request: Box<dyn PagedRequest<T>>, skips_invalid: bool) -> Self {
        Self(SyncWrapper::new(Box::pin(ItemStream::new(request, skips_invalid))))
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
