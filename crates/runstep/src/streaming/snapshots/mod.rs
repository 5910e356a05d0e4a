//! Snapshots: messages and steps, assembled from events.

mod message;
mod size;
mod step;
mod unknown;

use runstep_api::types::{Message, MessageDelta, Run, RunStep, RunStepDelta, StepDetails};

use crate::error::{Error, ErrorKind};

pub(super) use message::{message_has_ended, next_message_delta};
pub(super) use size::{has_same_json, json_size};
pub(super) use step::next_step_delta;

/// Maximum size of all messages and steps of a stream, as with every other response: 64 MiB.
pub(super) const MAX_SNAPSHOT_BYTES: usize = 64 * 1024 * 1024;

/// Creates the error for a run whose messages and steps exceed [`MAX_SNAPSHOT_BYTES`].
pub(super) fn snapshots_too_large() -> Error {
    let message = "the messages and steps of the run exceed 64 MiB; list them page by page";
    Error::new(ErrorKind::Decode, message)
}

/// The messages and steps of a run, oldest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    messages: Vec<Message>,
    message_indexes: Vec<IndexMap>,
    steps: Vec<RunStep>,
    step_indexes: Vec<IndexMap>,
    /// The size of all messages and steps in bytes.
    size: usize,
}

impl Snapshots {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn steps(&self) -> &[RunStep] {
        &self.steps
    }

    /// Returns the size of all messages and steps in bytes, approximately that of their JSON.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn into_parts(self) -> (Vec<Message>, Vec<RunStep>) {
        (self.messages, self.steps)
    }

    pub(super) fn message(&self, id: &str) -> Option<&Message> {
        self.messages.iter().rfind(|message| message.id == id)
    }

    pub(super) fn step(&self, id: &str) -> Option<&RunStep> {
        self.steps.iter().rfind(|step| step.id == id)
    }

    /// Returns whether an event with the message itself has arrived, not only deltas.
    pub(super) fn has_message_event(&self, id: &str) -> bool {
        let at = self.messages.iter().rposition(|message| message.id == id);
        at.and_then(|at| self.message_indexes.get(at)).is_some_and(|indexes| indexes.has_event)
    }

    /// Returns whether an event with the step itself has arrived, not only deltas.
    pub(super) fn has_step_event(&self, id: &str) -> bool {
        let at = self.steps.iter().rposition(|step| step.id == id);
        at.and_then(|at| self.step_indexes.get(at)).is_some_and(|indexes| indexes.has_event)
    }

    /// Stores a message and replaces an earlier state. Content from deltas that arrived before the
    /// message remains until a message with as much content, or one that has ended, replaces it.
    pub(super) fn put_message(&mut self, message: &Message) {
        let at = self.messages.iter().rposition(|known| known.id == message.id);
        let mut message = message.clone();
        let mut indexes = message::index_map(&message);
        if let Some((known, known_indexes)) =
            both_mut(&mut self.messages, &mut self.message_indexes, at)
        {
            self.size -= known_indexes.size;
            if known_indexes.began_with_delta && message::is_behind(&message, known) {
                message.content = std::mem::take(&mut known.content);
                indexes = std::mem::take(known_indexes);
            }
        }
        indexes.set_event(json_size(&message));
        self.size += indexes.size;
        put(&mut self.messages, at, message);
        put(&mut self.message_indexes, at, indexes);
    }

    /// Stores a step and replaces an earlier state, with the same exception as for messages.
    pub(super) fn put_step(&mut self, step: &RunStep) {
        let at = self.steps.iter().rposition(|known| known.id == step.id);
        let mut step = step.clone();
        let mut indexes = step::index_map(&step);
        if let Some((known, known_indexes)) = both_mut(&mut self.steps, &mut self.step_indexes, at)
        {
            self.size -= known_indexes.size;
            if known_indexes.began_with_delta && step::is_behind(&step, known) {
                std::mem::swap(&mut step.step_details, &mut known.step_details);
                indexes = std::mem::take(known_indexes);
            }
        }
        indexes.set_event(json_size(&step));
        self.size += indexes.size;
        put(&mut self.steps, at, step);
        put(&mut self.step_indexes, at, indexes);
    }

    /// Applies a delta to a message. The first delta of an unknown message creates it, with the ids of the
    /// run, if they are known: some servers emit deltas before the message.
    pub(super) fn extend_message(&mut self, delta: &MessageDelta, run: Option<&Run>) {
        let at = self.messages.iter().rposition(|message| message.id == delta.id);
        let at = at.unwrap_or_else(|| {
            let message = message::from_delta(delta, run);
            let indexes = IndexMap::of_delta(json_size(&message));
            self.size += indexes.size;
            put(&mut self.messages, None, message);
            put(&mut self.message_indexes, None, indexes);
            self.messages.len() - 1
        });
        if let Some((message, indexes)) =
            both_mut(&mut self.messages, &mut self.message_indexes, Some(at))
        {
            let parts = message.content.len();
            message::extend(message, indexes, &delta.delta);
            let added = (message.content.len() - parts) * size::PART_BYTES;
            self.size += indexes.grow(added + size::of_message_delta(&delta.delta));
        }
    }

    /// Applies a delta to a step. The first delta of an unknown step creates it, as for messages.
    pub(super) fn extend_step(&mut self, delta: &RunStepDelta, run: Option<&Run>) {
        let Some(details) = &delta.delta.step_details else { return };
        let known = self.steps.iter().rposition(|step| step.id == delta.id);
        let at = known.or_else(|| {
            let step = step::from_delta(&delta.id, details, run)?;
            let indexes = IndexMap::of_delta(json_size(&step));
            self.size += indexes.size;
            put(&mut self.steps, None, step);
            put(&mut self.step_indexes, None, indexes);
            Some(self.steps.len() - 1)
        });
        if let Some((step, indexes)) = both_mut(&mut self.steps, &mut self.step_indexes, at) {
            let parts = calls(step);
            step::extend(&mut step.step_details, indexes, details);
            let added = (calls(step) - parts) * size::PART_BYTES;
            self.size += indexes.grow(added + size::of_step_delta(details));
        }
    }
}

