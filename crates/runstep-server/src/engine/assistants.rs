//! Operations on assistants.

use std::sync::Arc;

use axum::body::Bytes;
use runstep_api::Field;
use runstep_api::types::{
    Assistant, CreateAssistantRequest, DeletedAssistant, ReasoningEffort, ResponseFormat,
    UpdateAssistantRequest,
};
use serde::{Deserialize, Serialize};

use super::assistant_cache::DecodedAssistant;
use super::context::Engine;
use super::error::Result;
use super::idempotency::Recorded;
use super::transactions::new_object;
use super::vector_stores::NewVectorStores;
use super::{built_in_tools, capabilities, objects, run_texts};
use crate::json_text::LongMembers;
use crate::store::{Change, Collection, NewObject, PageQuery};

/// The default of `temperature` and `top_p`.
const DEFAULT_SAMPLING: f64 = 1.0;

/// Settings of an assistant that its object does not have.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct HiddenSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_effort: Option<ReasoningEffort>,
}

impl Engine {
    pub(crate) async fn create_assistant(&self, request: CreateAssistantRequest) -> Result<Bytes> {
        let engine = self.identify("createAssistant", &[], &request);
        engine.once(engine.try_create_assistant(request), Recorded::into_json).await
    }

    async fn try_create_assistant(&self, request: CreateAssistantRequest) -> Result<Bytes> {
        let tools = request.tools.unwrap_or_default();
        let model = self.context.capabilities();
        model.check_tools(&tools)?;
        model.check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        capabilities::check_response_format(request.response_format.as_option())?;
        self.check_created(request.tool_resources.as_option()).await?;
        self.context.store.check_capacity()?;
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
        assistant.response_format =
            Some(request.response_format.into_option().unwrap_or(ResponseFormat::Auto));
        // Clients read these as objects, also if there are none.
        let resources = request.tool_resources.into_option();
        let mut stores = NewVectorStores::default();
        match self.create_resources("", resources, &mut stores).await {
            Ok(resources) => assistant.tool_resources = Some(resources),
            Err(error) => return self.delete_if_failed(stores, Err(error)).await,
        }
        let hidden = HiddenSettings { reasoning_effort: request.reasoning_effort.into_option() };
        let object =
            NewObject { hidden: objects::json(&hidden), ..new_object(&assistant.id, &assistant) };
        let json = object.json.clone();
        let committed = self.commit(Change::CreateAssistant(object), &json, 0).await;
        self.delete_if_failed(stores, committed.map_err(Into::into)).await?;
        Ok(json)
    }

    pub(crate) async fn assistant(&self, id: &str) -> Result<Bytes> {
        self.read(Collection::Assistants, id).await
    }

    /// Returns a decoded assistant.
    pub(super) async fn decoded_assistant(&self, id: &str) -> Result<Arc<DecodedAssistant>> {
        let object = self.object(Collection::Assistants, id).await?;
        self.context.assistant_cache.decode(&self.namespace, object)
    }

    pub(crate) async fn assistants(&self, query: &PageQuery) -> Result<Bytes> {
        self.list(Collection::Assistants, None, query).await
    }

    /// Updates the fields that the request has. Existing runs keep their settings.
    pub(crate) async fn update_assistant(
        &self,
        id: &str,
        request: UpdateAssistantRequest,
    ) -> Result<Bytes> {
        let engine = self.identify("modifyAssistant", &[id], &request);
        engine.once(engine.try_update_assistant(id, request), Recorded::into_json).await
    }

    async fn try_update_assistant(
        &self,
        id: &str,
        request: UpdateAssistantRequest,
    ) -> Result<Bytes> {
        let tools = request.tools.as_deref().unwrap_or_default();
        let model = self.context.capabilities();
        let checked = model.check_tools(tools).and_then(|()| {
            let resources = request.tool_resources.as_option();
            model.check_tool_resources("tool_resources", resources)?;
            capabilities::check_response_format(request.response_format.as_option())
        });
        if let Err(error) = checked {
            // A missing assistant takes precedence.
            self.assistant(id).await?;
            return Err(error);
        }
        self.check_resources(request.tool_resources.as_option()).await?;
        self.change(
            Collection::Assistants,
            id,
            |assistant: &mut Assistant, hidden: &mut HiddenSettings, members: &mut LongMembers| {
                update(assistant, hidden, members, &request);
            },
        )
        .await
    }

    /// Deletes an assistant. Its runs continue with the settings they have.
    pub(crate) async fn delete_assistant(&self, id: &str) -> Result<DeletedAssistant> {
        let (collection, object_id) = (Collection::Assistants, id.to_owned());
        self.transact(Change::Delete { collection, id: object_id }, None).await?;
        Ok(DeletedAssistant::new(id, true))
    }
}

fn update(
    assistant: &mut Assistant,
    hidden: &mut HiddenSettings,
    members: &mut LongMembers,
    request: &UpdateAssistantRequest,
) {
    if let Some(tools) = &request.tools {
        members.tools = Some(run_texts::tools_text(tools));
    }
    match &request.response_format {
        Field::Absent => {}
        Field::Null => members.response_format = Some(objects::json(&ResponseFormat::Auto)),
        Field::Value(format) => members.response_format = Some(objects::json(format)),
    }
    if let Some(model) = &request.model {
        assistant.model = Some(model.clone());
    }
    objects::update(&mut assistant.name, request.name.clone());
    objects::update(&mut assistant.description, request.description.clone());
    objects::update(&mut assistant.instructions, request.instructions.clone());
    built_in_tools::update(&mut assistant.tool_resources, &request.tool_resources);
    objects::update(&mut hidden.reasoning_effort, request.reasoning_effort.clone());
    objects::update_metadata(&mut assistant.metadata, request.metadata.clone());
    let parameters = [
        (&mut assistant.temperature, &request.temperature),
        (&mut assistant.top_p, &request.top_p),
    ];
    for (current, field) in parameters {
        objects::update(current, *field);
        current.get_or_insert(DEFAULT_SAMPLING);
    }
}
