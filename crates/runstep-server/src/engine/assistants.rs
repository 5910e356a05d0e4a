//! Operations on assistants.

use std::sync::Arc;

use runstep_api::types::{
    Assistant, AssistantList, CreateAssistantRequest, DeletedAssistant, UpdateAssistantRequest,
};

use super::context::Engine;
use super::error::{EngineError, Result};
use super::{capabilities, lists, objects};
use crate::store::{AssistantState, PageQuery};

/// The default of `temperature` and `top_p`.
const DEFAULT_SAMPLING: f64 = 1.0;

impl Engine {
    pub(crate) fn create_assistant(&self, request: CreateAssistantRequest) -> Result<Assistant> {
        let tools = request.tools.unwrap_or_default();
        capabilities::check_tools(&tools)?;
        capabilities::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        self.context.check_quota()?;
        let mut assistant = Assistant::new(
            self.context.ids.next("asst"),
            self.context.clock.now(),
            request.model,
            tools,
        );
        assistant.name = request.name.into_option();
        assistant.description = request.description.into_option();
        assistant.instructions = request.instructions.into_option();
        assistant.metadata = Some(request.metadata.into_option().unwrap_or_default());
        assistant.temperature = Some(request.temperature.into_option().unwrap_or(DEFAULT_SAMPLING));
        assistant.top_p = Some(request.top_p.into_option().unwrap_or(DEFAULT_SAMPLING));
        assistant.response_format = request.response_format.into_option();
        let reasoning_effort = request.reasoning_effort.into_option();
        self.store
            .insert_assistant(AssistantState { assistant: assistant.clone(), reasoning_effort });
        Ok(assistant)
    }

    pub(crate) fn assistant(&self, id: &str) -> Result<Assistant> {
        Ok(self.assistant_state(id)?.assistant.clone())
    }

    pub(super) fn assistant_state(&self, id: &str) -> Result<Arc<AssistantState>> {
        self.store.assistant(id).ok_or_else(|| EngineError::not_found("assistant", id))
    }

    pub(crate) fn assistants(&self, query: &PageQuery) -> Result<AssistantList> {
        self.store.with_assistants(|all| {
            lists::list("assistant", all, query, |_| true, |state| state.assistant.clone())
        })
    }

    /// Updates the fields that the request has. Existing runs keep their settings.
    pub(crate) fn update_assistant(
        &self,
        id: &str,
        request: UpdateAssistantRequest,
    ) -> Result<Assistant> {
        self.assistant_state(id)?;
        capabilities::check_tools(request.tools.as_deref().unwrap_or_default())?;
        capabilities::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let changed = self.store.change_assistant(id, |state| update(state, request));
        Ok(changed.ok_or_else(|| EngineError::not_found("assistant", id))??)
    }

    /// Deletes an assistant. Its runs continue with the settings they have.
    pub(crate) fn delete_assistant(&self, id: &str) -> Result<DeletedAssistant> {
        if self.store.remove_assistant(id) {
            Ok(DeletedAssistant::new(id, true))
        } else {
            Err(EngineError::not_found("assistant", id))
        }
    }
}

fn update(state: &mut AssistantState, request: UpdateAssistantRequest) {
    let assistant = &mut state.assistant;
    if let Some(model) = request.model {
        assistant.model = Some(model);
    }
    if let Some(tools) = request.tools {
        assistant.tools = tools;
    }
    objects::update(&mut assistant.name, request.name);
    objects::update(&mut assistant.description, request.description);
    objects::update(&mut assistant.instructions, request.instructions);
    objects::update(&mut assistant.response_format, request.response_format);
    objects::update(&mut state.reasoning_effort, request.reasoning_effort);
    objects::update_metadata(&mut assistant.metadata, request.metadata);
    let parameters =
        [(&mut assistant.temperature, request.temperature), (&mut assistant.top_p, request.top_p)];
    for (current, field) in parameters {
        objects::update(current, field);
        current.get_or_insert(DEFAULT_SAMPLING);
    }
}
