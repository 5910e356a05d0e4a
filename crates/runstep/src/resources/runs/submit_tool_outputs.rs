//! The request that submits tool outputs.

use runstep_api::types::{Run, SubmitToolOutputsRequest, ToolOutput};
use runstep_api::{ByteStream, Operation};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::resources::macros::{awaitable, extra_fields, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// A request to submit tool outputs.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct SubmitToolOutputs {
    pub(crate) client: Client,
    options: RequestOptions,
    pub(crate) thread_id: String,
    pub(crate) run_id: String,
    pub(crate) body: SubmitToolOutputsRequest,
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

    extra_fields!();
    request_options!(Run);

    async fn execute(&self) -> Result<Response<Run>> {
        let (thread_id, run_id) = self.checked_ids()?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.submit_tool_outputs(thread_id, run_id, body).await
        };
        let ids = SpanIds::run(thread_id, run_id);
        self.client.call(Operation::SubmitToolOutputs, ids, &self.options, call).await
    }

    /// Sends the request and returns its reply as a stream of events.
    pub(crate) async fn open_stream(mut self) -> Result<Response<ByteStream>> {
        self.body.stream = true.into();
        self.options.streams = true;
        let (thread_id, run_id) = self.checked_ids()?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.submit_tool_outputs_stream(thread_id, run_id, body).await
        };
        let ids = SpanIds::run(thread_id, run_id);
        self.client.open(Operation::SubmitToolOutputs, ids, &self.options, call).await
    }

    fn checked_ids(&self) -> Result<(&str, &str)> {
        let thread_id = checked_id("thread_id", &self.thread_id)?;
        Ok((thread_id, checked_id("run_id", &self.run_id)?))
    }
}

awaitable!(SubmitToolOutputs -> Run);
