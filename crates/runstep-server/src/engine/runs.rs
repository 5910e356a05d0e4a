//! Operations that create and read runs.

use std::mem;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use runstep_api::Field;
use runstep_api::types::{
    CreateRunRequest, CreateThreadAndRunRequest, Run, RunStatus, ToolResources, UpdateRunRequest,
};
use tokio::sync::oneshot;

use super::admission::QueuePermit;
use super::assistant_cache::DecodedAssistant;
use super::context::Engine;
use super::error::{EngineError, Result};
use super::execution::RunExecution;
use super::idempotency::Recorded;
use super::journal::RESERVED_EVENTS;
use super::run_events::thread_created;
use super::run_state::{HiddenState, RunState};
use super::run_texts::RunTexts;
use super::transactions::new_message;
use super::{built_in_tools, capabilities, objects, prompt, run_state, run_texts};
use crate::events::{Event, Frame, Frames, Subscriber};
use crate::json_text::LongMembers;
use crate::model::ConversationItem;
use crate::store::{
    Change, Collection, EventChunk, NewMessage, NewObject, NewRun, NewThread, PageQuery, Phase,
    QuotaCharge, RunRecord, StoreError,
};

/// The number of the first event of a run.
const FIRST_EVENT: u64 = 1;

/// A run as JSON, and what its response depends on.
#[derive(Clone, Debug)]
pub(crate) struct RunView {
    pub(crate) thread_id: String,
    pub(crate) run_id: String,
    pub(crate) json: Bytes,
    /// Whether the run has ended or requires action.
    pub(crate) has_settled: bool,
}

/// What a run is created from, after validation.
struct ValidRun {
    assistant: Arc<DecodedAssistant>,
    /// The files and vector stores of the tools.
    tool_resources: Option<ToolResources>,
    texts: RunTexts,
    reserved: QuotaCharge,
    permit: QueuePermit,
    /// Whether the run's events have the passages of file searches.
    with_passages: bool,
}

/// How an execution starts.
pub(super) struct Start {
    /// The number of its first event,
    pub(super) first_event: u64,
    /// and the events that are stored before it starts.
    pub(super) frames: Vec<Frame>,
    /// Whether a client requests a stream.
    pub(super) stream: bool,
    pub(super) permit: QueuePermit,
}

impl RunView {
    pub(super) fn new(thread_id: &str, run_id: &str, json: Bytes, phase: Phase) -> Self {
        Self {
            thread_id: thread_id.to_owned(),
            run_id: run_id.to_owned(),
            json,
            has_settled: matches!(phase, Phase::Ended | Phase::RequiresAction),
        }
    }
}

impl Engine {
    /// Creates and starts a run. Returns a subscriber to its events if the request is for a stream.
    /// `with_passages` adds the passages of file searches to the events.
    pub(crate) async fn create_run(
        &self,
        thread_id: &str,
        request: CreateRunRequest,
        with_passages: bool,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let stream = is_streamed(&request.stream);
        let engine = self.identify("createRun", &[thread_id], &request);
        let replay = |recorded| engine.replay_run(recorded, stream);
        let create = engine.try_create_run(thread_id, request, with_passages);
        engine.once(Box::pin(create), replay).await
    }

    async fn try_create_run(
        &self,
        thread_id: &str,
        request: CreateRunRequest,
        with_passages: bool,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let valid = match self.validate_run(&request).await {
            Ok(valid) => ValidRun { with_passages, ..valid },
            Err(error) => {
                // A missing thread takes precedence.
                self.thread(thread_id).await?;
                return Err(error);
            }
        };
        if let Some(messages) = request.additional_messages.as_option() {
            self.attach_to_thread(thread_id, messages).await?;
        }
        self.start(thread_id, valid, request, None).await
    }

    /// Creates a thread and a run on it, or neither.
    pub(crate) async fn create_thread_and_run(
        &self,
        request: CreateThreadAndRunRequest,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let stream = is_streamed(&request.stream);
        let engine = self.identify("createThreadAndRun", &[], &request);
        let replay = |recorded| engine.replay_run(recorded, stream);
        engine.once(Box::pin(engine.try_create_thread_and_run(request)), replay).await
    }

    async fn try_create_thread_and_run(
        &self,
        request: CreateThreadAndRunRequest,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let model = self.context.capabilities();
        model.check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let thread = request.thread.unwrap_or_default();
        let mut run = CreateRunRequest::new(request.assistant_id);
        run.model = request.model;
        run.instructions = request.instructions;
        run.tools = request.tools;
        run.metadata = request.metadata;
        run.temperature = request.temperature;
        run.top_p = request.top_p;
        run.stream = request.stream;
        run.max_prompt_tokens = request.max_prompt_tokens;
        run.max_completion_tokens = request.max_completion_tokens;
        run.truncation_strategy = request.truncation_strategy;
        run.tool_choice = request.tool_choice;
        run.parallel_tool_calls = request.parallel_tool_calls;
        run.response_format = request.response_format;
        let mut valid = self.validate_run(&run).await?;
        self.check_resources(request.tool_resources.as_option()).await?;
        if let Some(resources) = request.tool_resources.into_option() {
            built_in_tools::merge(&mut valid.tool_resources, resources);
        }
        let (new_thread, items, stores) = self.new_thread("thread.", thread).await?;
        let id = new_thread.thread.id.clone();
        let started = self.start(&id, valid, run, Some((new_thread, items))).await;
        self.delete_if_failed(stores, started).await
    }

