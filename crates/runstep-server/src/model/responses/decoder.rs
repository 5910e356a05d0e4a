//! Decodes the events of a response into model events.

use std::collections::VecDeque;

use secrecy::SecretString;
use serde::Deserialize as _;
use serde_json::Value;

use super::event::{self, OutputItem, ResponseObject, StreamedEvent};
use super::items::{Counts, FunctionCall, Item, Message, append_code, complete_code};
use crate::model::upstream::{CallError, Decoder, EventQueue, arguments, parse, token_count};
use crate::model::{ModelEvent, tokens_of_characters};

/// The number of items in one response.
const MAX_ITEMS: usize = 1024;

/// Decodes the events of one response.
#[derive(Debug)]
pub(super) struct EventDecoder {
    events: EventQueue,
    /// In order of arrival.
    items: Vec<ItemState>,
    counts: Counts,
    ending: Option<Ending>,
    usage: Option<(u64, u64)>,
    /// Used if the provider does not report usage.
    estimated_prompt_tokens: u64,
    /// Whether an event of an unknown type was logged.
    has_logged: bool,
}

#[derive(Debug)]
struct ItemState {
    output_index: Option<u64>,
    id: Option<String>,
    is_complete: bool,
    item: Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Completed,
    TokenLimit,
    ContentFilter,
}

impl EventDecoder {
    pub(super) fn new(estimated_prompt_tokens: u64) -> Self {
        Self {
            events: EventQueue::default(),
            items: Vec::new(),
            counts: Counts::default(),
            ending: None,
            usage: None,
            estimated_prompt_tokens,
            has_logged: false,
        }
    }

    /// Applies an event. Returns whether it has a part of the response.
    fn apply(
        &mut self,
        mut event: StreamedEvent,
        key: Option<&SecretString>,
    ) -> Result<bool, CallError> {
        let kind = event.kind.take().unwrap_or_default();
        match kind.strip_prefix("response.").unwrap_or(&kind) {
            "created" | "queued" | "in_progress" => return Ok(false),
            "output_item.added" => {
                let item = event.item.unwrap_or_default();
                self.start(event.output_index, &item)?;
            }
            "output_item.done" => {
                self.complete(event.output_index, &event.item.unwrap_or_default())?;
            }
            "completed" | "incomplete" | "failed" => {
                self.end(event.response.unwrap_or_default(), key)?;
            }
            name => {
                let is_known = self.apply_part(name, event);
                if !is_known && !self.has_logged {
                    self.has_logged = true;
                    tracing::debug!(kind, "ignoring an event of the model's provider");
                }
            }
        }
        self.events.check_length()?;
        Ok(true)
    }

