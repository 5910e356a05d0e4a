//! Runs that are told as they go, and whose answer is a Rust type.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use runstep_api::types::{Message, MessageStatus, ResponseFormat, RunStatus, RunStep, StepDetails};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{Answer, ResponseAs, TakesFormat, format_of, newest_message};
use crate::error::Result;
use crate::options::RequestOptions;
use crate::request::{ResponseFuture, example};
use crate::stream::{OpenStream, StartStream, TellsRun};
use crate::tools::{TakesTools, ToolStream, WithToolbox};
use crate::{Client, RunStream};

/// The events of a run that answers in JSON that is a `T`, and its answer at the end; see
/// [`ResponseAs::stream`].
///
/// It can be used as the stream of events itself: `S` is a [`RunStream`], or with a toolbox a
/// [`ToolStream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct AnswerStream<T, S = RunStream> {
    client: Client,
    /// What goes along with the request for the message.
    options: RequestOptions,
    events: S,
    answer: PhantomData<fn() -> T>,
}

#[allow(private_bounds, reason = "which streams tell runs is not for others to say")]
impl<T, S: TellsRun> AnswerStream<T, S> {
    /// Reads on to the end, and gives what the run answered, as it is by
    /// [`and_poll`](ResponseAs::and_poll): that there is no answer is an error of
    /// [`Answer::parse`] only. A run that requires action has none yet.
    ///
    /// # Errors
    ///
    /// Whatever ends the stream before the run; see the stream's own `final_run`. If the stream has
    /// not told the whole message, such as after an event that did not decode, it is asked for, and
    /// that request can fail.
    pub async fn answer(&mut self) -> Result<Answer<T>> {
        let run = self.events.read_on().await?;
        let mut message = None;
        if run.status == RunStatus::Completed {
            let (messages, steps) = self.events.told();
            // What was missed may be a later message, and its step.
            let told = last_message(messages, steps).filter(|_| !self.events.lacks_something());
            message = match told {
                Some(told) => Some(told.clone()),
                None => newest_message(&self.client, &run, self.options.clone()).await?,
            };
        }
        Ok(Answer { run, message, answer: PhantomData })
    }

    /// The stream of events alone.
    pub fn into_events(self) -> S {
        self.events
    }
}

/// The last message that the run wrote; none unless all of it was told.
fn last_message<'a>(messages: &'a [Message], steps: &[RunStep]) -> Option<&'a Message> {
    let named = steps.iter().rev().find_map(|step| match &step.step_details {
        StepDetails::MessageCreation(details) => Some(&details.message_creation.message_id),
        _ => None,
    });
    let last = messages.last().filter(|last| named.is_none_or(|id| last.id == *id))?;
    (last.status == MessageStatus::Completed).then_some(last)
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

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: TakesFormat + StartStream, T> ResponseAs<R, T> {
    /// Runs, and tells all that happens as a stream, which has the answer at the end.
    ///
    /// What is to be said of the stream itself comes before the type:
    /// `.stream().idle_timeout(…).response_as::<T>()`.
    ///
    #[doc = example!("# use runstep::schemars::JsonSchema;
#[derive(serde::Deserialize, JsonSchema)]
# #[schemars(crate = \"runstep::schemars\")]
struct Recipe {
    title: String,
    minutes: u32,
}

# let answer = Turn::say(\"{\\\"title\\\": \\\"Soup\\\", \\\"minutes\\\": 20}\");
# let server = runstep_server::Server::builder().model(Scripted::new([answer])).spawn().await?;
# let client = runstep::Client::builder(server.base_url()).build()?;
# let assistant = client.assistants().create(\"scripted\").await?;
# let thread = client.threads().create().user_message(\"How do I cook soup?\").await?;
# let runs = client.runs(&thread.id);
let mut events = runs.create(&assistant.id).response_as::<Recipe>().stream().await?;
let mut text = events.text_deltas();
while let Some(piece) = text.try_next().await? {
    print!(\"{piece}\"); // JSON, as the model writes it
}
let recipe = events.answer().await?.parse()?;
assert_eq!((recipe.title.as_str(), recipe.minutes), (\"Soup\", 20));")]
    ///
    /// # Errors
    ///
    /// Awaited, it gives besides the errors of the request
    /// [`Configuration`](crate::ErrorKind::Configuration) when the type's schema cannot be sent, and
    /// nothing was sent.
    pub fn stream(self) -> ResponseAs<OpenStream<R>, T> {
        self.map_request(OpenStream::new)
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: TakesFormat + TakesTools + StartStream, T> ResponseAs<WithToolbox<R>, T> {
    /// Runs, answers the calls of every round, and tells all that happens as one stream, which has
    /// the answer at the end; see [`WithToolbox::stream`].
    ///
    /// # Errors
    ///
    /// Awaited, it gives besides those of [`WithToolbox::stream`]
    /// [`Configuration`](crate::ErrorKind::Configuration) when the type's schema cannot be sent, and
    /// nothing was sent.
    pub fn stream(self) -> ResponseAs<WithToolbox<OpenStream<R>>, T> {
        self.map_request(WithToolbox::stream)
    }
}

impl<R: TakesFormat> TakesFormat for OpenStream<R> {
    fn answering_in(self, format: ResponseFormat) -> Self {
        self.map_request(|request| request.answering_in(format))
    }

    fn options_for_others(&mut self) -> RequestOptions {
        self.request_mut().options_for_others()
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: TakesFormat + StartStream> OpenStream<R> {
    /// Asks for an answer in JSON that is a `T`; see [`ResponseAs::stream`].
    pub fn response_as<T: DeserializeOwned + JsonSchema>(self) -> ResponseAs<Self, T> {
        ResponseAs::new(self)
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R, T> IntoFuture for ResponseAs<OpenStream<R>, T>
where
    R: TakesFormat + StartStream,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Output = Result<AnswerStream<T>>;
    type IntoFuture = ResponseFuture<AnswerStream<T>>;

    fn into_future(self) -> Self::IntoFuture {
        let client = self.request.client().clone();
        Box::pin(self.opened(client))
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R, T> IntoFuture for ResponseAs<WithToolbox<OpenStream<R>>, T>
where
    R: TakesFormat + TakesTools + StartStream,
    T: DeserializeOwned + JsonSchema + 'static,
{
    type Output = Result<AnswerStream<T, ToolStream>>;
    type IntoFuture = ResponseFuture<AnswerStream<T, ToolStream>>;

    fn into_future(self) -> Self::IntoFuture {
        let client = self.request.request.client().clone();
        Box::pin(self.opened(client))
    }
}

impl<R, T> ResponseAs<R, T> {
    fn map_request<Q>(self, change: impl FnOnce(R) -> Q) -> ResponseAs<Q, T> {
        ResponseAs { request: change(self.request), strict: self.strict, answer: PhantomData }
    }

    async fn opened<S>(mut self, client: Client) -> Result<AnswerStream<T, S>>
    where
        R: TakesFormat + IntoFuture<Output = Result<S>>,
        T: JsonSchema,
    {
        let format = format_of::<T>(self.strict)?;
        let options = self.request.options_for_others();
        let events = self.request.answering_in(format).await?;
        Ok(AnswerStream { client, options, events, answer: PhantomData })
    }
}