    /// Validates a create-run request, except for its thread. Returns the assistant, because the
    /// run must use the state that was validated.
    async fn validate_run(&self, request: &CreateRunRequest) -> Result<ValidRun> {
        let assistant = self.decoded_assistant(&request.assistant_id).await?;
        let mut members = assistant.members.clone();
        let model = self.context.capabilities();
        match request.tools.as_option() {
            Some(tools) => {
                model.check_tools(tools)?;
                members.tools = Some(run_texts::tools_text(tools));
            }
            // The assistant may have been created for another model.
            None => model.check_built_in_tools(&members)?,
        }
        model.check_tool_choice(request.tool_choice.as_option(), &members)?;
        if let Some(format) = request.response_format.as_option() {
            capabilities::check_response_format(Some(format))?;
            members.response_format = Some(objects::json(format));
        }
        let messages = request.additional_messages.as_option().into_iter().flatten();
        for (index, message) in messages.enumerate() {
            let prefix = format!("additional_messages[{index}].");
            model.check_message(&prefix, message)?;
        }
        self.context.store.check_capacity()?;
        let permit = self.context.admission.admit(&self.namespace)?;
        let quota = self.quota();
        let texts = self.context.run_texts.get(&quota, members);
        let reserved = quota.reserve(texts.execution_bytes())?;
        let tool_resources = assistant.assistant.tool_resources.clone();
        let with_passages = false;
        Ok(ValidRun { assistant, tool_resources, texts, reserved, permit, with_passages })
    }

    /// Creates the run and starts its first execution. The event of a new thread precedes the run's
    /// own events.
    async fn start(
        &self,
        thread_id: &str,
        valid: ValidRun,
        mut request: CreateRunRequest,
        new_thread: Option<(NewThread, Vec<ConversationItem>)>,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let ValidRun { assistant, tool_resources, texts, reserved, permit, with_passages } = valid;
        // They are in `texts`.
        (request.tools, request.response_format) = (Field::Absent, Field::Absent);
        let context = &self.context;
        let (ids, now) = (&context.ids, context.clock.now());
        let stream = is_streamed(&request.stream);
        let messages = mem::take(&mut request.additional_messages).into_option();
        let messages = messages.unwrap_or_default().into_iter().map(|message| {
            let message = objects::request_message(ids, now, thread_id, message);
            new_message(&message, &prompt::message_item(&message))
        });
        let messages: Vec<NewMessage> = messages.collect();
        let effort = mem::take(&mut request.reasoning_effort).into_option();
        let hidden = HiddenState {
            reasoning_effort: effort.or_else(|| assistant.settings.reasoning_effort.clone()),
            tool_resources: tool_resources.filter(has_resources),
            includes_passages: with_passages,
            ..HiddenState::default()
        };
        let assistant = &assistant.assistant;
        let run = objects::run(ids, now, context.run_lifetime, thread_id, assistant, request);

        let (new_thread, items) = new_thread.unzip();
        let known = items.filter(|_| messages.is_empty()).and_then(run_state::known_items);
        let mut state = RunState::new(run, texts, hidden).with_reserved(reserved);
        let thread_created = new_thread.as_ref().map(|new| thread_created(new.thread.json.clone()));
        let run_events = [state.created_event(), state.event()];
        let events: Vec<_> = thread_created.into_iter().chain(run_events).collect();
        let (frames, events) = encode(FIRST_EVENT, &events);
        let next = events.last + 1;
        let (run, json) = (&state.run, state.run_json());
        let view = RunView::new(thread_id, &run.id, json.clone(), Phase::Queued);
        let hidden = objects::json(&state.hidden);
        let change = Change::CreateRun(Box::new(NewRun {
            thread: thread_id.to_owned(),
            new_thread,
            messages,
            run: NewObject { id: run.id.clone(), json: json.clone(), hidden },
            phase: Phase::Queued,
            expires_at: run.expires_at.unwrap_or_default(),
            owner: Some(Arc::clone(&context.node)),
            next_event: next + RESERVED_EVENTS,
            events,
        }));
        state.run.forget_json();
        state.thread_items = known;
        let start = Start { first_event: FIRST_EVENT, frames, stream, permit };
        let subscriber = match self.commit_and_execute(change, json, state, start).await {
            Ok(subscriber) => subscriber,
            Err(StoreError::ActiveRun { run_id }) => {
                return Err(EngineError::ActiveRun { thread_id: thread_id.to_owned(), run_id });
            }
            Err(error) => return Err(error.into()),
        };
        context.metrics.record_run_created();
        Ok((view, subscriber))
    }