    /// Applies a part of an item. Returns whether its type is known.
    fn apply_part(&mut self, name: &str, event: StreamedEvent) -> bool {
        let part = event.content_index.unwrap_or(0);
        let known = match name {
            "output_text.delta"
            | "output_text.done"
            | "output_text.annotation.added"
            | "refusal.delta"
            | "refusal.done" => {
                let number = event.output_index.unwrap_or(0);
                self.find_or_add(&event, || Item::Message(Message::new(number)))
            }
            "function_call_arguments.delta" | "function_call_arguments.done" => {
                self.find_or_add(&event, || Item::Function(FunctionCall::default()))
            }
            "code_interpreter_call_code.delta" | "code_interpreter_call_code.done" => {
                self.position(event.output_index, event.item_id.as_deref())
            }
            "content_part.added" | "content_part.done" => None,
            name => {
                return name.starts_with("reasoning")
                    || name.starts_with("code_interpreter_call.")
                    || name.starts_with("file_search_call.");
            }
        };
        let state = known.and_then(|position| self.items.get_mut(position));
        // A complete item has all parts. What follows repeats them.
        let Some(state) = state.filter(|state| !state.is_complete) else { return true };
        let events = &mut self.events;
        match (&mut state.item, name) {
            (Item::Message(message), "output_text.delta") => {
                message.text(part, &event::text(event.delta), events);
            }
            (Item::Message(message), "output_text.done") => {
                message.complete_text(part, &event::text(event.text), events);
            }
            (Item::Message(message), "output_text.annotation.added") => {
                let annotation = event.annotation.map(serde_json::from_value).and_then(Result::ok);
                if let Some(annotation) = annotation {
                    message.annotate(part, annotation, events);
                }
            }
            (Item::Message(message), "refusal.delta") => {
                message.refuse(part, &event::text(event.delta), events);
            }
            (Item::Message(message), "refusal.done") => {
                message.complete_refusal(part, &event::text(event.refusal), events);
            }
            (Item::Function(call), "function_call_arguments.delta") => {
                call.append(&event::text(event.delta), events);
            }
            (Item::Function(call), "function_call_arguments.done") => {
                call.complete(&event.arguments.map(arguments).unwrap_or_default(), events);
            }
            (Item::Code { index, code }, "code_interpreter_call_code.delta") => {
                append_code(*index, code, &event::text(event.delta), events);
            }
            (Item::Code { index, code }, "code_interpreter_call_code.done") => {
                complete_code(*index, code, &event::text(event.code), events);
            }
            _ => {}
        }
        true
    }

    /// Returns the position of an item by its index or, for providers without it, by its id. A part
    /// with neither belongs to the newest item.
    fn position(&self, output_index: Option<u64>, id: Option<&str>) -> Option<usize> {
        if output_index.is_some() {
            return self.items.iter().rposition(|state| state.output_index == output_index);
        }
        match id {
            Some(_) => self.items.iter().rposition(|state| state.id.as_deref() == id),
            None => self.items.len().checked_sub(1),
        }
    }

    /// Returns the position of the item of a part. Adds it for a provider that does not announce
    /// items.
    fn find_or_add(&mut self, event: &StreamedEvent, new: impl FnOnce() -> Item) -> Option<usize> {
        let position = self.position(event.output_index, event.item_id.as_deref());
        if position.is_some() || self.items.len() == MAX_ITEMS {
            return position;
        }
        let (output_index, id) = (event.output_index, event.item_id.clone());
        self.items.push(ItemState { output_index, id, is_complete: false, item: new() });
        Some(self.items.len() - 1)
    }

    /// Starts an item. Returns its position.
    fn start(
        &mut self,
        output_index: Option<u64>,
        raw: &Value,
    ) -> Result<Option<usize>, CallError> {
        let Ok(item) = OutputItem::deserialize(raw) else { return Ok(None) };
        if self.items.len() == MAX_ITEMS {
            return Err(CallError::invalid_response("returned too many items"));
        }
        let number = output_index.unwrap_or(self.items.len() as u64);
        let started = Item::start(&item, number, &mut self.counts, &mut self.events)?;
        let state = ItemState { output_index, id: item.id, is_complete: false, item: started };
        self.items.push(state);
        Ok(Some(self.items.len() - 1))
    }

    /// Completes an item.
    fn complete(&mut self, output_index: Option<u64>, raw: &Value) -> Result<(), CallError> {
        let id = raw.get("id").and_then(Value::as_str);
        let position = match self.position(output_index, id) {
            Some(position) => Some(position),
            None => self.start(output_index, raw)?,
        };
        let state = position.and_then(|position| self.items.get_mut(position));
        let Some(state) = state.filter(|state| !state.is_complete) else { return Ok(()) };
        let Ok(item) = OutputItem::deserialize(raw) else { return Ok(()) };
        state.is_complete = true;
        state.item.complete(item, raw, &mut self.counts, &mut self.events)
    }

