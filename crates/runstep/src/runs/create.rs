//! Requests that make runs, on a thread that is there or along with one.

use runstep_api::ByteStream;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, CreateRunRequest, CreateThreadAndRunRequest,
    CreateThreadRequest, MessageRole, ReasoningEffort, Run, RunInclude, ToolResources,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::poll::{AndPoll, StartRun};
use crate::request::{ResponseFuture, awaitable, body_setters, example};
use crate::response::Response;
use crate::stream::{OpenStream, StartStream, WhichRun};

static CREATE: Operation = Operation::post("threads.runs.create", "/threads/{thread_id}/runs");
static CREATE_AND_RUN: Operation = Operation::post("threads.create_and_run", "/threads/runs");

/// What can be set for a run, whether its thread is there or comes with it.
macro_rules! run_setters {
    () => {
        $crate::request::body_setters! {
            /// The model, in place of the assistant's.
            model: String,
            /// The instructions, in place of the assistant's.
            instructions: String,
            /// The tools, at most 20, in place of the assistant's. An empty list means none.
            tools: Vec<runstep_api::types::Tool>,
            /// Sampling temperature, 0 to 2. Default: the assistant's.
            temperature: f64,
            /// Nucleus sampling, 0 to 1. Default: the assistant's.
            top_p: f64,
            /// Which messages of the thread the model sees. Default: as many as it can take.
            truncation_strategy: runstep_api::types::TruncationStrategy,
            /// Whether the model may, must or must not call tools. Default: it decides.
            tool_choice: runstep_api::types::ToolChoice,
            /// Whether the model may call several functions at once. Default: yes.
            parallel_tool_calls: bool,
            /// The form of the answer. Default: the assistant's.
            response_format: runstep_api::types::ResponseFormat,
        }

        /// Adds a tool. Together with the others it takes the place of the assistant's.
        pub fn tool(mut self, tool: impl Into<runstep_api::types::Tool>) -> Self {
            self.body.tools.get_or_insert_default().push(tool.into());
            self
        }

        /// How many tokens of the thread the run may read in all, at least 256; past them it
        /// ends `incomplete`. Default: no limit.
        pub fn max_prompt_tokens(mut self, max_prompt_tokens: u64) -> Self {
            self.body = self.body.max_prompt_tokens(max_prompt_tokens);
            self
        }

        /// How many tokens the run may write in all, at least 256; past them it ends
        /// `incomplete`. Default: no limit.
        pub fn max_completion_tokens(mut self, max_completion_tokens: u64) -> Self {
            self.body = self.body.max_completion_tokens(max_completion_tokens);
            self
        }

        $crate::request::metadata_setter!();
    };
}
/// A request to run an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateRun {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    include: Vec<RunInclude>,
    body: CreateRunRequest,
}

impl CreateRun {
    pub(super) fn new(client: Client, thread_id: String, assistant_id: impl Into<String>) -> Self {
        Self {
            client,
            options: RequestOptions::default(),
            thread_id,
            include: Vec::new(),
            body: CreateRunRequest::new(assistant_id),
        }
    }

    run_setters!();

    body_setters! {
        /// How much effort a reasoning model takes. Default: the assistant's.
        reasoning_effort: ReasoningEffort,
        /// What the model is told after the instructions, for this run. Default: nothing.
        additional_instructions: String,
    }

    /// Adds a message to the thread before the run starts.
    pub fn additional_message(mut self, message: CreateMessageRequest) -> Self {
        self.body.additional_messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a message of the user to the thread before the run starts.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.additional_message(CreateMessageRequest::new(MessageRole::User, content))
    }

    /// Asks for what a reply otherwise leaves out.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.include.push(include.into());
        self
    }

    /// Runs, and waits until the run needs action or has ended.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }

    /// Runs, and tells what happens as it happens; see [`docs::streaming`](crate::docs::streaming).
    ///
    #[doc = example!("use runstep::RunEvent;

