//! What the API does: objects are made and changed here, and runs are driven from status to status.

mod answer;
mod ending;
mod leg;
mod lifecycle;
mod objects;
mod prompt;
mod refusal;
mod support;

use std::sync::Arc;
use std::time::Duration;

use runstep_api::Field;
use runstep_api::types::{
    Assistant, CreateAssistantRequest, CreateMessageRequest, CreateRunRequest,
    CreateThreadAndRunRequest, CreateThreadRequest, Message, MessageList, Run, RunList, RunStatus,
    RunStep, RunStepList, RunStepStatus, StepDetails, StreamEvent, SubmitToolOutputsRequest,
    Thread, ToolCall, UpdateRunRequest,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::ids::Ids;
use crate::model::Model;
use crate::store::{
    AssistantState, PageQuery, RunState, Store, ThreadHandle, ThreadState, UnknownCursor,
};
use leg::{Events, Leg};
pub(crate) use lifecycle::is_terminal;
pub(crate) use refusal::Refusal;

/// How many events may wait for a listener that is slow.
const EVENTS_AHEAD: usize = 256;

/// The events of one leg of a run, up to the one after which nothing comes.
pub(crate) type Listener = mpsc::Receiver<StreamEvent>;

/// The API over a store and a model.
pub(crate) struct Engine {
    store: Store,
    model: Arc<dyn Model>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    run_lifetime: Duration,
    closing: CancellationToken,
}

impl Engine {
    pub(crate) fn new(
        model: Arc<dyn Model>,
        run_lifetime: Duration,
        closing: CancellationToken,
    ) -> Self {
        Self {
            store: Store::default(),
            model,
            clock: Clock::new(),
            ids: Ids::default(),
            run_lifetime,
            closing,
        }
    }

    pub(crate) fn create_assistant(
        &self,
        request: CreateAssistantRequest,
    ) -> Result<Assistant, Refusal> {
        let tools = request.tools.unwrap_or_default();
        support::check_tools(&tools)?;
        support::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
        let mut assistant =
            Assistant::new(self.ids.next("asst"), self.clock.now(), request.model, tools);
        assistant.name = request.name.into_option();
        assistant.description = request.description.into_option();
        assistant.instructions = request.instructions.into_option();
        assistant.metadata = Some(request.metadata.into_option().unwrap_or_default());
        assistant.temperature = Some(request.temperature.into_option().unwrap_or(1.0));
        assistant.top_p = Some(request.top_p.into_option().unwrap_or(1.0));
        assistant.response_format = request.response_format.into_option();
        let reasoning_effort = request.reasoning_effort.into_option();
        self.store
            .insert_assistant(AssistantState { assistant: assistant.clone(), reasoning_effort });
        Ok(assistant)
    }

    pub(crate) fn assistant(&self, id: &str) -> Result<Assistant, Refusal> {
        let state = self.store.assistant(id).ok_or_else(|| Refusal::not_found("assistant", id))?;
        Ok(state.assistant.clone())
    }

    pub(crate) fn create_thread(&self, request: CreateThreadRequest) -> Result<Thread, Refusal> {
        self.insert_thread("", request).map(|(thread, _)| thread)
    }

    fn insert_thread(
        &self,
        prefix: &str,
        request: CreateThreadRequest,
    ) -> Result<(Thread, ThreadHandle), Refusal> {
        support::check_tool_resources(
            &format!("{prefix}tool_resources"),
            request.tool_resources.as_option(),
        )?;
        let given = request.messages.unwrap_or_default();
        for (index, message) in given.iter().enumerate() {
            support::check_message(&format!("{prefix}messages[{index}]."), message)?;
        }
        let now = self.clock.now();
        let mut thread = Thread::new(self.ids.next("thread"), now);
        thread.metadata = Some(request.metadata.into_option().unwrap_or_default());
        let messages = given
            .into_iter()
            .map(|message| objects::given_message(&self.ids, now, &thread.id, message))
            .collect();
        let handle = self.store.insert_thread(thread.clone(), messages);
        Ok((thread, handle))
    }

    pub(crate) fn thread(&self, id: &str) -> Result<Thread, Refusal> {
        Ok(self.handle(id)?.lock().thread.clone())
    }

    fn handle(&self, id: &str) -> Result<ThreadHandle, Refusal> {
        self.store.thread(id).ok_or_else(|| Refusal::not_found("thread", id))
    }

    pub(crate) fn create_message(
        &self,
        thread_id: &str,
        request: CreateMessageRequest,
    ) -> Result<Message, Refusal> {
        let handle = self.handle(thread_id)?;
        support::check_message("", &request)?;
        let mut thread = handle.lock();
        if let Some(run_id) = &thread.active {
            let (thread_id, run_id) = (thread_id.to_owned(), run_id.clone());
            return Err(Refusal::MessagesWhileActive { thread_id, run_id });
        }
        let message = objects::given_message(&self.ids, self.clock.now(), thread_id, request);
        thread.messages.insert(message.id.clone(), message.clone());
        Ok(message)
    }

    pub(crate) fn messages(
        &self,
        thread_id: &str,
        run_id: Option<&str>,
        query: &PageQuery,
    ) -> Result<MessageList, Refusal> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        let wanted = |message: &Message| run_id.is_none() || message.run_id.as_deref() == run_id;
        let page = thread
            .messages
            .page(query, wanted)
            .map_err(|cursor| unknown_cursor("message", query, cursor))?;
        let mut list =
            MessageList::new(page.items.into_iter().cloned().collect::<Vec<_>>(), page.has_more);
        list.first_id = list.data.first().map(|message| message.id.clone());
        list.last_id = list.data.last().map(|message| message.id.clone());
        Ok(list)
    }

    pub(crate) fn message(&self, thread_id: &str, message_id: &str) -> Result<Message, Refusal> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        thread
            .messages
            .get(message_id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("message", message_id))
    }

    /// Creates a run and starts it. With `stream` its events can be listened to.
    pub(crate) fn create_run(
        self: &Arc<Self>,
        thread_id: &str,
        request: CreateRunRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let handle = self.handle(thread_id)?;
        self.check_run(&request)?;
        self.start(&handle, request, Vec::new())
    }

    /// Creates a thread and a run on it. Nothing is left behind when either is refused.
    pub(crate) fn create_thread_and_run(
        self: &Arc<Self>,
        request: CreateThreadAndRunRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        support::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
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
        self.check_run(&run)?;
        let (thread, handle) = self.insert_thread("thread.", thread)?;
        self.start(&handle, run, vec![StreamEvent::ThreadCreated(thread)])
    }

    /// Whether a run could be made as it is asked for, its thread aside.
    fn check_run(&self, request: &CreateRunRequest) -> Result<(), Refusal> {
        let assistant = self.assistant(&request.assistant_id)?;
        let own = request.tools.as_option();
        support::check_tools(own.map(Vec::as_slice).unwrap_or_default())?;
        let tools = own.unwrap_or(&assistant.tools);
        support::check_tool_choice(request.tool_choice.as_option(), tools)?;
        for (index, message) in
            request.additional_messages.as_option().into_iter().flatten().enumerate()
        {
            support::check_message(&format!("additional_messages[{index}]."), message)?;
        }
        Ok(())
    }

    fn start(
        self: &Arc<Self>,
        handle: &ThreadHandle,
        mut request: CreateRunRequest,
        mut opening: Vec<StreamEvent>,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let assistant = self
            .store
            .assistant(&request.assistant_id)
            .ok_or_else(|| Refusal::not_found("assistant", &request.assistant_id))?;
        let now = self.clock.now();
        let lifetime = i64::try_from(self.run_lifetime.as_secs()).unwrap_or(i64::MAX);
        let run = {
            let mut thread = handle.lock();
            let thread_id = thread.thread.id.clone();
            if let Some(run_id) = &thread.active {
                return Err(Refusal::ActiveRun { thread_id, run_id: run_id.clone() });
            }
            for message in
                std::mem::take(&mut request.additional_messages).into_option().unwrap_or_default()
            {
                let message = objects::given_message(&self.ids, now, &thread_id, message);
                thread.messages.insert(message.id.clone(), message);
            }
            let run =
                objects::run(&self.ids, now, lifetime, &thread_id, &assistant.assistant, &request);
            let effort = request
                .reasoning_effort
                .into_option()
                .or_else(|| assistant.reasoning_effort.clone());
            thread.runs.insert(run.id.clone(), RunState::new(run.clone(), effort));
            thread.active = Some(run.id.clone());
            run
        };
        opening.push(StreamEvent::RunCreated(run.clone()));
        opening.push(StreamEvent::RunQueued(run.clone()));
        let listener =
            self.spawn_leg(handle, &run.id, 0, request.stream == Field::Value(true), opening);
        Ok((run, listener))
    }

    fn spawn_leg(
        self: &Arc<Self>,
        handle: &ThreadHandle,
        run_id: &str,
        number: u64,
        listened: bool,
        opening: Vec<StreamEvent>,
    ) -> Option<Listener> {
        let (sender, receiver) = listened.then(|| mpsc::channel(EVENTS_AHEAD)).unzip();
        let leg = Leg {
            engine: Arc::clone(self),
            thread: handle.clone(),
            run_id: run_id.to_owned(),
            number,
            events: Events::new(sender),
        };
        leg.spawn(if listened { opening } else { Vec::new() });
        receiver
    }

    pub(crate) fn runs(&self, thread_id: &str, query: &PageQuery) -> Result<RunList, Refusal> {
        let handle = self.handle(thread_id)?;
        let thread = handle.lock();
        let page = thread
            .runs
            .page(query, |_| true)
            .map_err(|cursor| unknown_cursor("run", query, cursor))?;
        let runs: Vec<Run> = page.items.into_iter().map(|state| state.run.clone()).collect();
        let mut list = RunList::new(runs, page.has_more);
        list.first_id = list.data.first().map(|run| run.id.clone());
        list.last_id = list.data.last().map(|run| run.id.clone());
        Ok(list)
    }

    pub(crate) fn run(&self, thread_id: &str, run_id: &str) -> Result<Run, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        Ok(found(&mut thread, run_id)?.run.clone())
    }

    pub(crate) fn update_run(
        &self,
        thread_id: &str,
        run_id: &str,
        request: UpdateRunRequest,
    ) -> Result<Run, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = found(&mut thread, run_id)?;
        if let Some(metadata) = request.metadata.into_option() {
            state.run.metadata = Some(metadata);
        }
        Ok(state.run.clone())
    }

    /// Asks a run to stop. Its leg sees the token, or that nobody waits any more, and ends it.
    pub(crate) fn cancel_run(&self, thread_id: &str, run_id: &str) -> Result<Run, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = found(&mut thread, run_id)?;
        let now = self.clock.now();
        if lifecycle::transition(&mut state.run, RunStatus::Cancelling, now).is_err() {
            return Err(Refusal::CannotCancel { status: state.run.status.clone() });
        }
        state.waiting = None;
        state.cancel.cancel();
        Ok(state.run.clone())
    }

    /// Takes the outputs of all calls that a run waits for, and goes on with it.
    pub(crate) fn submit_tool_outputs(
        self: &Arc<Self>,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let handle = self.handle(thread_id)?;
        let (run, step, leg) = {
            let mut thread = handle.lock();
            let state = found(&mut thread, run_id)?;
            let (run, step) = accept_outputs(state, request, self.clock.now())?;
            state.leg += 1;
            (run, step, state.leg)
        };
        let mut opening: Vec<StreamEvent> =
            step.map(StreamEvent::StepCompleted).into_iter().collect();
        opening.push(StreamEvent::RunQueued(run.clone()));
        let listener =
            self.spawn_leg(&handle, run_id, leg, request.stream == Field::Value(true), opening);
        Ok((run, listener))
    }

    pub(crate) fn steps(
        &self,
        thread_id: &str,
        run_id: &str,
        query: &PageQuery,
    ) -> Result<RunStepList, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = found(&mut thread, run_id)?;
        let page = state
            .steps
            .page(query, |_| true)
            .map_err(|cursor| unknown_cursor("run step", query, cursor))?;
        let mut list =
            RunStepList::new(page.items.into_iter().cloned().collect::<Vec<_>>(), page.has_more);
        list.first_id = list.data.first().map(|step| step.id.clone());
        list.last_id = list.data.last().map(|step| step.id.clone());
        Ok(list)
    }

    pub(crate) fn step(
        &self,
        thread_id: &str,
        run_id: &str,
        step_id: &str,
    ) -> Result<RunStep, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let step = found(&mut thread, run_id)?.steps.get(step_id).cloned();
        step.ok_or_else(|| Refusal::not_found("run step", step_id))
    }
}

