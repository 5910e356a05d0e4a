//! Decodes the chunks of a response into model events.

use std::collections::VecDeque;

use secrecy::SecretString;

use super::chunk::{self, Chunk};
use super::tool_calls::ToolCalls;
use crate::model::upstream::{CallError, Decoder, EventQueue, parse};
use crate::model::{ModelEvent, tokens_of_characters};

/// Decodes the chunks of one response.
#[derive(Debug)]
pub(super) struct ChunkDecoder {
    events: EventQueue,
    calls: ToolCalls,
    finish_reason: Option<FinishReason>,
    has_reasoning: bool,
    has_function_call: bool,
    usage: Option<(u64, u64)>,
    /// Used if the provider does not report usage.
    estimated_prompt_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FinishReason {
    Stop,
    ToolCalls,
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
            "tool_calls" => Self::ToolCalls,
            _ => Self::Stop,
        }
    }
}

impl ChunkDecoder {
    pub(super) fn new(estimated_prompt_tokens: u64) -> Self {
        Self {
            events: EventQueue::default(),
            calls: ToolCalls::default(),
            finish_reason: None,
            has_reasoning: false,
            has_function_call: false,
            usage: None,
            estimated_prompt_tokens,
        }
    }

    /// Applies a chunk. Returns whether it has a part of the response.
    fn apply(&mut self, chunk: Chunk) -> Result<bool, CallError> {
        self.usage = chunk.usage.as_ref().and_then(chunk::usage).or(self.usage);
        // Requests are for one choice.
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return Ok(false) };
        let bytes_before = self.events.bytes;
        let mut has_reasoning = false;
        if let Some(delta) = choice.delta.or(choice.message) {
            has_reasoning = delta.has_reasoning();
            self.has_function_call |= delta.has_function_call();
            let text = delta.content.map(chunk::text).filter(|text| !text.is_empty());
            text.into_iter().for_each(|text| self.events.push(ModelEvent::Text(text)));
            let refusal = delta.refusal.filter(|text| !text.is_empty());
            refusal.into_iter().for_each(|text| self.events.push(ModelEvent::Refusal(text)));
            for call in delta.tool_calls.into_iter().flatten() {
                self.calls.apply(call, &mut self.events)?;
            }
        }
        self.has_reasoning |= has_reasoning;
        self.events.check_length()?;
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(FinishReason::parse(&reason));
        }
        Ok(has_reasoning || self.events.bytes > bytes_before)
    }

    /// Creates the error for a response without text and calls.
    fn empty_response(&self) -> CallError {
        CallError::incomplete_response(if self.finish_reason == Some(FinishReason::ToolCalls) {
            "announced function calls and returned none"
        } else if self.has_reasoning {
            "returned reasoning, but neither text nor function calls"
        } else {
            "returned an empty response"
        })
    }
}

impl Decoder for ChunkDecoder {
    fn events(&mut self) -> &mut VecDeque<ModelEvent> {
        &mut self.events.events
    }

    /// Only usage can follow a finish reason.
    fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
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
        let mut chunk: Chunk = parse(data)?;
        match chunk.error.take().filter(|error| !error.is_null()) {
            Some(error) => Err(CallError::in_stream(&error, key)),
            None if is_error => {
                Err(CallError::in_stream(&serde_json::from_slice(data).unwrap_or_default(), key))
            }
            None => self.apply(chunk),
        }
    }

    fn finish(&mut self, has_done_marker: bool) -> Result<(), CallError> {
        match self.finish_reason {
            Some(FinishReason::Error) => {
                return Err(CallError::invalid_response("reported that its response failed"));
            }
            None if !has_done_marker && self.events.bytes > 0 => {
                return Err(CallError::incomplete_response("returned an incomplete response"));
            }
            Some(FinishReason::Length) => self.events.push(ModelEvent::TokenLimit),
            Some(FinishReason::ContentFilter) => self.events.push(ModelEvent::ContentFilter),
            _ if self.has_function_call => {
                return Err(CallError::invalid_response(
                    "called a function in the obsolete field 'function_call' instead of \
                     'tool_calls'",
                ));
            }
            _ if self.events.bytes == 0 && self.calls.is_empty() => {
                return Err(self.empty_response());
            }
            reason => self.calls.finish(reason.is_some(), &mut self.events)?,
        }
        let estimate = (self.estimated_prompt_tokens, tokens_of_characters(self.events.characters));
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or(estimate);
        self.events.push(ModelEvent::Usage { prompt_tokens, completion_tokens });
        Ok(())
    }
}
