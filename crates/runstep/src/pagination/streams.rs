//! The streams of the pages and of the items of a list.

use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;

use super::{InvalidEntry, Page, PagedRequest};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::ResponseFuture;

/// The entries of a page, valid and invalid, in the order of the server.
struct Entries<T> {
    data: vec::IntoIter<T>,
    invalid: vec::IntoIter<InvalidEntry>,
    index: usize,
}

impl<T> Entries<T> {
    fn new(page: Page<T>) -> Self {
        Self { data: page.data.into_iter(), invalid: page.invalid.into_iter(), index: 0 }
    }

    fn next(&mut self) -> Option<Result<T>> {
        self.index += 1;
        match self.invalid.as_slice().first() {
            Some(entry) if entry.index + 1 == self.index => {
                self.invalid.next().map(|entry| Err(entry.into_error()))
            }
            _ => self.data.next().map(Ok),
        }
    }
}

/// Maximum number of cursors that are remembered, so that a list takes at most about 1 MiB.
const MAX_CURSORS: usize = 1 << 16;

/// The cursors of a list so far, as hashes.
#[derive(Default)]
struct Cursors {
    hasher: RandomState,
    /// In order. Searched from the start, which takes less time than fetching a page.
    seen: Vec<u64>,
    pages: u64,
}

impl Cursors {
    /// Adds the cursor of the next page. Returns an error if it was there before: the server ignores
    /// cursors, or repeats pages, and the list would have no end.
    fn add(&mut self, cursor: &str) -> Result<()> {
        let hash = self.hasher.hash_one(cursor);
        if !self.seen.contains(&hash) {
            if self.seen.len() >= MAX_CURSORS {
                // A cycle is noticed nevertheless, if it is not longer than the limit.
                self.seen.clear();
            }
            self.seen.push(hash);
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

/// Where a list continues.
enum Next {
    Page,
    /// There are more pages, but the last one had no cursor.
    NoCursor,
    End,
}

/// Fetches the pages of a list.
pub(super) struct PageStream<T> {
    /// The request for the next page.
    request: Box<dyn PagedRequest<T>>,
    fetch: Option<ResponseFuture<Page<T>>>,
    next: Next,
    cursors: Cursors,
}

impl<T> PageStream<T> {
    pub(super) fn new(request: Box<dyn PagedRequest<T>>) -> Self {
        let mut cursors = Cursors::default();
        cursors.seen.extend(request.cursor().map(|cursor| cursors.hasher.hash_one(cursor)));
        Self { request, fetch: None, next: Next::Page, cursors }
    }

    /// Prepares the request for the page after this one.
    fn continue_after(&mut self, page: &Page<T>) -> Result<()> {
        if let Some(cursor) = page.next_cursor() {
            self.cursors.add(cursor)?;
            self.request.set_cursor(cursor.to_owned());
            self.next = Next::Page;
        } else if page.has_more && !page.is_empty() {
            self.next = Next::NoCursor;
        }
        Ok(())
    }
}

impl<T> Stream for PageStream<T> {
    type Item = Result<Page<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { request, fetch, next, .. } = &mut *self;
        match next {
            Next::Page => {}
            Next::NoCursor => {
                *next = Next::End;
                return Poll::Ready(Some(Err(no_cursor())));
            }
            Next::End => return Poll::Ready(None),
        }
        let fetched = fetch.get_or_insert_with(|| request.fetch()).as_mut().poll(context);
        let fetched = ready!(fetched);
        *fetch = None;
        // Also after an error.
        *next = Next::End;
        Poll::Ready(Some(match fetched {
            Ok(page) => self.continue_after(&page).map(|()| page),
            Err(error) => Err(error),
        }))
    }
}

fn no_cursor() -> Error {
    let message = "the server has more pages, but the last page has no entry with an id to continue \
        after";
    Error::new(ErrorKind::Decode, message)
}

/// Fetches the items of a list.
pub(super) struct ItemStream<T> {
    pages: PageStream<T>,
    entries: Option<Entries<T>>,
    skips_invalid: bool,
}

impl<T> ItemStream<T> {
    pub(super) fn new(request: Box<dyn PagedRequest<T>>, skips_invalid: bool) -> Self {
        Self { pages: PageStream::new(request), entries: None, skips_invalid }
    }
}

impl<T: Unpin> Stream for ItemStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { pages, entries, skips_invalid } = &mut *self;
        loop {
            if let Some(entry) = entries.as_mut().and_then(Entries::next) {
                return Poll::Ready(Some(entry));
            }
            let mut page = match ready!(Pin::new(&mut *pages).poll_next(context)) {
                Some(Ok(page)) => page,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            if *skips_invalid {
                page.invalid.clear();
            }
            *entries = Some(Entries::new(page));
        }
    }
}
