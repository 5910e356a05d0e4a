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
    /// All segments but the newest. Clones share the list, too: its length is that of the thread.
    older: Arc<Vec<Segment>>,
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
            Arc::make_mut(&mut self.older).push(full);
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
        self.older.iter().chain(std::iter::once(&self.newest))
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
        Arc::make_mut(&mut self.older).insert(0, first);
        self.count();
    }

    /// Removes the oldest items beyond a limit of tokens, but not the newest item. Calls whose message
    /// is removed are removed with it: providers reject outputs without their calls.
    pub(crate) fn truncate_oldest(&mut self, max_tokens: u64) {
        let mut excess = self.tokens.saturating_sub(max_tokens);
        if excess == 0 {
            return;
        }
        let mut removed = 0;
        while let Some(segment) = self.older.get(removed)
            && segment.tokens < excess
        {
            excess -= segment.tokens;
            removed += 1;
        }
        if removed > 0 {
            Arc::make_mut(&mut self.older).drain(..removed);
        }
        let (first, kept) = match self.older.first() {
            Some(first) => (first, 0),
            None => (&self.newest, 1),
        };
        let mut items = first.iter();
        while items.len() > kept
            && excess > 0
            && let Some(item) = items.next()
        {
            excess = excess.saturating_sub(item_tokens(item));
        }
        self.shorten_first(items.len());
        self.remove_leading_calls();
        self.count();
    }

    fn remove_leading_calls(&mut self) {
        loop {
            let first = self.older.first().unwrap_or(&self.newest);
            let length = first.iter().len();
            let kept = first.iter().skip_while(|item| !is_message(item)).count();
            self.shorten_first(kept);
            // A segment without messages is removed, and the next one is the first.
            if length == 0 || kept > 0 {
                return;
            }
        }
    }

    /// Keeps this many of the newest items of the first segment.
    fn shorten_first(&mut self, kept: usize) {
        let first = self.older.first().unwrap_or(&self.newest);
        if kept == first.iter().len() {
            return;
        }
        let start = first.items.len().saturating_sub(kept);
        let shortened = Segment::with_start(Arc::clone(&first.items), start);
        if self.older.is_empty() {
            self.newest = shortened;
            return;
        }
        let older = Arc::make_mut(&mut self.older);
        match older.first_mut() {
            Some(first) if kept > 0 => *first = shortened,
            _ => drop(older.drain(..1)),
        }
    }

    /// Sets the sums over all segments.
    fn count(&mut self) {
        self.length = self.segments().map(|segment| segment.iter().len()).sum();
        self.tokens = self.segments().map(|segment| segment.tokens).sum();
        self.bytes = self.segments().map(|segment| segment.bytes).sum();
    }
}

/// All segments, oldest first.
type Segments<'a> = std::iter::Chain<std::slice::Iter<'a, Segment>, std::iter::Once<&'a Segment>>;

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
mod tests {
    use super::*;

    fn user(number: usize) -> ConversationItem {
        // One token each.
        ConversationItem::User(format!("{number:04}"))
    }

    fn numbers(conversation: &Conversation) -> Vec<usize> {
        let number = |item: &ConversationItem| match item {
            ConversationItem::User(text) => text.parse().unwrap(),
            _ => unreachable!(),
        };
        conversation.iter().map(number).collect()
    }

    #[test]
    fn oldest_items_are_removed_within_and_between_segments() {
        let all: Conversation = (0..200).map(user).collect();
        assert_eq!((all.len(), all.tokens()), (200, 200));
        for limit in [0, 1, 2, 71, 72, 73, 136, 199, 200, 1000] {
            let mut newest = all.clone();
            newest.truncate_oldest(limit as u64);
            let count = limit.clamp(1, 200);
            assert_eq!(numbers(&newest), (200 - count..200).collect::<Vec<_>>(), "{limit}");
            assert_eq!((newest.len(), newest.tokens()), (count, count as u64));
            newest.push(user(200));
            assert_eq!(newest.len(), count + 1);
            assert_eq!(newest.last(), Some(&user(200)));
        }
        assert_eq!(numbers(&all), (0..200).collect::<Vec<_>>(), "the clones changed it");
    }

    #[test]
    fn calls_without_their_message_are_removed_across_segments() {
        let output = |number: usize| ConversationItem::ToolOutput {
            call_id: number.to_string(),
            output: "x".repeat(4),
        };
        let mut conversation = Conversation::from(vec![user(0)]);
        conversation.extend((0..150).map(output));
        conversation.push(user(1));
        let (all, last) = (conversation.clone(), item_tokens(&user(1)));
        conversation.truncate_oldest(all.tokens() - 1);
        assert_eq!(numbers(&conversation), [1]);
        assert_eq!((conversation.len(), conversation.tokens()), (1, last));
        assert_eq!((all.len(), conversation.bytes() < all.bytes()), (152, true));
    }

    #[test]
    fn newest_item_is_kept_whatever_its_length() {
        let mut conversation: Conversation = (0..64).map(user).collect();
        conversation.push(ConversationItem::User("x".repeat(400)));
        conversation.truncate_oldest(99);
        assert_eq!((conversation.len(), conversation.tokens()), (1, 100));
        conversation.truncate_oldest(0);
        assert_eq!(conversation.len(), 1);
        let mut empty = Conversation::new();
        empty.truncate_oldest(0);
        assert!(empty.is_empty());
    }
}
