//! Answers as Rust types.

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

use crate::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::extensions::MessageExt as _;
use crate::options::{RequestOptions, TakesOptions as _};
use crate::poll::{AndPoll, PollSettings, Polled, Wait};
use crate::request::{ResponseFuture, example};
use crate::runs::CreateRun;
use crate::schema::{TypeSchema, as_name, check_object, decode, schema_of, sentence, strict};
use crate::threads::CreateThreadAndRun;
use crate::tools::WithToolbox;

/// A request whose run answers in JSON that is a `T`; see [`CreateRun::response_as`].
///
/// What is to be said of the request itself comes before `response_as`.
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

    /// Whether the provider holds the model to the schema exactly. Default: yes.
    ///
    /// A type that the strict subset cannot express, such as a map, needs `false`; see
    /// [`ToolOptions::strict`](crate::tools::ToolOptions::strict).
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

/// A request that says in which form its run answers.
pub(crate) trait TakesFormat {
    fn answering_in(self, format: ResponseFormat) -> Self;

    /// What goes along with other requests about its run.
    fn options_for_others(&mut self) -> RequestOptions;
}

#[allow(private_bounds, reason = "which requests are waited for is not for others to say")]
impl<R, T> ResponseAs<R, T>
where
    R: TakesFormat + Wait<Output = Run>,
    T: DeserializeOwned + JsonSchema + 'static,
{
    /// Runs, waits until the run has ended, and gets what it answered.
    ///
    /// # Errors
    ///
    /// Awaited, it gives besides the errors of the requests and of waiting
    /// [`Configuration`](crate::ErrorKind::Configuration) when the type's schema cannot be sent, and
    /// nothing was sent. That there is no answer is an error of [`Answer::parse`] only.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }
}

#[allow(private_bounds, reason = "which requests are waited for is not for others to say")]
impl<R: TakesFormat + Wait<Output = Run>, T> Polled for ResponseAs<R, T> {
    type Output = Answer<T>;
}

impl<R, T> Wait for ResponseAs<R, T>
where
    R: TakesFormat + Wait<Output = Run>,
    T: DeserializeOwned + JsonSchema + 'static,
{
    fn client(&self) -> &Client {
        self.request.client()
    }

    fn wait(mut self, settings: PollSettings) -> ResponseFuture<Answer<T>> {
        Box::pin(async move {
            let format = format_of::<T>(self.strict)?;
            let client = self.client().clone();
            let options = self.request.options_for_others().extended(settings.options.clone());
            let run = self.request.answering_in(format).wait(settings).await?;
            let mut message = None;
            if run.status == RunStatus::Completed {
                message = newest_message(&client, &run, options).await?;
            }
            Ok(Answer { run, message, answer: PhantomData })
        })
    }
}

/// The message that a run wrote last, if it wrote any.
async fn newest_message(
    client: &Client,
    run: &Run,
    options: RequestOptions,
) -> Result<Option<Message>> {
    let newest = client.messages(&run.thread_id).list().with_options(options);
    let newest = newest.run_id(&run.id).limit(1);
    let page = newest.await.map_err(|error| error.or_run(run))?;
    Ok(page.data.into_iter().next())
}

/// The answer of a run that was asked for a `T`; see [`CreateRun::response_as`]. It can be used as
/// the run itself.
#[must_use = "whether there is an answer is known when it is parsed"]
pub struct Answer<T> {
    run: Run,
    message: Option<Message>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Answer<T> {
    /// The run as it ended.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// The message with the answer; none where the run did not complete or wrote none.
    pub fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// The answer's text as the model wrote it; empty where there is no message.
    pub fn text(&self) -> String {
        self.message.as_ref().map(|message| message.text()).unwrap_or_default()
    }

    fn no_answer(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::NoAnswer, message).with_run(Some(self.run.clone()))
    }
}