let mut events = runs.create(&assistant.id).stream().await?;
while let Some(event) = events.try_next().await? {
    match event {
        RunEvent::MessageDelta(delta) => print!(\"{}\", delta.text()),
        RunEvent::StepCreated(step) => println!(\"{}\", step.type_),
        _ => {}
    }
}
let run = events.final_run().await?;
assert_eq!(run.status, \"requires_action\");")]
    pub fn stream(self) -> OpenStream<Self> {
        OpenStream::new(self)
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        self.client.check(&self.body)?;
        let include = (!self.include.is_empty()).then_some(&self.include);
        let body = &self.body;
        let subject =
            Subject { assistant_id: Some(&body.assistant_id), ..Subject::thread(thread_id) };
        let call = move |api: runstep_api::Client| async move {
            api.create_run(thread_id, include, body).await
        };
        self.client.call(&CREATE, subject, &self.options, call).await
    }
}

impl StartStream for CreateRun {
    fn client(&self) -> &Client {
        &self.client
    }

    fn which_run(&self) -> WhichRun {
        let thread_id = Some(self.thread_id.clone());
        WhichRun::New { thread_id, assistant_id: self.body.assistant_id.clone() }
    }

    fn included(&self) -> &[RunInclude] {
        &self.include
    }

    fn open(mut self) -> ResponseFuture<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        Box::pin(async move {
            let thread_id = id::checked("thread_id", &self.thread_id)?;
            self.client.check(&self.body)?;
            let include = (!self.include.is_empty()).then_some(&self.include);
            let body = &self.body;
            let subject =
                Subject { assistant_id: Some(&body.assistant_id), ..Subject::thread(thread_id) };
            let call = move |api: runstep_api::Client| async move {
                api.create_run_stream(thread_id, include, body).await
            };
            self.client.open(&CREATE, subject, &self.options, call).await
        })
    }
}

impl StartRun for CreateRun {
    fn client(&self) -> &Client {
        &self.client
    }

    fn start(self) -> ResponseFuture<Response<Run>> {
        self.send()
    }
}

/// A request to create a thread and run an assistant on it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateThreadAndRun {
    client: Client,
    options: RequestOptions,
    body: CreateThreadAndRunRequest,
}

impl CreateThreadAndRun {
    pub(crate) fn new(client: Client, assistant_id: impl Into<String>) -> Self {
        Self {
            client,
            options: RequestOptions::default(),
            body: CreateThreadAndRunRequest::new(assistant_id),
        }
    }

    run_setters!();

    body_setters! {
        /// Files for the built-in tools, for this run. Default: the assistant's.
        tool_resources: ToolResources,
        /// The thread to create. Default: an empty one.
        thread: CreateThreadRequest,
    }

    /// Adds a message to the new thread.
    pub fn message(mut self, message: CreateMessageRequest) -> Self {
        let thread = self.body.thread.get_or_insert_default();
        thread.messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a message of the user to the new thread.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.message(CreateMessageRequest::new(MessageRole::User, content))
    }

    /// Runs, and waits until the run needs action or has ended.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }

    /// Runs, and tells what happens as it happens; see [`docs::streaming`](crate::docs::streaming).
    pub fn stream(self) -> OpenStream<Self> {
        OpenStream::new(self)
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        self.client.check(&self.body)?;
        let body = &self.body;
        let call =
            move |api: runstep_api::Client| async move { api.create_thread_and_run(body).await };
        let subject = Subject::assistant(&body.assistant_id);
        self.client.call(&CREATE_AND_RUN, subject, &self.options, call).await
    }
}

impl StartStream for CreateThreadAndRun {
    fn client(&self) -> &Client {
        &self.client
    }

    fn which_run(&self) -> WhichRun {
        WhichRun::New { thread_id: None, assistant_id: self.body.assistant_id.clone() }
    }

    fn open(mut self) -> ResponseFuture<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        Box::pin(async move {
            self.client.check(&self.body)?;
            let body = &self.body;
            let subject = Subject::assistant(&body.assistant_id);
            let call = move |api: runstep_api::Client| async move {
                api.create_thread_and_run_stream(body).await
            };
            self.client.open(&CREATE_AND_RUN, subject, &self.options, call).await
        })
    }
}

impl StartRun for CreateThreadAndRun {
    fn client(&self) -> &Client {
        &self.client
    }

    fn start(self) -> ResponseFuture<Response<Run>> {
        self.send()
    }
}

awaitable!(CreateRun -> Run);
awaitable!(CreateThreadAndRun -> Run);