    /// Ends the response.
    fn end(
        &mut self,
        response: ResponseObject,
        key: Option<&SecretString>,
    ) -> Result<(), CallError> {
        self.usage = response.usage.as_ref().and_then(usage).or(self.usage);
        if let Some(error) = response.error.filter(|error| !error.is_null()) {
            return Err(CallError::in_stream(&error, key));
        }
        let reason = response.incomplete_details.and_then(|details| details.reason);
        let ending = match (response.status.as_deref(), reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => Ending::ContentFilter,
            (Some("incomplete"), _) => Ending::TokenLimit,
            (Some("completed") | None, _) => Ending::Completed,
            _ => return Err(CallError::invalid_response("reported that its response failed")),
        };
        // Items that were not streamed. Those of providers without indices and ids cannot be
        // distinguished from the others.
        let output = response.output.unwrap_or_default();
        let is_matchable = self.items.iter().all(|state| state.output_index.is_some());
        for (index, raw) in (0..).zip(&output) {
            if is_matchable {
                self.complete(Some(index), raw)?;
            }
        }
        self.ending = Some(ending);
        self.events.check_length()
    }

    /// Creates the error for a response without text and calls.
    fn empty_response(&self) -> CallError {
        let has_reasoning = self.items.iter().any(|state| matches!(state.item, Item::Reasoning));
        CallError::incomplete_response(if has_reasoning {
            "returned reasoning, but neither text nor function calls"
        } else {
            "returned an empty response"
        })
    }

    /// Returns whether the response has anything besides reasoning.
    fn has_output(&self) -> bool {
        self.events.characters > 0
            || self.items.iter().any(|state| {
                matches!(state.item, Item::Function(_) | Item::Code { .. } | Item::Search { .. })
            })
    }
}

impl Decoder for EventDecoder {
    fn events(&mut self) -> &mut VecDeque<ModelEvent> {
        &mut self.events.events
    }

    fn is_finished(&self) -> bool {
        self.ending.is_some()
    }

    fn is_complete(&self) -> bool {
        self.ending.is_some()
    }

    fn reported_usage(&self) -> Option<(u64, u64)> {
        self.usage
    }

    fn decode(
        &mut self,
        data: &[u8],
        is_error: bool,
        key: Option<&SecretString>,
    ) -> Result<bool, CallError> {
        let event: StreamedEvent = parse(data)?;
        let is_error = is_error || event.kind.as_deref() == Some("error");
        match (&event.kind, &event.error) {
            (_, Some(error)) if !error.is_null() => Err(CallError::in_stream(error, key)),
            _ if is_error => {
                Err(CallError::in_stream(&serde_json::from_slice(data).unwrap_or_default(), key))
            }
            (None, _) if event.status.is_some() => {
                self.end(parse(data)?, key)?;
                Ok(true)
            }
            _ => self.apply(event, key),
        }
    }

    fn finish(&mut self, _has_done_marker: bool) -> Result<(), CallError> {
        match self.ending {
            None if self.has_output() => {
                return Err(CallError::incomplete_response("returned an incomplete response"));
            }
            None => return Err(self.empty_response()),
            Some(Ending::TokenLimit) => self.events.push(ModelEvent::TokenLimit),
            Some(Ending::ContentFilter) => self.events.push(ModelEvent::ContentFilter),
            Some(Ending::Completed) if !self.has_output() => return Err(self.empty_response()),
            Some(Ending::Completed) => {
                for state in &self.items {
                    state.item.check_arguments(&mut self.events)?;
                }
            }
        }
        let estimate = (self.estimated_prompt_tokens, tokens_of_characters(self.events.characters));
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or(estimate);
        self.events.push(ModelEvent::Usage { prompt_tokens, completion_tokens });
        Ok(())
    }
}

/// Returns the tokens of the input and of the output.
fn usage(usage: &Value) -> Option<(u64, u64)> {
    let tokens = |name: &str| token_count(usage.get(name)?);
    Some((tokens("input_tokens")?, tokens("output_tokens").unwrap_or(0)))
}