/// Returns the items at a position of two lists.
fn both_mut<'a, T, U>(
    items: &'a mut [T],
    others: &'a mut [U],
    at: Option<usize>,
) -> Option<(&'a mut T, &'a mut U)> {
    Some((items.get_mut(at?)?, others.get_mut(at?)?))
}

/// Replaces the item at a position, or appends an item.
fn put<T>(items: &mut Vec<T>, at: Option<usize>, item: T) {
    if let Some(known) = at.and_then(|at| items.get_mut(at)) {
        *known = item;
        return;
    }
    reserve_one(items);
    items.push(item);
}

fn calls(step: &RunStep) -> usize {
    match &step.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.len(),
        _ => 0,
    }
}

/// Maps the protocol indexes of the items of a list, in ascending order, to positions, for the list
/// itself and for the lists within its items. A server that skips indexes costs no memory. Also
/// counts the size of the object.
#[derive(Debug, Default)]
struct IndexMap {
    indexes: Vec<u64>,
    within: Vec<Vec<u64>>,
    size: usize,
    /// Whether the first event of the object was a delta.
    began_with_delta: bool,
    /// Whether an event with the object itself has arrived.
    has_event: bool,
}

impl IndexMap {
    /// Creates the map of a complete list from the number of items within each item.
    fn whole(within: impl Iterator<Item = usize>) -> Self {
        let within: Vec<Vec<u64>> = within.map(|count| (0..count as u64).collect()).collect();
        Self { indexes: (0..within.len() as u64).collect(), within, ..Self::default() }
    }

    /// Creates the map of an object that begins with a delta.
    fn of_delta(size: usize) -> Self {
        Self { size, began_with_delta: true, ..Self::default() }
    }

    /// Records an event with the object itself, and the size of the object.
    fn set_event(&mut self, size: usize) {
        self.size = size;
        self.has_event = true;
    }

    /// Adds to the size and returns the added bytes.
    fn grow(&mut self, bytes: usize) -> usize {
        self.size += bytes;
        bytes
    }

    /// Returns the item with a protocol index, and the indexes of the list within it. Inserts the item
    /// if it is new.
    fn item<'a, T>(
        &'a mut self,
        items: &'a mut Vec<T>,
        index: u64,
        new: impl FnOnce() -> Option<T>,
    ) -> Option<(&'a mut T, &'a mut Vec<u64>)> {
        let at = match position(&self.indexes, index) {
            Ok(at) => at,
            Err(at) => {
                insert(items, at, new()?);
                insert(&mut self.indexes, at, index);
                insert(&mut self.within, at, Vec::new());
                at
            }
        };
        Some((items.get_mut(at)?, self.within.get_mut(at)?))
    }
}

/// Returns the item with a protocol index of a list within an item. Inserts it if it is new.
fn item_within<'a, T>(
    indexes: &mut Vec<u64>,
    items: &'a mut Vec<T>,
    index: u64,
    new: impl FnOnce() -> Option<T>,
) -> Option<&'a mut T> {
    let at = match position(indexes, index) {
        Ok(at) => at,
        Err(at) => {
            insert(items, at, new()?);
            insert(indexes, at, index);
            at
        }
    };
    items.get_mut(at)
}

fn position(indexes: &[u64], index: u64) -> Result<usize, usize> {
    // Fast path: most servers skip no index.
    match usize::try_from(index) {
        Ok(at) if indexes.get(at) == Some(&index) => Ok(at),
        _ => indexes.binary_search(&index),
    }
}

fn insert<T>(items: &mut Vec<T>, at: usize, item: T) {
    reserve_one(items);
    items.insert(at.min(items.len()), item);
}

/// Reserves space for one item: most lists have one, and `Vec` would allocate space for four.
fn reserve_one<T>(items: &mut Vec<T>) {
    if items.is_empty() {
        items.reserve_exact(1);
    }
}

/// Replaces a field if the delta has a value for it.
fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn set_option<T: Clone>(field: &mut Option<T>, value: Option<&T>) {
    if value.is_some() {
        *field = value.cloned();
    }
}

fn append(text: &mut String, more: Option<&String>) {
    text.push_str(more.map(String::as_str).unwrap_or_default());
}

/// Returns the text after a known prefix, or `None` if it is empty or the prefix differs.
fn suffix_after(text: &str, beginning: &str) -> Option<String> {
    text.strip_prefix(beginning).filter(|rest| !rest.is_empty()).map(str::to_owned)
}
