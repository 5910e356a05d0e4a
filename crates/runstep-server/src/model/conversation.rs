//! Conversations, whose older part requests share.

use std::fmt;
use std::sync::Arc;

use super::built_in::CodeOutput;
use super::request::{ConversationItem, UserPart};
use super::tokens::item_tokens;

/// How many items are shared together.
const SEGMENT_ITEMS: usize = 64;
/// An estimate of the memory of an item besides its texts, in bytes.
const ITEM_BYTES: usize = 64;

/// The items of a conversation, oldest first. Clones share them, so a clone of a long conversation
/// is cheap.
///
/// ```
/// use runstep_server::model::{Conversation, ConversationItem};
///
/// let mut conversation = Conversation::from(vec![ConversationItem::User("Hi".to_owned())]);
/// conversation.push(ConversationItem::Assistant("Hello.".to_owned()));
/// assert_eq!(conversation.iter().count(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Conversation {
    /// The first segments, if they are not those of `older`: an inserted one, and one that is shortened.
    leading: Vec<Segment>,
    /// The segments before the newest, without those of `leading`. Clones share the list, too: its
    /// length is that of the thread.
    older: Arc<Vec<Segment>>,
    /// How many segments of `older` do not belong to the conversation, the first ones.
    skipped: usize,
    newest: Segment,
    length: usize,
    tokens: u64,
    bytes: usize,
}

/// Consecutive items. Those before `start` do not belong to the conversation.
#[derive(Clone, Default)]
struct Segment {
    items: Arc<Vec<ConversationItem>>,
    start: usize,
    /// Of the items from `start` on.
    tokens: u64,
    bytes: usize,
}

impl Segment {
    fn with_start(items: Arc<Vec<ConversationItem>>, start: usize) -> Self {
        let mut segment = Self { items, start, tokens: 0, bytes: 0 };
        segment.tokens = segment.iter().map(item_tokens).sum();
        segment.bytes = segment.iter().map(item_bytes).sum();
        segment
    }

    fn iter(&self) -> std::slice::Iter<'_, ConversationItem> {
        self.items.get(self.start..).unwrap_or_default().iter()
    }
}

impl Conversation {
    /// Creates an empty conversation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an item.
    pub fn push(&mut self, item: ConversationItem) {
        if self.newest.items.len() >= SEGMENT_ITEMS {
            let full = std::mem::take(&mut self.newest);
            let older = Arc::make_mut(&mut self.older);
            older.drain(..std::mem::take(&mut self.skipped));
            older.push(full);
        }
        let (tokens, bytes) = (item_tokens(&item), item_bytes(&item));
        self.newest.tokens += tokens;
        self.newest.bytes += bytes;
        // Copies the items of this segment if they are shared.
        Arc::make_mut(&mut self.newest.items).push(item);
        self.length += 1;
        self.tokens += tokens;
        self.bytes += bytes;
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the newest item.
    pub fn last(&self) -> Option<&ConversationItem> {
        self.iter().next_back()
    }

    /// Iterates over the items, oldest first.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.segments().flatten())
    }

    fn segments(&self) -> Segments<'_> {
        let older = self.older.get(self.skipped..).unwrap_or_default();
        self.leading.iter().chain(older).chain(std::iter::once(&self.newest))
    }

    /// Estimates the tokens of all items.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Estimates the memory of all items in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Inserts an item before all others.
    pub(crate) fn insert_first(&mut self, item: ConversationItem) {
        let first = Segment::with_start(Arc::new(vec![item]), 0);
        self.length += 1;
        self.tokens += first.tokens;
        self.bytes += first.bytes;
        self.leading.insert(0, first);
    }

    /// Removes the oldest items beyond a limit of tokens, but not the newest item. Calls whose message
    /// is removed are removed with it: providers reject outputs without their calls.
    ///
    /// The cost depends on the number of removed items, and not on the length of the conversation.
    pub(crate) fn truncate_oldest(&mut self, max_tokens: u64) {
        if self.tokens <= max_tokens {
            return;
        }
        while self.first().tokens < self.tokens - max_tokens && self.remove_first() {}
        let mut excess = self.tokens - max_tokens;
        let kept = usize::from(self.is_newest_first());
        let mut items = self.first().iter();
        while items.len() > kept
            && excess > 0
            && let Some(item) = items.next()
        {
            excess = excess.saturating_sub(item_tokens(item));
        }
        let kept = items.len();
        self.shorten_first(kept);
        self.remove_leading_calls();
        // The segments can be freed only if no clone has them.
        if let Some(older) = Arc::get_mut(&mut self.older) {
            older.drain(..std::mem::take(&mut self.skipped));
        }
    }

    fn remove_leading_calls(&mut self) {
        loop {
            let first = self.first();
            let length = first.iter().len();
            let kept = first.iter().skip_while(|item| !is_message(item)).count();
            self.shorten_first(kept);
            // A segment without messages is removed, and the next one is the first.
            if length == 0 || kept > 0 {
                return;
            }
        }
    }

    /// Returns the first segment.
    fn first(&self) -> &Segment {
        let first = self.leading.first().or_else(|| self.older.get(self.skipped));
        first.unwrap_or(&self.newest)
    }

    /// Returns whether the newest segment is the only one.
    fn is_newest_first(&self) -> bool {
        self.leading.is_empty() && self.skipped == self.older.len()
    }

    /// Removes the first segment. Returns `false` if it is the newest, which is not removed.
    fn remove_first(&mut self) -> bool {
        if self.is_newest_first() {
            return false;
        }
        let first = self.first();
        let (length, tokens, bytes) = (first.iter().len(), first.tokens, first.bytes);
        self.length -= length;
        self.tokens -= tokens;
        self.bytes -= bytes;
        if self.leading.is_empty() {
            self.skipped += 1;
        } else {
            self.leading.remove(0);
        }
        true
    }

    /// Keeps this many of the newest items of the first segment.
    fn shorten_first(&mut self, kept: usize) {
        let first = self.first();
        if kept == first.iter().len() {
            return;
        }
        let start = first.items.len().saturating_sub(kept);
        let shortened = Segment::with_start(Arc::clone(&first.items), start);
        let (tokens, bytes) = (shortened.tokens, shortened.bytes);
        if self.remove_first() {
            if kept == 0 {
                return;
            }
            self.leading.insert(0, shortened);
        } else {
            self.length -= self.newest.iter().len();
            self.tokens -= self.newest.tokens;
            self.bytes -= self.newest.bytes;
            self.newest = shortened;
        }
        self.length += kept;
        self.tokens += tokens;
        self.bytes += bytes;
    }
}

