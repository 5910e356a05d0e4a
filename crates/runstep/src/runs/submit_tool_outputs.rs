//! The request that answers tool calls.

use runstep_api::ByteStream;
use runstep_api::types::{Run, SubmitToolOutputsRequest, ToolOutput};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::poll::{AndPoll, RunRef, StartRun};
use crate::request::{ResponseFuture, awaitable};
use crate::response::Response;
use crate::stream::{OpenStream, StartStream, WhichRun};

static SUBMIT: Operation = Operation::post(
    "threads.runs.submit_tool_outputs",
    "/threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
);

/// A request that answers tool calls.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct SubmitToolOutputs {
    client: Client,
    options: RequestOptions,
    thread_id: String,
    run_id: String,
    body: SubmitToolOutputsRequest,
}

impl SubmitToolOutputs {
    pub(super) fn new(client: Client, thread_id: String, run_id: String) -> Self {
        Self {
            client,
            options: RequestOptions::default(),
            thread_id,
            run_id,
            body: SubmitToolOutputsRequest::new(Vec::new()),
        }
    }

    /// Adds the output of a call.
    pub fn output(mut self, tool_call_id: impl Into<String>, output: impl Into<String>) -> Self {
        let output = ToolOutput::default().tool_call_id(tool_call_id).output(output);
        self.body.tool_outputs.push(output);
        self
    }

    /// Adds the outputs of several calls.
    pub fn outputs(mut self, outputs: impl IntoIterator<Item = ToolOutput>) -> Self {
        self.body.tool_outputs.extend(outputs);
        self
    }

    /// Submits, and waits until the run needs action again or has ended.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }

    /// Submits, and tells what happens from then on. A stream that has told the run so far goes on
    /// by its own [`RunStream::submit_tool_outputs`](crate::RunStream::submit_tool_outputs).
    pub fn stream(self) -> OpenStream<Self> {
        OpenStream::new(self)
    }

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let thread_id = id::checked("thread_id", &self.thread_id)?;
        let run_id = id::checked("run_id", &self.run_id)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.submit_tool_outputs(thread_id, run_id, body).await
        };
        self.client.call(&SUBMIT, Subject::run(thread_id, run_id), &self.options, call).await
    }
}

impl StartStream for SubmitToolOutputs {
    fn client(&self) -> &Client {
        &self.client
    }

    fn which_run(&self) -> WhichRun {
        let outputs = self.body.tool_outputs.iter();
        let answered = outputs.filter_map(|output| output.tool_call_id.clone()).collect();
        WhichRun::Later { run: RunRef::from((&self.thread_id, &self.run_id)), answered }
    }

    fn open(mut self) -> ResponseFuture<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        Box::pin(async move {
            let thread_id = id::checked("thread_id", &self.thread_id)?;
            let run_id = id::checked("run_id", &self.run_id)?;
            let body = &self.body;
            let call = move |api: runstep_api::Client| async move {
                api.submit_tool_outputs_stream(thread_id, run_id, body).await
            };
            self.client.open(&SUBMIT, Subject::run(thread_id, run_id), &self.options, call).await
        })
    }
}

impl StartRun for SubmitToolOutputs {
    fn client(&self) -> &Client {
        &self.client
    }

    fn start(self) -> ResponseFuture<Response<Run>> {
        self.send()
    }
}

awaitable!(SubmitToolOutputs -> Run);
