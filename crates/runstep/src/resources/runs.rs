//! Operations on the runs of a thread.

use runstep_api::types::{
    Assistant, CreateMessageContent, CreateMessageRequest, CreateRunRequest, MessageRole, Run,
    SubmitToolOutputsRequest, Thread, Tool, ToolOutput, UpdateRunRequest,
};

use super::requests::{CancelRun, CreateRun, ListRuns, RetrieveRun, SubmitToolOutputs, UpdateRun};
use super::steps::Steps;
use crate::arguments::IntoId;
use crate::client::Client;

/// Operations on the runs of a thread; see [`Client::runs`].
#[derive(Clone, Debug)]
pub struct Runs {
    client: Client,
    thread_id: String,
}

impl Client {
    /// Returns the operations on the runs of a thread.
    pub fn runs(&self, thread_id: impl IntoId<Thread>) -> Runs {
        Runs { client: self.clone(), thread_id: thread_id.into_id().0 }
    }
}

impl Runs {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn thread_id(&self) -> &str {
        &self.thread_id
    }

    /// Creates a run: `POST /threads/{thread_id}/runs`.
    ///
    /// The response contains the queued run; [`poll`](Self::poll) waits for it. The server rejects the
    /// request while another run of the thread is active
    /// ([`Error::is_active_run`](crate::Error::is_active_run)).
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).additional_instructions("Be brief.").await?;
    /// assert_eq!(run.status, "queued");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns an error with an [`active_run`](crate::Error::active_run) if another run of the thread is active,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn create(&self, assistant_id: impl IntoId<Assistant>) -> CreateRun {
        CreateRun::new(&self.client, &self.thread_id, CreateRunRequest::new(assistant_id.into_id()))
    }

    /// Lists runs: `GET /threads/{thread_id}/runs`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// runs.create(&assistant.id).and_poll().await?;
    /// let page = runs.list().limit(50).page().await?;
    /// assert_eq!(page.data.len(), 1);
    /// let mut all = runs.list().items(); // fetches further pages as needed
    /// while let Some(run) = all.try_next().await? {
    ///     println!("{} {}", run.id, run.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn list(&self) -> ListRuns {
        ListRuns::new(&self.client, &self.thread_id)
    }

    /// Retrieves a run: `GET /threads/{thread_id}/runs/{run_id}`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let created = runs.create(&assistant.id).await?;
    /// let run = runs.retrieve(&created.id).await?;
    /// assert_eq!(run.id, created.id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn retrieve(&self, run_id: impl IntoId<Run>) -> RetrieveRun {
        RetrieveRun::new(&self.client, &self.thread_id, run_id.into_id())
    }

    /// Updates the metadata of a run: `POST /threads/{thread_id}/runs/{run_id}`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).await?;
    /// let run = runs.update(&run.id).metadata_entry("user_id", "u1").await?;
    /// assert_eq!(run.metadata.unwrap_or_default()["user_id"], "u1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn update(&self, run_id: impl IntoId<Run>) -> UpdateRun {
        UpdateRun::new(&self.client, &self.thread_id, run_id.into_id(), UpdateRunRequest::default())
    }

    /// Submits outputs for all tool calls that a run requires:
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).and_poll().await?;
    /// let mut outputs = runs.submit_tool_outputs(&run.id);
    /// for call in run.function_calls() {
    ///     outputs = outputs.output(&call.id, "18 degrees");
    /// }
    /// let run = outputs.and_poll().await?;
    /// assert_eq!(run.status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns an error with status 400 if the run does not require outputs or an output is missing,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn submit_tool_outputs(&self, run_id: impl IntoId<Run>) -> SubmitToolOutputs {
        let body = SubmitToolOutputsRequest::new(Vec::new());
        SubmitToolOutputs::new(&self.client, &self.thread_id, run_id.into_id(), body)
    }

    /// Cancels a run: `POST /threads/{thread_id}/runs/{run_id}/cancel`.
    ///
    /// The run may still complete. [`poll`](Self::poll) waits until it has ended.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).and_poll().await?; // requires action
    /// runs.cancel(&run.id).await?;
    /// let run = runs.poll(&run.id).await?;
    /// assert_eq!(run.status, "cancelled");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns an error with status 400 if the run has ended already,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn cancel(&self, run_id: impl IntoId<Run>) -> CancelRun {
        CancelRun::new(&self.client, &self.thread_id, run_id.into_id())
    }

    /// Returns the operations on the steps of a run.
    pub fn steps(&self, run_id: impl IntoId<Run>) -> Steps {
        let (client, thread_id) = (self.client.clone(), self.thread_id.clone());
        Steps { client, thread_id, run_id: run_id.into_id().0 }
    }
}

impl<M> CreateRun<M> {
    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.params.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    /// Adds a message to the thread before the run starts.
    pub fn additional_message(mut self, message: CreateMessageRequest) -> Self {
        self.params.body.additional_messages.get_or_insert_default().push(message);
        self
    }

    /// Adds a user message to the thread before the run starts.
    pub fn user_message(self, content: impl Into<CreateMessageContent>) -> Self {
        self.additional_message(CreateMessageRequest::new(MessageRole::User, content))
    }
}

impl<M> SubmitToolOutputs<M> {
    /// Adds the output of a call.
    pub fn output(mut self, tool_call_id: impl Into<String>, output: impl Into<String>) -> Self {
        let output = ToolOutput::default().tool_call_id(tool_call_id.into()).output(output.into());
        self.params.body.tool_outputs.push(output);
        self
    }

    /// Adds the outputs of several calls.
    pub fn outputs(mut self, outputs: impl IntoIterator<Item = ToolOutput>) -> Self {
        self.params.body.tool_outputs.extend(outputs);
        self
    }
}
