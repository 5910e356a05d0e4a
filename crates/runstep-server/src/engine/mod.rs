//! What the API does: objects are made and changed here, and runs are driven from status to status.

mod answer;
mod assistants;
mod ending;
mod leg;
mod lifecycle;
mod lists;
mod messages;
mod objects;
mod outputs;
mod prompt;
mod refusal;
mod support;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use runstep_api::Field;
use runstep_api::types::{
    CreateRunRequest, CreateThreadAndRunRequest, Run, RunList, RunStatus, RunStep, RunStepList,
    StreamEvent, SubmitToolOutputsRequest, UpdateRunRequest,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::ids::Ids;
use crate::model::Model;
use crate::store::{AssistantState, PageQuery, RunState, Store, ThreadHandle, ThreadState};
use leg::{Events, Leg};
use lifecycle::IllegalTransition;
pub(crate) use lifecycle::is_terminal;
pub(crate) use refusal::Refusal;

/// How many events may wait for a listener that is slow.
const EVENTS_AHEAD: usize = 256;

/// A hundred years, in seconds.
const LONGEST_LIFETIME: i64 = 100 * 365 * 24 * 60 * 60;

/// The events of one leg of a run, up to the one after which nothing comes.
pub(crate) type Listener = mpsc::Receiver<StreamEvent>;

/// The API over a store and a model.
pub(crate) struct Engine {
    store: Store,
    model: Arc<dyn Model>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    /// In seconds.
    run_lifetime: i64,
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
            run_lifetime: i64::try_from(run_lifetime.as_secs())
                .unwrap_or(i64::MAX)
                .min(LONGEST_LIFETIME),
            closing,
        }
    }

    /// Cancelled when the server shuts down, which stops all runs.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Creates a run and starts it. With `stream` its events can be listened to.
    pub(crate) fn create_run(
        self: &Arc<Self>,
        thread_id: &str,
        request: CreateRunRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let handle = self.handle(thread_id)?;
        let assistant = self.check_run(&request)?;
        self.start(&handle, &assistant, request, Vec::new())
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
        let assistant = self.check_run(&run)?;
        let (thread, handle) = self.insert_thread("thread.", thread)?;
        self.start(&handle, &assistant, run, vec![StreamEvent::ThreadCreated(thread)])
    }

    /// Whether a run could be made as it is asked for, its thread aside. Gives the assistant that
    /// this was checked against: the run is made of it, whatever becomes of it meanwhile.
    fn check_run(&self, request: &CreateRunRequest) -> Result<Arc<AssistantState>, Refusal> {
        let state = self.assistant_state(&request.assistant_id)?;
        let own = request.tools.as_option();
        support::check_tools(own.map(Vec::as_slice).unwrap_or_default())?;
        let tools = own.unwrap_or(&state.assistant.tools);
        support::check_tool_choice(request.tool_choice.as_option(), tools)?;
        for (index, message) in
            request.additional_messages.as_option().into_iter().flatten().enumerate()
        {
            support::check_message(&format!("additional_messages[{index}]."), message)?;
        }
        Ok(state)
    }

    fn start(
        self: &Arc<Self>,
        handle: &ThreadHandle,
        assistant: &AssistantState,
        mut request: CreateRunRequest,
        mut opening: Vec<StreamEvent>,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let now = self.clock.now();
        let lifetime = self.run_lifetime;
        let run = {
            let mut thread = handle.lock();
            let thread_id = thread.thread.id.clone();
            if thread.deleted {
                return Err(Refusal::not_found("thread", &thread_id));
            }
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
        lists::list("run", &thread.runs, query, |_| true, |state| state.run.clone())
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
        objects::change_metadata(&mut state.run.metadata, request.metadata);
        Ok(state.run.clone())
    }

    /// Asks a run to stop; it has not stopped yet when this returns.
    pub(crate) fn cancel_run(&self, thread_id: &str, run_id: &str) -> Result<Run, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = found(&mut thread, run_id)?;
        let now = self.clock.now();
        if stop(state, now).is_err() {
            return Err(Refusal::CannotCancel { status: state.run.status.clone() });
        }
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
            let (run, step) = outputs::accept(state, request, self.clock.now())?;
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
        lists::list("run step", &state.steps, query, |_| true, RunStep::clone)
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

/// Asks a run to stop. Its leg sees the token, or that nobody waits any more, and ends it.
fn stop(state: &mut RunState, now: i64) -> Result<(), IllegalTransition> {
    lifecycle::transition(&mut state.run, RunStatus::Cancelling, now)?;
    state.waiting = None;
    state.cancel.cancel();
    Ok(())
}
