//! Decodes the chunks of a response into model events.

use super::chunk::{self, Chunk};
use super::error::CallError;
use super::event_queue::EventQueue;
use super::tool_calls::{ToolCallError, ToolCalls};
use crate::model::{ModelEvent, tokens_of_characters};

/// The length of a response in total.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

/// Decodes the chunks of one response.
#[derive(Debug)]
pub(super) struct Decoder {
    events: EventQueue,
    calls: ToolCalls,
    finish_reason: Option<FinishReason>,
    usage: Option<(u64, u64)>,
    /// Used if the provider does not report usage.
    estimated_prompt_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FinishReason {
    Stop,
    Length,
    ContentFilter,
    Error,
}

impl FinishReason {
    fn parse(reason: &str) -> Self {
        match reason {
            "length" | "max_tokens" | "model_length" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Error,
            _ => Self::Stop,
        }
    }
}

impl Decoder {
    pub(super) fn new(estimated_prompt_tokens: u64) -> Self {
        Self {
            events: EventQueue::default(),
            calls: ToolCalls::default(),
            finish_reason: None,
            usage: None,
            estimated_prompt_tokens,
        }
    }

    /// Returns the next decoded event.
    pub(super) fn next(&mut self) -> Option<ModelEvent> {
        self.events.pop()
    }

    /// Discards the decoded events.
    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns whether there was a finish reason. Only usage can follow.
    pub(super) fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    pub(super) fn decode(&mut self, chunk: Chunk) -> Result<(), CallError> {
        self.usage = chunk.usage.as_ref().and_then(chunk::usage).or(self.usage);
        // Requests are for one choice.
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return Ok(()) };
        if let Some(delta) = choice.delta.or(choice.message) {
            let text = delta.content.map(chunk::text).filter(|text| !text.is_empty());
            text.into_iter().for_each(|text| self.events.push(ModelEvent::Text(text)));
            let refusal = delta.refusal.filter(|text| !text.is_empty());
            refusal.into_iter().for_each(|text| self.events.push(ModelEvent::Refusal(text)));
            for call in delta.tool_calls.into_iter().flatten() {
                self.calls.apply(call, &mut self.events).map_err(call_error)?;
            }
        }
        if self.events.bytes() > MAX_RESPONSE_BYTES {
            let limit = MAX_RESPONSE_BYTES / (1024 * 1024);
            let problem = format!("returned a response longer than {limit} MiB");
            return Err(CallError::invalid_response(&problem));
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(FinishReason::parse(&reason));
        }
        Ok(())
    }

    /// Completes the response. `is_marked` means that the provider marked its end with `[DONE]`.
    pub(super) fn finish(&mut self, is_marked: bool) -> Result<(), CallError> {
        match self.finish_reason {
            Some(FinishReason::Error) => {
                return Err(CallError::invalid_response("reported that its response failed"));
            }
            None if self.events.bytes() == 0 => {
                return Err(CallError::incomplete_response("returned an empty response"));
            }
            None if !is_marked => {
                return Err(CallError::incomplete_response("returned an incomplete response"));
            }
            Some(FinishReason::Length) => self.events.push(ModelEvent::TokenLimit),
            Some(FinishReason::ContentFilter) => self.events.push(ModelEvent::ContentFilter),
            _ => self.calls.finish(&mut self.events).map_err(call_error)?,
        }
        let estimate =
            (self.estimated_prompt_tokens, tokens_of_characters(self.events.characters()));
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or(estimate);
        self.events.push(ModelEvent::Usage { prompt_tokens, completion_tokens });
        Ok(())
    }
}

fn call_error(error: ToolCallError) -> CallError {
    CallError::invalid_response(match error {
        ToolCallError::TooMany => "called too many functions at once",
        ToolCallError::MissingName => "called a function without a name",
    })
}
