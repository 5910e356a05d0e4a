//! Structured answers: runs that answer with a Rust type.

mod stream;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use runstep_api::types::{
    JsonSchemaDefinition, JsonSchemaResponseFormat, Message, MessageContent, ResponseFormat, Run,
    RunStatus,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use stream::AnswerStream;

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::run_request::sealed::Sealed;
use crate::run_request::{ErasedRequest, Plain, RunMode, RunRequest};
use crate::schema::{
    TypeSchema, check_object, decode, join_violations, to_strict, to_valid_name, type_schema,
};
use crate::streaming::RunEventSource;
use crate::suspended::SuspendedRun;
use crate::tools::{AcceptsToolbox, HasToolbox, ToolRun, WithToolbox};
use crate::transport::{RequestOptions, ResponseFuture};

/// The mode of a request whose run answers with JSON that decodes to a `T`; see
/// [`RunRequest::response_as`]. `M` is [`Plain`] or, with a toolbox,
/// [`WithToolbox`](crate::tools::WithToolbox).
pub struct Typed<T, M = Plain> {
    base: M,
    strict: bool,
    answer: PhantomData<fn() -> T>,
}

/// A mode that an answer type can be added to: with or without a toolbox.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "this request has an answer type already: call `.response_as()` once",
    label = "this request has the mode `{Self}`"
)]
pub trait AcceptsAnswer: RunMode<Polled: Into<ToolRun>, Streamed: RunEventSource> {}

impl AcceptsAnswer for Plain {}

impl AcceptsAnswer for WithToolbox {}

impl<R, M> RunRequest<R, M> {
    /// Requests an answer in JSON that decodes to a `T`. The model receives the schema of the type. The
    /// answer is complete when the run has ended: with a toolbox, after all rounds of calls.
    ///
    /// A run that exists already keeps the response format with which it was created.
    ///
    /// ```
    #[doc = include_str!("../docs/recipe_setup.txt")]
    /// let recipe = runs.create(&assistant.id).response_as::<Recipe>().and_poll().await?.parse()?;
    /// assert_eq!((recipe.title.as_str(), recipe.minutes), ("Soup", 20));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// As a stream, which has the answer at its end:
    ///
    /// ```
    #[doc = include_str!("../docs/recipe_setup.txt")]
    /// let mut events = runs.create(&assistant.id).response_as::<Recipe>().stream().await?;
    /// let mut text = events.text_deltas();
    /// while let Some(piece) = text.try_next().await? {
    ///     print!("{piece}"); // JSON, as the model generates it
    /// }
    /// let recipe = events.answer().await?.parse()?;
    /// assert_eq!((recipe.title.as_str(), recipe.minutes), ("Soup", 20));
    /// # Ok(())
    /// # }
    /// ```
    pub fn response_as<T>(self) -> RunRequest<R, Typed<T, M>>
    where
        M: AcceptsAnswer,
        T: DeserializeOwned + JsonSchema + 'static,
    {
        self.map_mode(|base| Typed { base, strict: true, answer: PhantomData })
    }
}

impl<R, T, M> RunRequest<R, Typed<T, M>> {
    /// Sets whether the provider enforces the schema of the answer exactly. Default: true.
    ///
    /// Set it to `false` for types that the strict subset cannot express, such as maps; see
    /// [`ToolOptions::strict`](crate::tools::ToolOptions::strict).
    pub fn strict(mut self, strict: bool) -> Self {
        self.mode.strict = strict;
        self
    }
}

impl<T, M> Sealed for Typed<T, M> {}

impl<T, M> RunMode for Typed<T, M>
where
    T: DeserializeOwned + JsonSchema + 'static,
    M: AcceptsAnswer,
{
    type Polled = Answer<T>;
    type Streamed = AnswerStream<T, M::Streamed>;

    fn poll(self, mut request: ErasedRequest) -> ResponseFuture<Answer<T>> {
        Box::pin(async move {
            request.action.set_response_format(response_format::<T>(self.strict)?);
            let (client, options) = (request.client.clone(), request.options.related());
            let answered = self.base.poll(request).await?;
            let ToolRun { run, suspended } = answered.into();
            let mut message = None;
            if run.status == RunStatus::Completed {
                message = last_message(&client, &run, options).await?;
            }
            Ok(Answer { run, suspended, message, answer: PhantomData })
        })
    }

    fn stream(self, mut request: ErasedRequest) -> ResponseFuture<Self::Streamed> {
        Box::pin(async move {
            request.action.set_response_format(response_format::<T>(self.strict)?);
            let (client, options) = (request.client.clone(), request.options.related());
            let events = self.base.stream(request).await?;
            Ok(AnswerStream { client, options, events, answer: PhantomData })
        })
    }
}

