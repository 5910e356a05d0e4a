//! Messages and steps as far as they have been told.

mod message;
mod size;
mod step;
mod unknown;

use runstep_api::types::{Message, MessageDelta, RunStep, RunStepDelta, StepDetails};

pub(super) use message::next_message_delta;
pub(super) use size::json_size;
pub(super) use step::next_step_delta;

/// The messages and steps of a run, oldest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    messages: Vec<Message>,
    message_places: Vec<Places>,
    steps: Vec<RunStep>,
    step_places: Vec<Places>,
    /// How long all of them are.
    size: usize,
}

impl Snapshots {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn steps(&self) -> &[RunStep] {
        &self.steps
    }

    /// How long the messages and steps are in all, in bytes; about that of their JSON.
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

    /// Puts a whole message in the place of what was known of it.
    pub(super) fn put_message(&mut self, message: &Message) {
        let mut places = message::places(message);
        places.size = json_size(message);
        self.size += places.size;
        match self.messages.iter().rposition(|known| known.id == message.id) {
            Some(at) => {
                replace(&mut self.messages, at, message.clone());
                self.size -= replace(&mut self.message_places, at, places).map_or(0, Places::size);
            }
            None => {
                push_one(&mut self.messages, message.clone());
                push_one(&mut self.message_places, places);
            }
        }
    }

    /// Puts a whole step in the place of what was known of it.
    pub(super) fn put_step(&mut self, step: &RunStep) {
        let mut places = step::places(step);
        places.size = json_size(step);
        self.size += places.size;
        match self.steps.iter().rposition(|known| known.id == step.id) {
            Some(at) => {
                replace(&mut self.steps, at, step.clone());
                self.size -= replace(&mut self.step_places, at, places).map_or(0, Places::size);
            }
            None => {
                push_one(&mut self.steps, step.clone());
                push_one(&mut self.step_places, places);
            }
        }
    }

    /// Adds to a message. One whose creation was not told has no snapshot until it is told whole.
    pub(super) fn extend_message(&mut self, delta: &MessageDelta) {
        let mut known = self.messages.iter_mut().zip(&mut self.message_places).rev();
        if let Some((message, places)) = known.find(|(message, _)| message.id == delta.id) {
            let parts = message.content.len();
            message::extend(message, places, &delta.delta);
            let added = (message.content.len() - parts) * size::PART;
            self.size += places.grow(added + size::of_message_piece(&delta.delta));
        }
    }

    /// Adds to a step, likewise.
    pub(super) fn extend_step(&mut self, delta: &RunStepDelta) {
        let mut known = self.steps.iter_mut().zip(&mut self.step_places).rev();
        if let Some((step, places)) = known.find(|(step, _)| step.id == delta.id)
            && let Some(details) = &delta.delta.step_details
        {
            let parts = calls(step);
            step::extend(&mut step.step_details, places, details);
            let added = (calls(step) - parts) * size::PART;
            self.size += places.grow(added + size::of_step_piece(details));
        }
    }
}

fn replace<T>(all: &mut [T], at: usize, value: T) -> Option<T> {
    Some(std::mem::replace(all.get_mut(at)?, value))
}

fn calls(step: &RunStep) -> usize {
    match &step.step_details {
        StepDetails::ToolCalls(details) => details.tool_calls.len(),
        _ => 0,
    }
}

/// Which index of the protocol each item of a list has, in ascending order, and the same of the
/// items within each. They are kept, so that a server which skips indexes costs no memory. Also how
/// long it all is.
#[derive(Debug, Default)]
struct Places {
    indexes: Vec<u64>,
    within: Vec<Vec<u64>>,
    size: usize,
}

impl Places {
    /// Of a list that came whole, each of whose items has so many within.
    fn whole(within: impl Iterator<Item = usize>) -> Self {
        let within: Vec<Vec<u64>> = within.map(|count| (0..count as u64).collect()).collect();
        Self { indexes: (0..within.len() as u64).collect(), within, size: 0 }
    }

    fn size(self) -> usize {
        self.size
    }

    /// Counts so many bytes more, and gives them back.
    fn grow(&mut self, bytes: usize) -> usize {
        self.size += bytes;
        bytes
    }

    /// Adds a piece to the item with its index: a new one where there is none. Also gives the
    /// places within that item.
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

/// The same for a list within an item.
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
    // Most often no index is skipped.
    match usize::try_from(index) {
        Ok(at) if indexes.get(at) == Some(&index) => Ok(at),
        _ => indexes.binary_search(&index),
    }
}

fn insert<T>(items: &mut Vec<T>, at: usize, item: T) {
    make_place(items);
    items.insert(at.min(items.len()), item);
}

fn push_one<T>(items: &mut Vec<T>, item: T) {
    make_place(items);
    items.push(item);
}

/// Most lists have one item only, and a vector would begin with places for four.
fn make_place<T>(items: &mut Vec<T>) {
    if items.is_empty() {
        items.reserve_exact(1);
    }
}

/// Sets what a piece has a value for.
fn set<T: Clone>(place: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        place.clone_from(value);
    }
}

fn set_some<T: Clone>(place: &mut Option<T>, value: Option<&T>) {
    if value.is_some() {
        *place = value.cloned();
    }
}

fn push(text: &mut String, more: Option<&String>) {
    text.push_str(more.map(String::as_str).unwrap_or_default());
}

/// What a text has beyond its beginning; none if it has nothing, or does not begin so.
fn beyond(text: &str, beginning: &str) -> Option<String> {
    text.strip_prefix(beginning).filter(|rest| !rest.is_empty()).map(str::to_owned)
}
