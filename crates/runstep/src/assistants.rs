//! Assistants: a model with instructions and tools.

use std::collections::BTreeMap;

use runstep_api::types::{
    Assistant, AssistantList, CreateAssistantRequest, DeletedAssistant, ReasoningEffort,
    ResponseFormat, Tool, UpdateAssistantRequest,
};

use crate::Client;
use crate::error::Result;
use crate::id;
use crate::list::{Page, list_request};
use crate::operation::{Operation, Subject};
use crate::options::{RequestOptions, extra_fields, request_options};
use crate::request::{awaitable, body_setters, metadata_setter};
use crate::response::Response;

static CREATE: Operation = Operation::post("assistants.create", "/assistants");
static LIST: Operation = Operation::get("assistants.list", "/assistants");
static RETRIEVE: Operation = Operation::get("assistants.retrieve", "/assistants/{assistant_id}");
static UPDATE: Operation = Operation::post("assistants.update", "/assistants/{assistant_id}");
static DELETE: Operation = Operation::delete("assistants.delete", "/assistants/{assistant_id}");

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
        CreateAssistant {
            client: self.client.clone(),
            options: RequestOptions::default(),
            body: CreateAssistantRequest::new(model),
        }
    }

    /// Gets an assistant: `GET /assistants/{assistant_id}`.
    pub fn retrieve(&self, assistant_id: impl Into<String>) -> RetrieveAssistant {
        RetrieveAssistant {
            client: self.client.clone(),
            options: RequestOptions::default(),
            assistant_id: assistant_id.into(),
        }
    }

    /// Lists assistants: `GET /assistants`.
    pub fn list(&self) -> ListAssistants {
        ListAssistants {
            client: self.client.clone(),
            options: RequestOptions::default(),
            page: Page::default(),
        }
    }

    /// Changes an assistant: `POST /assistants/{assistant_id}`.
    pub fn update(&self, assistant_id: impl Into<String>) -> UpdateAssistant {
        UpdateAssistant {
            client: self.client.clone(),
            options: RequestOptions::default(),
            assistant_id: assistant_id.into(),
            body: UpdateAssistantRequest::default(),
        }
    }

    /// Deletes an assistant: `DELETE /assistants/{assistant_id}`.
    pub fn delete(&self, assistant_id: impl Into<String>) -> DeleteAssistant {
        DeleteAssistant {
            client: self.client.clone(),
            options: RequestOptions::default(),
            assistant_id: assistant_id.into(),
        }
    }
}

/// A request to create an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct CreateAssistant {
    client: Client,
    options: RequestOptions,
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

    extra_fields!();
    request_options!(Assistant);

    async fn execute(&self) -> Result<Response<Assistant>> {
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move { api.create_assistant(body).await };
        self.client.call(&CREATE, Subject::default(), &self.options, call).await
    }
}

/// A request for an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RetrieveAssistant {
    client: Client,
    options: RequestOptions,
    assistant_id: String,
}

impl RetrieveAssistant {
    request_options!(Assistant);

    async fn execute(&self) -> Result<Response<Assistant>> {
        let assistant_id = id::checked("assistant_id", &self.assistant_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_assistant(assistant_id).await
        };
        self.client.call(&RETRIEVE, Subject::assistant(assistant_id), &self.options, call).await
    }
}

/// A request to change an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateAssistant {
    client: Client,
    options: RequestOptions,
    assistant_id: String,
    body: UpdateAssistantRequest,
}

/// A request to delete an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct DeleteAssistant {
    client: Client,
    options: RequestOptions,
    assistant_id: String,
}

/// A request for a page of assistants.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListAssistants {
    client: Client,
    options: RequestOptions,
    page: Page,
}

impl ListAssistants {
    async fn execute(&self) -> Result<Response<AssistantList>> {
        self.client.check_page(self.page.limit)?;
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            api.list_assistants(after, before, page.limit, page.order.as_ref()).await
        };
        self.client.call(&LIST, Subject::default(), &self.options, call).await
    }
}

impl UpdateAssistant {
    body_setters! {
        /// The model. Left out, it stays.
        model: String,
        /// A name of up to 256 characters. Left out, it stays.
        name: String,
        /// What it is for, in up to 512 characters. Left out, it stays.
        description: String,
        /// What the model is told before the conversation, up to 256,000 characters. Left out, it stays.
        instructions: String,
        /// How much effort a reasoning model takes. Left out, it stays.
        reasoning_effort: ReasoningEffort,
        /// The tools, at most 128, in place of those that are there. Left out, it stays.
        tools: Vec<Tool>,
        /// Files for the built-in tools. Left out, it stays.
        tool_resources: runstep_api::types::ToolResources,
        /// Sampling temperature, 0 to 2. Left out, it stays.
        temperature: f64,
        /// Nucleus sampling, 0 to 1. Left out, it stays.
        top_p: f64,
        /// The form of the answers. Left out, it stays.
        response_format: ResponseFormat,
    }

    metadata_setter!(in_place);

    /// All pairs at once, in place of those that are there and of those given before.
    pub fn all_metadata(mut self, metadata: impl Into<BTreeMap<String, String>>) -> Self {
        self.body = self.body.metadata(metadata);
        self
    }

    extra_fields!();
    request_options!(Assistant);

    async fn execute(&self) -> Result<Response<Assistant>> {
        let assistant_id = id::checked("assistant_id", &self.assistant_id)?;
        self.client.check(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_assistant(assistant_id, body).await
        };
        self.client.call(&UPDATE, Subject::assistant(assistant_id), &self.options, call).await
    }
}

impl DeleteAssistant {
    request_options!(DeletedAssistant);

    async fn execute(&self) -> Result<Response<DeletedAssistant>> {
        let assistant_id = id::checked("assistant_id", &self.assistant_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.delete_assistant(assistant_id).await };
        self.client.call(&DELETE, Subject::assistant(assistant_id), &self.options, call).await
    }
}

awaitable!(CreateAssistant -> Assistant);
awaitable!(RetrieveAssistant -> Assistant);
awaitable!(UpdateAssistant -> Assistant);
awaitable!(DeleteAssistant -> DeletedAssistant);
list_request!(ListAssistants -> AssistantList, Assistant);