    /// Commits a change that puts a run into the queue, and starts its execution. Does so in a task
    /// if the store has to wait, because this node has claimed the run: if the client disconnects
    /// meanwhile, the run must execute nevertheless.
    pub(super) async fn commit_and_execute(
        &self,
        change: Change,
        json: Bytes,
        mut state: RunState,
        start: Start,
    ) -> Result<Option<Subscriber>, StoreError> {
        let engine = self.clone();
        let mut started = Box::pin(async move {
            let committed = engine.commit(change, &json, start.first_event).await?;
            state.version = committed.version;
            Ok::<_, StoreError>(engine.execution(state, start))
        });
        if let Some(started) = started.as_mut().now_or_never() {
            let (subscriber, mut execution) = started?;
            // A model that is ready at once needs no task: its events are sent with the response, and
            // a client that polls needs fewer requests.
            if (&mut execution).now_or_never().is_none() {
                tokio::spawn(execution);
            }
            return Ok(subscriber);
        }
        let (sender, receiver) = oneshot::channel();
        // The same task executes the run.
        tokio::spawn(async move {
            // The client may have disconnected.
            match started.await {
                Ok((subscriber, execution)) => {
                    let _ = sender.send(Ok(subscriber));
                    execution.await;
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        });
        let stopped = |_| Err(StoreError::Unavailable("the server is shutting down".into()));
        receiver.await.unwrap_or_else(stopped)
    }

    /// Returns an execution of a run, which is live from now on. Its log begins with these events,
    /// which are stored already.
    fn execution(
        &self,
        state: RunState,
        start: Start,
    ) -> (Option<Subscriber>, BoxFuture<'static, ()>) {
        let Start { first_event, frames, stream, permit } = start;
        let context = &self.context;
        let key = self.run_key(&state.run.thread_id, &state.run.id);
        let live = context.live_run(first_event);
        let subscriber =
            stream.then(|| Subscriber::new(self.event_source(&key), Some(&live.log), first_event));
        let next = first_event + frames.len() as u64;
        live.log.push(frames, next);
        context.live_runs.insert(key.clone(), Arc::clone(&live));
        (subscriber, RunExecution::new(context, key, live, state).run(permit).boxed())
    }

    /// Subscribes to a run's events after the one with this number. Returns `None` if they are not
    /// retained or if no event follows.
    pub(crate) async fn subscribe_after(
        &self,
        thread_id: &str,
        run_id: &str,
        event: u64,
    ) -> Result<Option<Subscriber>> {
        let key = self.run_key(thread_id, run_id);
        let source = self.event_source(&key);
        let Some(next) = event.checked_add(1) else {
            return self.run_record(thread_id, run_id).await.map(|_| None);
        };
        let live = self.context.live_runs.get(&key);
        let record = self.run_record(thread_id, run_id).await?;
        let is_settled = matches!(record.phase, Phase::Ended | Phase::RequiresAction);
        // While the run executes, its log can have events that are not stored yet.
        let last = live.as_ref().map_or(record.next_event, |live| live.log.next());
        let follows = (!is_settled && next <= last)
            || !self.context.store.events_after(&key, event).await?.is_empty();
        Ok(follows.then(|| Subscriber::new(source, live.as_ref().map(|live| &live.log), next)))
    }

    pub(crate) async fn runs(&self, thread_id: &str, query: &PageQuery) -> Result<Bytes> {
        self.list(Collection::runs(thread_id), None, query).await
    }

    pub(crate) async fn run(&self, thread_id: &str, run_id: &str) -> Result<RunView> {
        let record = self.run_record(thread_id, run_id).await?;
        Ok(RunView::new(thread_id, run_id, record.object.json, record.phase))
    }

    pub(super) async fn run_record(&self, thread_id: &str, run_id: &str) -> Result<RunRecord> {
        Ok(self.context.store.run(&self.run_key(thread_id, run_id)).await?)
    }

    pub(crate) async fn update_run(
        &self,
        thread_id: &str,
        run_id: &str,
        request: UpdateRunRequest,
    ) -> Result<RunView> {
        let engine = self.identify("modifyRun", &[thread_id, run_id], &request);
        let update = |run: &mut Run, (): &mut (), _: &mut LongMembers| {
            objects::update_metadata(&mut run.metadata, request.metadata.clone());
        };
        let update = engine.change(Collection::runs(thread_id), run_id, update);
        let json = engine.once(update, Recorded::into_json).await?;
        let status: RunStatusOnly = objects::parse(&json)?;
        Ok(RunView::new(thread_id, run_id, json, objects::phase(&status.status)))
    }
}

/// The status of a run.
#[derive(serde::Deserialize)]
struct RunStatusOnly {
    status: RunStatus,
}

fn has_resources(resources: &ToolResources) -> bool {
    *resources != ToolResources::default()
}

pub(super) fn is_streamed(stream: &Field<bool>) -> bool {
    *stream == Field::Value(true)
}

/// Encodes events that are stored before clients receive them.
pub(super) fn encode(first: u64, events: &[Event]) -> (Vec<Frame>, EventChunk) {
    let (frames, bytes) = Frames::encode(&[], first, events.iter()).finish(0);
    let last = (first + frames.len() as u64).saturating_sub(1);
    let is_done = frames.last().is_some_and(|frame| frame.is_done);
    (frames, EventChunk { first, last, is_done, bytes })
}
