//! A run with its steps and messages, as its execution has them in memory.

use std::sync::Arc;

use runstep_api::types::{
    Message, ReasoningEffort, Run, RunStep, RunStepStatus, StepDetails, ToolResources, Usage,
};
use serde::{Deserialize, Serialize};

use super::context::EngineContext;
use super::error::Result;
use super::objects;
use super::run_texts::RunTexts;
use super::serialized::Serialized;
use crate::events::Event;
use crate::json_text::LongMembers;
use crate::model::{Conversation, ConversationItem};
use crate::store::{Collection, PageQuery, QuotaCharge, RunKey, RunRecord, StoreError};

/// The page size with which all entries of a list are read.
const PAGE: usize = 100;

/// The memory of all messages of a new thread that are kept for its run, in bytes.
const MAX_KNOWN_BYTES: usize = 4096;

/// A run, and what has changed since it was stored.
#[derive(Clone, Debug)]
pub(super) struct RunState {
    /// Without the long members, which are in `texts`. Its JSON has them.
    pub(super) run: Serialized<Run>,
    pub(super) texts: RunTexts,
    /// The memory for copies of the long members while the run executes.
    reserved: Option<Arc<QuotaCharge>>,
    pub(super) hidden: HiddenState,
    /// The version of the stored run.
    pub(super) version: u64,
    pub(super) steps: Vec<StepState>,
    /// The messages of steps that are not completed, and those of this execution.
    pub(super) messages: Vec<MessageState>,
    /// The messages of the thread for a model, if they are known without reading them. They do not
    /// change while the run is active.
    pub(super) thread_items: Option<Conversation>,
}

/// State of a run that its object does not have.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct HiddenState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_effort: Option<ReasoningEffort>,
    /// The usage of all model responses so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
    /// The usage of the step that waits for tool outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting_step_usage: Option<Usage>,
    /// The resources of the assistant's tools, as they were when the run was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_resources: Option<ToolResources>,
    /// Whether the run's events have the passages of file searches.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) includes_passages: bool,
    /// How many steps the run had when its current model request started. If it has more after a
    /// crash, clients have received a part of the response, so the request cannot be repeated.
    pub(super) steps_before_request: usize,
}

#[derive(Clone, Debug)]
pub(super) struct StepState {
    pub(super) step: Serialized<RunStep>,
    pub(super) is_stored: bool,
    pub(super) is_dirty: bool,
}

#[derive(Clone, Debug)]
pub(super) struct MessageState {
    pub(super) message: Serialized<Message>,
    /// The version of the stored message, if it is stored.
    pub(super) version: Option<u64>,
    pub(super) is_dirty: bool,
}

impl HiddenState {
    pub(super) fn usage(&self) -> Usage {
        self.usage.clone().unwrap_or_else(|| Usage::new(0, 0, 0))
    }
}

impl RunState {
    /// Creates the state of a run without steps.
    pub(super) fn new(run: Run, texts: RunTexts, hidden: HiddenState) -> Self {
        Self {
            run: Serialized::new(run),
            texts,
            reserved: None,
            hidden,
            version: 0,
            steps: Vec::new(),
            messages: Vec::new(),
            thread_items: None,
        }
    }

    /// Keeps the memory for copies of the long members reserved.
    pub(super) fn with_reserved(mut self, charge: QuotaCharge) -> Self {
        self.reserved = Some(Arc::new(charge));
        self
    }

    /// Loads a run with its steps, and the messages of open steps.
    pub(super) async fn load(
        context: &EngineContext,
        key: &RunKey,
        record: RunRecord,
    ) -> Result<Self> {
        let quota = context.quota(&key.namespace);
        let (members, rest) = LongMembers::split(&record.object.json);
        let run = objects::decode(&rest)?;
        let texts = context.run_texts.get(&quota, members);
        let hidden = objects::parse(&record.object.hidden)?;
        let mut state = Self::new(run, texts, hidden);
        state.version = record.object.version;
        state.steps = load_steps(context, key).await?;
        let open: Vec<String> = state.open_steps().filter_map(created_message).collect();
        for id in open {
            let collection = Collection::messages(&key.thread);
            let object = context.store.object(&key.namespace, collection, &id).await?;
            let message = Serialized::new(objects::decode(&object.json)?);
            let version = Some(object.version);
            state.messages.push(MessageState { message, version, is_dirty: false });
        }
        Ok(state)
    }

