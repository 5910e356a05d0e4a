//! Makes model events of the chunks of an answer.

use std::collections::VecDeque;

use super::chunk::{self, Chunk};
use super::failure::Failure;
use super::tool_calls::{ToolCalls, ToolCallsError};
use crate::model::ModelEvent;

/// How long an answer may be in all.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    output: Output,
    calls: ToolCalls,
    finish: Option<Finish>,
    usage: Option<(u64, u64)>,
    /// What the prompt counts for when the provider does not tell.
    prompt_estimate: u64,
}

/// The events that were made and not taken yet, and the size of all that were made.
#[derive(Debug, Default)]
pub(super) struct Output {
    events: VecDeque<ModelEvent>,
    bytes: usize,
    characters: u64,
}

impl Output {
    pub(super) fn push(&mut self, event: ModelEvent) {
        let text = match &event {
            ModelEvent::Text(text) | ModelEvent::Refusal(text) => text,
            ModelEvent::Arguments { text, .. } => text,
            ModelEvent::ToolCall { name, .. } => name,
            _ => "",
        };
        self.bytes += text.len();
        self.characters += text.chars().count() as u64;
        self.events.push_back(event);
    }
}

/// Why the provider says that the answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    Stop,
    Length,
    ContentFilter,
    Error,
}

impl Finish {
    fn of(reason: &str) -> Self {
        match reason {
            "length" | "max_tokens" | "model_length" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "error" => Self::Error,
            _ => Self::Stop,
        }
    }
}

impl Answer {
    pub(super) fn new(prompt_estimate: u64) -> Self {
        let (output, calls) = (Output::default(), ToolCalls::default());
        Self { output, calls, finish: None, usage: None, prompt_estimate }
    }

    /// The next event that has been made.
    pub(super) fn next(&mut self) -> Option<ModelEvent> {
        self.output.events.pop_front()
    }

    /// Forgets the events that were not taken.
    pub(super) fn clear(&mut self) {
        self.output.events.clear();
    }

    pub(super) fn has_events(&self) -> bool {
        !self.output.events.is_empty()
    }

    /// Whether the provider has said how the answer ends. Only usage may follow.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    pub(super) fn take(&mut self, chunk: Chunk) -> Result<(), Failure> {
        self.usage = chunk.usage.as_ref().and_then(chunk::usage).or(self.usage);
        // There is one choice, for one is asked for.
        let Some(choice) = chunk.choices.into_iter().flatten().next() else { return Ok(()) };
        if let Some(delta) = choice.delta.or(choice.message) {
            let text = delta.content.map(chunk::text).filter(|text| !text.is_empty());
            text.into_iter().for_each(|text| self.output.push(ModelEvent::Text(text)));
            let refusal = delta.refusal.filter(|text| !text.is_empty());
            refusal.into_iter().for_each(|text| self.output.push(ModelEvent::Refusal(text)));
            for call in delta.tool_calls.into_iter().flatten() {
                self.calls.take(call, &mut self.output).map_err(failed)?;
            }
        }
        if self.output.bytes > MAX_ANSWER_BYTES {
            let limit = MAX_ANSWER_BYTES / (1024 * 1024);
            return Err(Failure::nonsense(&format!("gave an answer longer than {limit} MiB")));
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(Finish::of(&reason));
        }
        Ok(())
    }

    /// Ends the answer. `is_marked` says whether the provider marked the end of its reply.
    pub(super) fn end(&mut self, is_marked: bool) -> Result<(), Failure> {
        match self.finish {
            Some(Finish::Error) => return Err(Failure::nonsense("said that its answer failed")),
            None if self.output.bytes == 0 => {
                return Err(Failure::cut("ended its reply without an answer"));
            }
            None if !is_marked => return Err(Failure::cut("ended its reply within the answer")),
            Some(Finish::Length) => self.output.push(ModelEvent::TokenLimit),
            Some(Finish::ContentFilter) => self.output.push(ModelEvent::ContentFilter),
            _ => self.calls.end(&mut self.output).map_err(failed)?,
        }
        let estimate = (self.prompt_estimate, self.output.characters.div_ceil(4));
        let (prompt_tokens, completion_tokens) = self.usage.unwrap_or(estimate);
        self.output.push(ModelEvent::Usage { prompt_tokens, completion_tokens });
        Ok(())
    }
}

fn failed(error: ToolCallsError) -> Failure {
    Failure::nonsense(match error {
        ToolCallsError::TooMany => "called more functions at once than this server takes",
        ToolCallsError::NoName => "called a function without naming it",
    })
}