/// All segments, oldest first.
type Segments<'a> = std::iter::Chain<
    std::iter::Chain<std::slice::Iter<'a, Segment>, std::slice::Iter<'a, Segment>>,
    std::iter::Once<&'a Segment>,
>;

fn is_message(item: &ConversationItem) -> bool {
    matches!(
        item,
        ConversationItem::User(_) | ConversationItem::UserParts(_) | ConversationItem::Assistant(_)
    )
}

fn item_bytes(item: &ConversationItem) -> usize {
    let texts = match item {
        ConversationItem::User(text) | ConversationItem::Assistant(text) => text.len(),
        ConversationItem::UserParts(parts) => parts
            .iter()
            .map(|part| match part {
                UserPart::Text(text) => text.len() + ITEM_BYTES,
                UserPart::Image { url, .. } => url.len() + ITEM_BYTES,
                UserPart::ImageFile { file_id, .. } => file_id.len() + ITEM_BYTES,
            })
            .sum(),
        ConversationItem::ToolCalls(calls) => {
            calls.iter().map(|call| call.name.len() + call.arguments.len() + ITEM_BYTES).sum()
        }
        ConversationItem::ToolOutput { output, .. } => output.len(),
        ConversationItem::CodeInterpreterCall(call) => {
            let outputs = call.outputs.iter().map(|output| match output {
                CodeOutput::Logs(text) | CodeOutput::Image { file_id: text } => text.len(),
            });
            call.code.len() + outputs.sum::<usize>()
        }
        ConversationItem::FileSearchCall(call) => {
            call.results.iter().map(|result| result.text.len() + ITEM_BYTES).sum()
        }
        ConversationItem::Reasoning(item) => item.to_string().len(),
    };
    texts + ITEM_BYTES
}

/// An iterator over the items of a conversation.
#[derive(Clone)]
pub struct Iter<'a>(std::iter::Flatten<Segments<'a>>);

impl<'a> IntoIterator for &'a Segment {
    type Item = &'a ConversationItem;
    type IntoIter = std::slice::Iter<'a, ConversationItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a ConversationItem;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl<'a> IntoIterator for &'a Conversation {
    type Item = &'a ConversationItem;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Extend<ConversationItem> for Conversation {
    fn extend<I: IntoIterator<Item = ConversationItem>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl FromIterator<ConversationItem> for Conversation {
    fn from_iter<I: IntoIterator<Item = ConversationItem>>(items: I) -> Self {
        let mut conversation = Self::new();
        conversation.extend(items);
        conversation
    }
}

impl From<Vec<ConversationItem>> for Conversation {
    fn from(items: Vec<ConversationItem>) -> Self {
        items.into_iter().collect()
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl PartialEq for Conversation {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl PartialEq<[ConversationItem]> for Conversation {
    fn eq(&self, other: &[ConversationItem]) -> bool {
        self.length == other.len() && self.iter().eq(other.iter())
    }
}

impl<const N: usize> PartialEq<[ConversationItem; N]> for Conversation {
    fn eq(&self, other: &[ConversationItem; N]) -> bool {
        *self == other[..]
    }
}

impl PartialEq<Vec<ConversationItem>> for Conversation {
    fn eq(&self, other: &Vec<ConversationItem>) -> bool {
        *self == other[..]
    }
}

#[cfg(test)]
mod tests;