impl<T> AcceptsToolbox for Typed<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    type WithToolbox = Typed<T, WithToolbox>;

    fn with_toolbox(self, toolbox: WithToolbox) -> Self::WithToolbox {
        Typed { base: toolbox, strict: self.strict, answer: PhantomData }
    }
}

impl<T> HasToolbox for Typed<T, WithToolbox>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    fn toolbox(&mut self) -> &mut WithToolbox {
        &mut self.base
    }
}

/// Fetches the last message of a run, if it has one.
async fn last_message(
    client: &Client,
    run: &Run,
    options: RequestOptions,
) -> Result<Option<Message>> {
    let newest = client.messages(&run.thread_id).list().with_options(options);
    let newest = newest.run_id(&run.id).limit(1);
    let page = newest.await.map_err(|error| error.or_run(run))?;
    Ok(page.data.into_iter().next())
}

/// The answer of a run; see [`RunRequest::response_as`]. Dereferences to the run.
#[must_use = "the answer is checked when it is parsed"]
pub struct Answer<T> {
    run: Run,
    suspended: Option<SuspendedRun>,
    message: Option<Message>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Answer<T> {
    /// Returns the run as it ended.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the state of the tool loop if calls were deferred, so that there is no answer yet; see
    /// [`Approval::Defer`](crate::tools::Approval::Defer). `None` for the answer of a stream, which has
    /// its own accessor ([`ToolStream::suspended`](crate::tools::ToolStream::suspended)).
    pub fn suspended(&self) -> Option<&SuspendedRun> {
        self.suspended.as_ref()
    }

    /// Returns the message with the answer, if the run completed and created one.
    pub fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// Returns the text of the answer as the model generated it; empty without a message.
    pub fn text(&self) -> String {
        self.message.as_ref().map(|message| message.text()).unwrap_or_default()
    }

    fn no_answer(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NoAnswer, message).with_run(Some(self.run.clone()))
    }
}

impl<T: DeserializeOwned + JsonSchema> Answer<T> {
    /// Decodes the answer.
    ///
    /// # Errors
    ///
    /// Returns [`NoAnswer`](ErrorKind::NoAnswer) if the run did not complete or the model refused to
    /// answer, and [`Decode`](ErrorKind::Decode) if the text is not valid JSON or does not match the
    /// type. Both errors carry the run.
    pub fn parse(&self) -> Result<T> {
        let Some(message) = &self.message else {
            return Err(self.no_answer(match (&self.run.status, &self.run.last_error) {
                (RunStatus::Completed, _) => "the run created no message".to_owned(),
                (_, Some(error)) => format!("the run has no answer: {}", error.message),
                _ => "the run has no answer".to_owned(),
            }));
        };
        let refusal = message.content.iter().find_map(|part| match part {
            MessageContent::Refusal(part) => Some(&part.refusal),
            _ => None,
        });
        if let Some(refusal) = refusal {
            return Err(self.no_answer(format!("the model refused to answer: {refusal}")));
        }
        decode(&type_schema::<T>().schema, &message.text()).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("the answer does not match the type: {error}"))
                .with_run(Some(self.run.clone()))
        })
    }
}

impl<T> Deref for Answer<T> {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// Returns the response format for a type.
fn response_format<T: JsonSchema>(is_strict: bool) -> Result<ResponseFormat> {
    let TypeSchema { name, description, schema } = type_schema::<T>();
    let invalid = |context: &str, reasons: String| {
        let message = format!("answer type `{name}`: {context}: {reasons}; nothing was sent");
        Error::new(ErrorKind::Configuration, message)
    };
    check_object(&schema).map_err(|part| invalid("invalid type", join_violations(&[part])))?;
    let schema = match is_strict {
        true => {
            let invalid =
                |parts: Vec<_>| invalid("the schema cannot be strict", join_violations(&parts));
            to_strict(&schema).map_err(invalid)?
        }
        false => schema,
    };
    let mut definition =
        JsonSchemaDefinition::new(to_valid_name(&name)).schema(schema).strict(is_strict);
    definition.description = description;
    Ok(JsonSchemaResponseFormat::new(definition).into())
}

impl<T, M: Clone> Clone for Typed<T, M> {
    fn clone(&self) -> Self {
        Self { base: self.base.clone(), strict: self.strict, answer: PhantomData }
    }
}

impl<T, M: fmt::Debug> fmt::Debug for Typed<T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed")
            .field("base", &self.base)
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self {
            run: self.run.clone(),
            suspended: self.suspended.clone(),
            message: self.message.clone(),
            answer: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("run", &self.run)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}
