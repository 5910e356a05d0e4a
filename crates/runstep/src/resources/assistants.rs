//! Operations on assistants: a model with instructions and tools.

use runstep_api::types::{Assistant, CreateAssistantRequest, Tool, UpdateAssistantRequest};

use super::requests::{
    CreateAssistant, DeleteAssistant, ListAssistants, RetrieveAssistant, UpdateAssistant,
};
use crate::arguments::IntoId;
use crate::client::Client;

/// Operations on assistants; see [`Client::assistants`].
#[derive(Clone, Debug)]
pub struct Assistants {
    client: Client,
}

impl Client {
    /// Returns the operations on assistants.
    pub fn assistants(&self) -> Assistants {
        Assistants { client: self.clone() }
    }
}

impl Assistants {
    /// Creates an assistant: `POST /assistants`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn create(&self, model: impl Into<String>) -> CreateAssistant {
        CreateAssistant::new(&self.client, CreateAssistantRequest::new(model))
    }

    /// Retrieves an assistant: `GET /assistants/{assistant_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn retrieve(&self, assistant_id: impl IntoId<Assistant>) -> RetrieveAssistant {
        RetrieveAssistant::new(&self.client, assistant_id.into_id())
    }

    /// Lists assistants: `GET /assistants`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request; see
    /// [`docs::errors`](crate::docs::errors).
    pub fn list(&self) -> ListAssistants {
        ListAssistants::new(&self.client)
    }

    /// Updates an assistant: `POST /assistants/{assistant_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn update(&self, assistant_id: impl IntoId<Assistant>) -> UpdateAssistant {
        UpdateAssistant::new(
            &self.client,
            assistant_id.into_id(),
            UpdateAssistantRequest::default(),
        )
    }

    /// Deletes an assistant: `DELETE /assistants/{assistant_id}`.
    ///
    /// # Errors
    ///
    /// Awaiting the request returns [`is_not_found`](crate::Error::is_not_found) if it does not exist,
    /// and otherwise the errors of every request; see [`docs::errors`](crate::docs::errors).
    pub fn delete(&self, assistant_id: impl IntoId<Assistant>) -> DeleteAssistant {
        DeleteAssistant::new(&self.client, assistant_id.into_id())
    }
}

impl CreateAssistant {
    /// Adds a tool to [`tools`](Self::tools).
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.body.tools.get_or_insert_default().push(tool.into());
        self
    }
}
