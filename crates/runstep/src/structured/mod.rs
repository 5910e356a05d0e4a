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

use crate::client::{Client, HasClient};
use crate::error::{Error, ErrorKind, Result};
use crate::polling::{AndPoll, PollSettings, Pollable, Wait};
use crate::resources::macros::example;
use crate::resources::{CreateRun, CreateThreadAndRun};
use crate::schema::{
    TypeSchema, check_object, decode, join_violations, to_strict, to_valid_name, type_schema,
};
use crate::tools::{SuspendedRun, ToolRun, WithToolbox};
use crate::transport::{RequestOptions, ResponseFuture, TakesOptions as _};

/// A request whose run answers with JSON that decodes to a `T`; see [`CreateRun::response_as`].
///
/// Set the options of the request itself before calling `response_as`.
#[must_use = "a request is sent when it is awaited"]
pub struct ResponseAs<R, T> {
    request: R,
    strict: bool,
    answer: PhantomData<fn() -> T>,
}

impl<R, T> ResponseAs<R, T> {
    fn new(request: R) -> Self {
        Self { request, strict: true, answer: PhantomData }
    }

    /// Sets whether the provider enforces the schema exactly. Default: true.
    ///
    /// Set it to `false` for types that the strict subset cannot express, such as maps; see
    /// [`ToolOptions::strict`](crate::tools::ToolOptions::strict).
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

/// A request that accepts a response format.
pub(crate) trait AcceptsFormat: HasClient {
    fn with_format(self, format: ResponseFormat) -> Self;

    /// Returns the options for other requests about the run.
    fn related_options(&mut self) -> RequestOptions;
}

impl<R, T> ResponseAs<R, T>
where
    R: AcceptsFormat + Wait<Output: Into<ToolRun>>,
    T: DeserializeOwned + JsonSchema + 'static,
{
    /// Creates the run, waits until it has ended, and fetches its answer.
    ///
    /// # Errors
    ///
    /// In addition to the errors of the requests and of waiting, awaiting it returns
    /// [`Configuration`](crate::ErrorKind::Configuration) if the type's schema is not valid, before
    /// anything is sent. A missing answer is an error of [`Answer::parse`].
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }
}

impl<R: AcceptsFormat + Wait<Output: Into<ToolRun>>, T> Pollable for ResponseAs<R, T> {
    type Output = Answer<T>;
}

impl<R, T> Wait for ResponseAs<R, T>
where
    R: AcceptsFormat + Wait<Output: Into<ToolRun>>,
    T: DeserializeOwned + JsonSchema + 'static,
{
    fn wait(mut self, settings: PollSettings) -> ResponseFuture<Answer<T>> {
        Box::pin(async move {
            let format = response_format::<T>(self.strict)?;
            let client = self.request.client().clone();
            let options = self.request.related_options().extended(settings.options.clone());
            let answered = self.request.with_format(format).wait(settings).await?;
            let ToolRun { run, suspended } = answered.into();
            let mut message = None;
            if run.status == RunStatus::Completed {
                message = last_message(&client, &run, options).await?;
            }
            Ok(Answer { run, suspended, message, answer: PhantomData })
        })
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

/// The answer of a run; see [`CreateRun::response_as`]. Dereferences to the run.
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

/// Implements `response_as` for the requests that accept a response format.
macro_rules! accepts_format {
    ($($Request:ident: $example:expr;)+) => {
        $(
            impl AcceptsFormat for $Request {
                fn with_format(self, format: ResponseFormat) -> Self {
                    self.response_format(format)
                }

                fn related_options(&mut self) -> RequestOptions {
                    self.options().for_related_requests()
                }
            }

            impl $Request {
                /// Requests an answer in JSON that decodes to a `T`. The model receives the schema of the type.
                ///
                #[doc = $example]
                pub fn response_as<T: DeserializeOwned + JsonSchema>(self) -> ResponseAs<Self, T> {
                    ResponseAs::new(self)
                }
            }
        )+
    };
}

accepts_format! {
    CreateRun: example!("# use runstep::schemars::JsonSchema;
#[derive(serde::Deserialize, JsonSchema)]
# #[schemars(crate = \"runstep::schemars\")]
struct Recipe {
    /// Title of the recipe
    title: String,
    minutes: u32,
}

# let answer = Turn::text(\"{\\\"title\\\": \\\"Soup\\\", \\\"minutes\\\": 20}\");
# let server = runstep_server::Server::builder().model(Scripted::new([answer])).spawn().await?;
# let client = runstep::Client::builder(server.base_url()).build()?;
# let assistant = client.assistants().create(\"scripted\").await?;
# let thread = client.threads().create().user_message(\"How do I cook soup?\").await?;
# let runs = client.runs(&thread.id);
let recipe = runs.create(&assistant.id).response_as::<Recipe>().and_poll().await?.parse()?;
assert_eq!((recipe.title.as_str(), recipe.minutes), (\"Soup\", 20));");
    CreateThreadAndRun: "See [`CreateRun::response_as`].";
}

impl<R: AcceptsFormat> AcceptsFormat for WithToolbox<R> {
    fn with_format(mut self, format: ResponseFormat) -> Self {
        self.request = self.request.with_format(format);
        self
    }

    fn related_options(&mut self) -> RequestOptions {
        self.request.related_options()
    }
}

impl<R: AcceptsFormat> WithToolbox<R> {
    /// Requests an answer in JSON that decodes to a `T`, after the outputs of all calls are submitted; see
    /// [`CreateRun::response_as`].
    pub fn response_as<T: DeserializeOwned + JsonSchema>(self) -> ResponseAs<Self, T> {
        ResponseAs::new(self)
    }
}

impl<R: Clone, T> Clone for ResponseAs<R, T> {
    fn clone(&self) -> Self {
        Self { request: self.request.clone(), strict: self.strict, answer: PhantomData }
    }
}

impl<R: fmt::Debug, T> fmt::Debug for ResponseAs<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseAs")
            .field("request", &self.request)
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
