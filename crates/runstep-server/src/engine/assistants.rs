//! Assistants: made, listed, changed and deleted.

use std::sync::Arc;

use runstep_api::types::{
    Assistant, AssistantList, CreateAssistantRequest, DeletedAssistant, UpdateAssistantRequest,
};

use super::{Engine, Refusal, lists, objects, support};
use crate::store::{AssistantState, PageQuery};

/// What `temperature` and `top_p` are when nobody says.
const DEFAULT_SAMPLING: f64 = 1.0;

impl Engine {
    pub(crate) fn create_assistant(
        &self,
        request: CreateAssistantRequest,
    ) -> Result<Assistant, Refusal> {
        let tools = request.tools.unwrap_or_default();
        support::check_tools(&tools)?;
        support::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        self.shared.check_room()?;
        let mut assistant = Assistant::new(
            self.shared.ids.next("asst"),
            self.shared.clock.now(),
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

    pub(crate) fn assistant(&self, id: &str) -> Result<Assistant, Refusal> {
        Ok(self.assistant_state(id)?.assistant.clone())
    }

    pub(super) fn assistant_state(&self, id: &str) -> Result<Arc<AssistantState>, Refusal> {
        self.store.assistant(id).ok_or_else(|| Refusal::not_found("assistant", id))
    }

    pub(crate) fn assistants(&self, query: &PageQuery) -> Result<AssistantList, Refusal> {
        self.store.with_assistants(|all| {
            lists::list("assistant", all, query, |_| true, |state| state.assistant.clone())
        })
    }

    /// Changes what the request has. Runs that exist keep what they were made with.
    pub(crate) fn update_assistant(
        &self,
        id: &str,
        request: UpdateAssistantRequest,
    ) -> Result<Assistant, Refusal> {
        self.assistant_state(id)?;
        support::check_tools(request.tools.as_deref().unwrap_or_default())?;
        support::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let changed = self.store.change_assistant(id, |state| change(state, request));
        Ok(changed.ok_or_else(|| Refusal::not_found("assistant", id))??)
    }

    /// Deletes an assistant. Its runs go on: they have all that they need of it.
    pub(crate) fn delete_assistant(&self, id: &str) -> Result<DeletedAssistant, Refusal> {
        if self.store.remove_assistant(id) {
            Ok(DeletedAssistant::new(id, true))
        } else {
            Err(Refusal::not_found("assistant", id))
        }
    }
}

fn change(state: &mut AssistantState, request: UpdateAssistantRequest) {
    let assistant = &mut state.assistant;
    if let Some(model) = request.model {
        assistant.model = model;
    }
    if let Some(tools) = request.tools {
        assistant.tools = tools;
    }
    objects::change(&mut assistant.name, request.name);
    objects::change(&mut assistant.description, request.description);
    objects::change(&mut assistant.instructions, request.instructions);
    objects::change(&mut assistant.response_format, request.response_format);
    objects::change(&mut state.reasoning_effort, request.reasoning_effort);
    objects::change_metadata(&mut assistant.metadata, request.metadata);
    let samplings =
        [(&mut assistant.temperature, request.temperature), (&mut assistant.top_p, request.top_p)];
    for (present, field) in samplings {
        objects::change(present, field);
        present.get_or_insert(DEFAULT_SAMPLING);
    }
}