impl<T: DeserializeOwned + JsonSchema> Answer<T> {
    /// The answer itself.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`](ErrorKind::NoAnswer) when the run did not complete, or the model refused to
    /// answer; [`Decode`](ErrorKind::Decode) when the text is no JSON or does not fit the type. Both
    /// carry the run.
    pub fn parse(&self) -> Result<T> {
        let Some(message) = &self.message else {
            return Err(self.no_answer(match (&self.run.status, &self.run.last_error) {
                (RunStatus::Completed, _) => "the run wrote no message".to_owned(),
                (_, Some(error)) => format!("the run gave no answer: {}", error.message),
                _ => "the run gave no answer".to_owned(),
            }));
        };
        let refusal = message.content.iter().find_map(|part| match part {
            MessageContent::Refusal(part) => Some(&part.refusal),
            _ => None,
        });
        if let Some(refusal) = refusal {
            return Err(self.no_answer(format!("the model refused to answer: {refusal}")));
        }
        decode(&schema_of::<T>().schema, &message.text()).map_err(|error| {
            Error::new(ErrorKind::Decode, format!("the answer does not fit: {error}"))
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

/// The form of answers that are a type.
fn format_of<T: JsonSchema>(is_strict: bool) -> Result<ResponseFormat> {
    let TypeSchema { name, description, schema } = schema_of::<T>();
    let unfit = |what: &str, reasons: String| {
        let message = format!("answers as `{name}`: {what}: {reasons}; nothing was sent");
        Error::new(ErrorKind::Configuration, message)
    };
    check_object(&schema).map_err(|part| unfit("they cannot be asked for", sentence(&[part])))?;
    let schema = match is_strict {
        true => {
            strict(&schema).map_err(|parts| unfit("they cannot be strict", sentence(&parts)))?
        }
        false => schema,
    };
    let mut definition = JsonSchemaDefinition::new(as_name(&name)).schema(schema).strict(is_strict);
    definition.description = description;
    Ok(JsonSchemaResponseFormat::new(definition).into())
}

/// The requests that can be answered in a form.
macro_rules! takes_format {
    ($($Request:ident: $example:expr;)+) => {
        $(
            impl TakesFormat for $Request {
                fn answering_in(self, format: ResponseFormat) -> Self {
                    self.response_format(format)
                }

                fn options_for_others(&mut self) -> RequestOptions {
                    self.options().for_others()
                }
            }

            impl $Request {
                /// Asks for an answer in JSON that is a `T`, whose schema the model is told.
                ///
                #[doc = $example]
                pub fn response_as<T: DeserializeOwned + JsonSchema>(self) -> ResponseAs<Self, T> {
                    ResponseAs::new(self)
                }
            }
        )+
    };
}

takes_format! {
    CreateRun: example!("# use runstep::schemars::JsonSchema;
#[derive(serde::Deserialize, JsonSchema)]
# #[schemars(crate = \"runstep::schemars\")]
struct Recipe {
    /// What it is called
    title: String,
    minutes: u32,
}

# let answer = Turn::say(\"{\\\"title\\\": \\\"Soup\\\", \\\"minutes\\\": 20}\");
# let server = runstep_server::Server::builder().model(Scripted::new([answer])).spawn().await?;
# let client = runstep::Client::builder(server.base_url()).build()?;
# let assistant = client.assistants().create(\"scripted\").await?;
# let thread = client.threads().create().user_message(\"How do I cook soup?\").await?;
# let runs = client.runs(&thread.id);
let recipe = runs.create(&assistant.id).response_as::<Recipe>().and_poll().await?.parse()?;
assert_eq!((recipe.title.as_str(), recipe.minutes), (\"Soup\", 20));");
    CreateThreadAndRun: "See [`CreateRun::response_as`].";
}

impl<R: TakesFormat> TakesFormat for WithToolbox<R> {
    fn answering_in(mut self, format: ResponseFormat) -> Self {
        self.request = self.request.answering_in(format);
        self
    }

    fn options_for_others(&mut self) -> RequestOptions {
        self.request.options_for_others()
    }
}

#[allow(private_bounds, reason = "which requests take a form is not for others to say")]
impl<R: TakesFormat> WithToolbox<R> {
    /// Asks for an answer in JSON that is a `T`, once all calls are answered; see
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
        Self { run: self.run.clone(), message: self.message.clone(), answer: PhantomData }
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