    pub(super) fn open_steps(&self) -> impl DoubleEndedIterator<Item = &RunStep> {
        self.steps.iter().map(|state| &*state.step).filter(|step| is_open(step))
    }

    pub(super) fn step(&self, id: &str) -> Option<&RunStep> {
        self.steps.iter().map(|state| &*state.step).find(|step| step.id == id)
    }

    /// Returns the event that a step has its status, with the passages of file searches if clients
    /// ask for them.
    pub(super) fn step_event(&self, id: &str, with_passages: bool) -> Option<Event> {
        let state = self.steps.iter().rev().find(|state| state.step.id == id)?;
        Some(state.event(with_passages))
    }

    /// Returns the event that a message has its status.
    pub(super) fn message_event(&self, id: &str) -> Option<Event> {
        self.messages.iter().rev().find(|state| state.message.id == id).map(MessageState::event)
    }

    /// Returns a step to change.
    pub(super) fn step_mut(&mut self, id: &str) -> Option<&mut RunStep> {
        let state = self.steps.iter_mut().rev().find(|state| state.step.id == id)?;
        state.is_dirty = true;
        Some(state.step.change())
    }

    /// Returns a message to change.
    pub(super) fn message_mut(&mut self, id: &str) -> Option<&mut Message> {
        let state = self.messages.iter_mut().rev().find(|state| state.message.id == id)?;
        state.is_dirty = true;
        Some(state.message.change())
    }

    /// Returns whether clients may have received a part of the current model response.
    pub(super) fn has_output(&self) -> bool {
        self.steps.len() > self.hidden.steps_before_request
    }
}

/// Returns the messages of a thread that is created with a run, unless they are long: the run may
/// wait in the queue.
pub(super) fn known_items(items: Vec<ConversationItem>) -> Option<Conversation> {
    let conversation = Conversation::from(items);
    (conversation.bytes() <= MAX_KNOWN_BYTES).then_some(conversation)
}

impl StepState {
    /// Creates the state of a step that is not stored yet.
    pub(super) fn new(step: RunStep) -> Self {
        Self { step: Serialized::new(step), is_stored: false, is_dirty: true }
    }
}

impl MessageState {
    /// Creates the state of a message that is not stored yet.
    pub(super) fn new(message: Message) -> Self {
        Self { message: Serialized::new(message), version: None, is_dirty: true }
    }
}

pub(super) fn is_open(step: &RunStep) -> bool {
    step.status == RunStepStatus::InProgress
}

/// Returns the id of the message that a step created.
pub(super) fn created_message(step: &RunStep) -> Option<String> {
    match &step.step_details {
        StepDetails::MessageCreation(details) => Some(details.message_creation.message_id.clone()),
        _ => None,
    }
}

/// Reads the steps of a run.
pub(super) async fn load_steps(
    context: &EngineContext,
    key: &RunKey,
) -> Result<Vec<StepState>, StoreError> {
    let mut steps = Vec::new();
    let mut after = None;
    loop {
        let query = PageQuery { limit: PAGE, newest_first: false, after, before: None };
        let collection = Collection::steps(&key.thread, &key.run);
        let page = context.store.page(&key.namespace, collection, None, query).await?;
        for object in &page.objects {
            let step = Serialized::new(objects::decode(&object.json)?);
            steps.push(StepState { step, is_stored: true, is_dirty: false });
        }
        after = page.objects.into_iter().next_back().map(|object| object.id);
        if !page.has_more {
            return Ok(steps);
        }
    }
}
