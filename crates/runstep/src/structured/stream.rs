//! Structured answers as streams.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use runstep_api::types::{Message, MessageStatus, RunStatus, RunStep, StepDetails};

use super::{Answer, last_message};
use crate::client::Client;
use crate::error::Result;
use crate::streaming::{RunEventSource, RunStream};
use crate::transport::RequestOptions;

/// A stream of the events of a run that answers with a `T`; see
/// [`RunRequest::response_as`](crate::RunRequest::response_as).
///
/// Dereferences to the stream of events: `S` is a [`RunStream`] or, with a toolbox, a
/// [`ToolStream`](crate::tools::ToolStream).
#[must_use = "a stream does nothing until it is polled"]
pub struct AnswerStream<T, S = RunStream> {
    pub(super) client: Client,
    /// The options of the request for the message.
    pub(super) options: RequestOptions,
    pub(super) events: S,
    pub(super) answer: PhantomData<fn() -> T>,
}

impl<T, S: RunEventSource> AnswerStream<T, S> {
    /// Reads to the end and returns the answer, as polling does: a missing
    /// answer is an error of [`Answer::parse`]. A run that requires action has no answer yet.
    ///
    /// # Errors
    ///
    /// Returns the error that ended the stream before the run; see the stream's `final_run`. If the
    /// events did not contain the complete message, for example because one did not decode, the message
    /// is fetched, which can fail.
    pub async fn answer(&mut self) -> Result<Answer<T>> {
        let run = self.events.read_to_end().await?;
        let mut message = None;
        if run.status == RunStatus::Completed {
            let (messages, steps) = self.events.snapshots();
            // The missing part may be a later message and its step.
            let known = last_complete_message(messages, steps);
            message = match known.filter(|_| !self.events.has_snapshot_gap()) {
                Some(message) => Some(message.clone()),
                None => last_message(&self.client, &run, self.options.clone()).await?,
            };
        }
        Ok(Answer { run, suspended: None, message, answer: PhantomData })
    }

    /// Returns the stream of events.
    pub fn into_events(self) -> S {
        self.events
    }
}

/// Returns the last message of the run, if the events contained all of it.
fn last_complete_message<'a>(messages: &'a [Message], steps: &[RunStep]) -> Option<&'a Message> {
    let last_id = steps.iter().rev().find_map(|step| match &step.step_details {
        StepDetails::MessageCreation(details) => Some(&details.message_creation.message_id),
        _ => None,
    });
    let last = messages.last().filter(|last| last_id.is_none_or(|id| last.id == *id))?;
    (last.status == Some(MessageStatus::Completed)).then_some(last)
}

impl<T, S> Deref for AnswerStream<T, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.events
    }
}

impl<T, S> DerefMut for AnswerStream<T, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.events
    }
}

impl<T, S: Stream + Unpin> Stream for AnswerStream<T, S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.events).poll_next(context)
    }
}

impl<T, S: fmt::Debug> fmt::Debug for AnswerStream<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerStream").field("events", &self.events).finish_non_exhaustive()
    }
}
