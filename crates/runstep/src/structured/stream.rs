//! Structured answers as streams.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use runstep_api::types::{Message, MessageStatus, ResponseFormat, RunStatus, RunStep, StepDetails};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{AcceptsFormat, Answer, ResponseAs, last_message, response_format};
use crate::client::Client;
use crate::error::Result;
use crate::resources::macros::example;
use crate::streaming::{RunEventSource, RunStream, StartStream, StreamRequest};
use crate::tools::{AcceptsTools, ToolStream, WithToolbox};
use crate::transport::{RequestOptions, ResponseFuture};

/// A stream of the events of a run that answers with a `T`; see [`ResponseAs::stream`].
///
/// Dereferences to the stream of events: `S` is a [`RunStream`] or, with a toolbox, a
/// [`ToolStream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct AnswerStream<T, S = RunStream> {
    client: Client,
    /// The options of the request for the message.
    options: RequestOptions,
    events: S,
    answer: PhantomData<fn() -> T>,
}

impl<T, S: RunEventSource> AnswerStream<T, S> {
    /// Reads to the end and returns the answer, as [`and_poll`](ResponseAs::and_poll) does: a missing
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

impl<R: AcceptsFormat + StartStream, T> ResponseAs<R, T> {
    /// Creates the run and streams its events. The stream returns the answer at the end.
    ///
    /// Set the options of the stream before the type: `.stream().idle_timeout(…).response_as::<T>()`.
    ///
    #[doc = example!("# use runstep::schemars::JsonSchema;
#[derive(serde::Deserialize, JsonSchema)]
# #[schemars(crate = \"runstep::schemars\")]
struct Recipe {
    title: String,
    minutes: u32,
}

# let answer = Turn::text(\"{\\\"title\\\": \\\"Soup\\\", \\\"minutes\\\": 20}\");
# let server = runstep_server::Server::builder().model(Scripted::new([answer])).spawn().await?;
# let client = runstep::Client::builder(server.base_url()).build()?;
# let assistant = client.assistants().create(\"scripted\").await?;
# let thread = client.threads().create().user_message(\"How do I cook soup?\").await?;
# let runs = client.runs(&thread.id);
let mut events = runs.create(&assistant.id).response_as::<Recipe>().stream().await?;
let mut text = events.text_deltas();
while let Some(piece) = text.try_next().await? {
    print!(\"{piece}\"); // JSON, as the model generates it
}
let recipe = events.answer().await?.parse()?;
assert_eq!((recipe.title.as_str(), recipe.minutes), (\"Soup\", 20));")]
    ///
    /// # Errors
    ///
    /// In addition to the errors of the request, awaiting it returns
    /// [`Configuration`](crate::ErrorKind::Configuration) if the type's schema is not valid, before
    /// anything is sent.
    pub fn stream(self) -> ResponseAs<StreamRequest<R>, T> {
        self.map_request(StreamRequest::new)
    }
}

impl<R: AcceptsFormat + AcceptsTools + StartStream, T> ResponseAs<WithToolbox<R>, T> {
    /// Creates the run, executes the calls of every round, and streams all events. The stream returns
    /// the answer at the end; see [`WithToolbox::stream`].
    ///
    /// # Errors
    ///
    /// In addition to the errors of [`WithToolbox::stream`], awaiting it returns
    /// [`Configuration`](crate::ErrorKind::Configuration) if the type's schema is not valid, before
    /// anything is sent.
    pub fn stream(self) -> ResponseAs<WithToolbox<StreamRequest<R>>, T> {
        self.map_request(WithToolbox::<R>::stream)
    }
}

impl<R: AcceptsFormat> AcceptsFormat for StreamRequest<R> {
    fn with_format(self, format: ResponseFormat) -> Self {
        self.map_request(|request| request.with_format(format))
    }

    fn related_options(&mut self) -> RequestOptions {
        self.request.related_options()
    }
}

impl<R: AcceptsFormat + StartStream> StreamRequest<R> {
    /// Requests an answer in JSON that decodes to a `T`; see [`ResponseAs::stream`].
    pub fn response_as<T: DeserializeOwned + JsonSchema>(self) -> ResponseAs<Self, T> {
        ResponseAs::new(self)
    }
}

impl<R, T> IntoFuture for ResponseAs<StreamRequest<R>, T>
where
    R: AcceptsFormat + StartStream,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Output = Result<AnswerStream<T>>;
    type IntoFuture = ResponseFuture<AnswerStream<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<R, T> IntoFuture for ResponseAs<WithToolbox<StreamRequest<R>>, T>
where
    R: AcceptsFormat + AcceptsTools + StartStream,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Output = Result<AnswerStream<T, ToolStream>>;
    type IntoFuture = ResponseFuture<AnswerStream<T, ToolStream>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<R, T> ResponseAs<R, T> {
    fn map_request<Q>(self, change: impl FnOnce(R) -> Q) -> ResponseAs<Q, T> {
        ResponseAs { request: change(self.request), strict: self.strict, answer: PhantomData }
    }

    async fn open<S>(mut self) -> Result<AnswerStream<T, S>>
    where
        R: AcceptsFormat + IntoFuture<Output = Result<S>>,
        T: JsonSchema,
    {
        let format = response_format::<T>(self.strict)?;
        let (client, options) = (self.request.client().clone(), self.request.related_options());
        let events = self.request.with_format(format).await?;
        Ok(AnswerStream { client, options, events, answer: PhantomData })
    }
}
