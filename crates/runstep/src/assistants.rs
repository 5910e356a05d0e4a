//! Assistants: a model with instructions and tools.

use runstep_api::types::{
    Assistant, CreateAssistantRequest, ReasoningEffort, ResponseFormat, Tool,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::request::{awaitable, body_setters, call, metadata_setter};

/// The assistants of a server; see [`Client::assistants`].
#[derive(Clone, Debug)]
pub struct Assistants {
    client: Client,
}

impl Assistants {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Creates an assistant: `POST /assistants`.
    pub fn create(&self, model: impl Into<String>) -> CreateAssistant {
        CreateAssistant { client: self.client.clone(), body: CreateAssistantRequest::new(model) }
    }

    /// Gets an assistant: `GET /assistants/{assistant_id}`.
    pub fn retrieve(&self, assistant_id: impl Into<String>) -> RetrieveAssistant {
        RetrieveAssistant { client: self.client.clone(), assistant_id: assistant_id.into() }
    }
}

/// A request to create an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateAssistant {
    client: Client,
    body: CreateAssistantRequest,
}

impl CreateAssistant {
    body_setters! {
        /// A name of up to 256 characters. Default: none.
        name: String,
        /// What it is for, in up to 512 characters. Default: none.
        description: String,
        /// What the model is told before the conversation, up to 256,000 characters. Default: none.
        instructions: String,
        /// How much effort a reasoning model takes. Default: the model's own.
        reasoning_effort: ReasoningEffort,
        /// The tools, at most 128, in place of those given before. Default: none.
        tools: Vec<Tool>,
        /// Files for the built-in tools. Default: none.
        tool_resources: runstep_api::types::CreateToolResources,
        /// Sampling temperature, 0 to 2. Default: the server's, 1.
        temperature: f64,
        /// Nucleus sampling, 0 to 1. Default: the server's, 1.
        top_p: f64,
        /// The form of the answers. Default: the model decides.
        response_format: ResponseFormat,
    }

    metadata_setter!();

    /// Adds a tool; at most 128.
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    async fn send(self) -> Result<Assistant> {
        Ok(call!(self.client, create_assistant(&self.body))?.value)
    }
}

/// A request for an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveAssistant {
    client: Client,
    assistant_id: String,
}

impl RetrieveAssistant {
    async fn send(self) -> Result<Assistant> {
        let assistant_id = id::checked("assistant_id", &self.assistant_id)?;
        Ok(call!(self.client, retrieve_assistant(assistant_id))?.value)
    }
}

awaitable!(CreateAssistant -> Assistant);
awaitable!(RetrieveAssistant -> Assistant);