fn found<'a>(thread: &'a mut ThreadState, run_id: &str) -> Result<&'a mut RunState, Refusal> {
    thread.runs.get_mut(run_id).ok_or_else(|| Refusal::not_found("run", run_id))
}

fn unknown_cursor(kind: &str, query: &PageQuery, cursor: UnknownCursor) -> Refusal {
    let (param, id) = match cursor {
        UnknownCursor::After => ("after", &query.after),
        UnknownCursor::Before => ("before", &query.before),
    };
    let id = id.as_deref().unwrap_or_default();
    Refusal::Invalid {
        param: param.to_owned(),
        message: format!("there is no {kind} with id '{id}' here."),
    }
}

/// Checks the outputs against the calls, and puts them in. All or nothing.
fn accept_outputs(
    state: &mut RunState,
    request: &SubmitToolOutputsRequest,
    now: i64,
) -> Result<(Run, Option<RunStep>), Refusal> {
    if state.run.status != RunStatus::RequiresAction {
        return Err(Refusal::TakesNoOutputs { status: state.run.status.clone() });
    }
    let mut got = Vec::new();
    for (index, output) in request.tool_outputs.iter().enumerate() {
        got.push(output.tool_call_id.clone().ok_or_else(|| Refusal::Invalid {
            param: format!("tool_outputs[{index}].tool_call_id"),
            message: "name the call that this is the output of.".to_owned(),
        })?);
    }
    let mut step =
        state.steps.values_mut().filter(|step| step.status == RunStepStatus::InProgress).last();
    let mut none = Vec::new();
    let calls = match step.as_mut().map(|step| &mut step.step_details) {
        Some(StepDetails::ToolCalls(details)) => &mut details.tool_calls,
        _ => &mut none,
    };
    let expected: Vec<String> = calls
        .iter()
        .filter_map(|call| match call {
            ToolCall::Function(call) => Some(call.id.clone()),
            _ => None,
        })
        .collect();
    let unique: std::collections::HashSet<&String> = got.iter().collect();
    if unique.len() != got.len() {
        return Err(Refusal::DuplicateOutputs { got });
    }
    if got.len() != expected.len() || !expected.iter().all(|id| unique.contains(id)) {
        return Err(Refusal::OtherOutputsExpected { expected, got });
    }
    for call in calls.iter_mut() {
        let ToolCall::Function(call) = call else { continue };
        let output =
            request.tool_outputs.iter().find(|one| one.tool_call_id.as_ref() == Some(&call.id));
        call.function.output = Some(output.and_then(|one| one.output.clone()).unwrap_or_default());
    }
    let step = step.map(|step| {
        step.status = RunStepStatus::Completed;
        step.completed_at = Some(now);
        step.usage = state.waiting_step_usage.take();
        step.clone()
    });
    state.waiting = None;
    // The table has it: the status was checked above.
    let _ = lifecycle::transition(&mut state.run, RunStatus::Queued, now);
    Ok((state.run.clone(), step))
}
