//! Operations on assistants: a model with instructions and tools.

use runstep_api::Operation;
use runstep_api::types::{
    Assistant, AssistantList, CreateAssistantRequest, DeletedAssistant, Tool,
    UpdateAssistantRequest,
};

use crate::client::{Client, SpanIds};
use crate::error::Result;
use crate::pagination::{PageQuery, list_request};
use crate::resources::macros::{awaitable, extra_fields, request_options};
use crate::transport::{RequestOptions, Response, checked_id};

/// Operations on assistants; see [`Client::assistants`].
#[derive(Clone, Debug)]
pub struct Assistants {
    client: Client,
}

impl Client {
    /// Returns the operations on assistants.
    pub fn assistants(&self) -> Assistants {
        Assistants::new(self.clone())
    }
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

    /// Retrieves an assistant: `GET /assistants/{assistant_id}`.
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
            page: PageQuery::default(),
        }
    }

    /// Updates an assistant: `POST /assistants/{assistant_id}`.
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
    pub(crate) body: CreateAssistantRequest,
}

impl CreateAssistant {
    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.body.tools.get_or_insert_default().push(tool.into());
        self
    }

    extra_fields!();
    request_options!(Assistant);

    async fn execute(&self) -> Result<Response<Assistant>> {
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move { api.create_assistant(body).await };
        self.client.call(Operation::CreateAssistant, SpanIds::default(), &self.options, call).await
    }
}

/// A request to retrieve an assistant.
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
        let assistant_id = checked_id("assistant_id", &self.assistant_id)?;
        let call = move |api: runstep_api::Client| async move {
            api.retrieve_assistant(assistant_id).await
        };
        self.client
            .call(
                Operation::RetrieveAssistant,
                SpanIds::assistant(assistant_id),
                &self.options,
                call,
            )
            .await
    }
}

/// A request to update an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct UpdateAssistant {
    client: Client,
    options: RequestOptions,
    assistant_id: String,
    pub(crate) body: UpdateAssistantRequest,
}

/// A request to delete an assistant.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct DeleteAssistant {
    client: Client,
    options: RequestOptions,
    assistant_id: String,
}

/// A request to list assistants.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ListAssistants {
    client: Client,
    options: RequestOptions,
    page: PageQuery,
}

impl ListAssistants {
    async fn execute(&self) -> Result<Response<AssistantList>> {
        self.client.validate_page_limit(self.page.limit)?;
        let page = &self.page;
        let call = move |api: runstep_api::Client| async move {
            let (after, before) = (page.after.as_deref(), page.before.as_deref());
            api.list_assistants(after, before, page.limit, page.order.as_ref()).await
        };
        self.client.call(Operation::ListAssistants, SpanIds::default(), &self.options, call).await
    }
}

impl UpdateAssistant {
    extra_fields!();
    request_options!(Assistant);

    async fn execute(&self) -> Result<Response<Assistant>> {
        let assistant_id = checked_id("assistant_id", &self.assistant_id)?;
        self.client.validate(&self.body)?;
        let body = &self.body;
        let call = move |api: runstep_api::Client| async move {
            api.update_assistant(assistant_id, body).await
        };
        self.client
            .call(Operation::UpdateAssistant, SpanIds::assistant(assistant_id), &self.options, call)
            .await
    }
}

impl DeleteAssistant {
    request_options!(DeletedAssistant);

    async fn execute(&self) -> Result<Response<DeletedAssistant>> {
        let assistant_id = checked_id("assistant_id", &self.assistant_id)?;
        let call =
            move |api: runstep_api::Client| async move { api.delete_assistant(assistant_id).await };
        self.client
            .call(Operation::DeleteAssistant, SpanIds::assistant(assistant_id), &self.options, call)
            .await
    }
}

awaitable!(CreateAssistant -> Assistant);
awaitable!(RetrieveAssistant -> Assistant);
awaitable!(UpdateAssistant -> Assistant);
awaitable!(DeleteAssistant -> DeletedAssistant);
list_request!(ListAssistants -> AssistantList, Assistant);
