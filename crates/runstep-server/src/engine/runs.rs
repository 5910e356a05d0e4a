//! Runs: made and started, listed, changed, continued with outputs, and stopped.

use std::sync::{Arc, Weak};

use runstep_api::Field;
use runstep_api::types::{
    CreateRunRequest, CreateThreadAndRunRequest, Run, RunList, RunStatus, StreamEvent,
    SubmitToolOutputsRequest, UpdateRunRequest,
};

use super::leg::Leg;
use super::lifecycle::{self, IllegalTransition};
use super::slots::Place;
use super::{Engine, Refusal, lists, objects, outputs, support};
use crate::events::{EventLog, Listener};
use crate::store::{AssistantState, PageQuery, RunState, ThreadHandle, ThreadState, size};

impl Engine {
    /// Creates a run and starts it. With `stream` its events can be listened to.
    pub(crate) fn create_run(
        &self,
        thread_id: &str,
        request: CreateRunRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let handle = self.handle(thread_id)?;
        let assistant = self.check_run(&request)?;
        let place = self.shared.slots.enter()?;
        self.start(&handle, &assistant, request, place, None)
    }

    /// Creates a thread and a run on it. Nothing is left behind when either is refused.
    pub(crate) fn create_thread_and_run(
        &self,
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
        let place = self.shared.slots.enter()?;
        let (thread, handle) = self.insert_thread("thread.", thread)?;
        self.start(
            &handle,
            &assistant,
            run,
            place,
            Some(StreamEvent::ThreadCreated(Box::new(thread))),
        )
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
            let prefix = format!("additional_messages[{index}].");
            support::check_message(&prefix, message, self.shared.model.sees_images())?;
        }
        self.shared.check_room()?;
        Ok(state)
    }

    fn start(
        &self,
        handle: &ThreadHandle,
        assistant: &AssistantState,
        mut request: CreateRunRequest,
        place: Place,
        opening: Option<StreamEvent>,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let log = is_streamed(&request.stream).then(|| shared.new_log());
        let listener = log.as_ref().map(EventLog::listen);
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
                let message = objects::given_message(&shared.ids, now, &thread_id, message);
                thread.insert_message(message);
            }
            let lifetime = shared.run_lifetime;
            let ids = &shared.ids;
            let run = objects::run(ids, now, lifetime, &thread_id, &assistant.assistant, &request);
            let effort = request
                .reasoning_effort
                .into_option()
                .or_else(|| assistant.reasoning_effort.clone());
            let mut state = RunState::new(run.clone(), effort);
            state.events = log.as_ref().map_or_else(Weak::new, Arc::downgrade);
            thread.charge.add(size(&run));
            thread.runs.insert(run.id.clone(), state);
            thread.active = Some(run.id.clone());
            // Told before the thread is free, so that nothing comes before it.
            if let Some(log) = &log {
                opening.into_iter().for_each(|event| log.push(&event));
                log.push(&StreamEvent::RunCreated(Box::new(run.clone())));
                log.push(&StreamEvent::RunQueued(Box::new(run.clone())));
            }
            run
        };
        shared.metrics.run_created();
        Leg::new(shared, handle, &run.id, 0, log).spawn(place);
        Ok((run, listener))
    }

    /// Takes the outputs of all calls that a run waits for, and goes on with it.
    pub(crate) fn submit_tool_outputs(
        &self,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
    ) -> Result<(Run, Option<Listener>), Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let ThreadState { runs, charge, .. } = &mut *thread;
        let state = runs.get_mut(run_id).ok_or_else(|| Refusal::not_found("run", run_id))?;
        let outputs = outputs::check(state, request)?;
        self.shared.check_room()?;
        let place = self.shared.slots.enter()?;

        charge.add(outputs.size());
        let step = outputs.put(state, self.shared.clock.now());
        state.leg += 1;
        let (run, number) = (state.run.clone(), state.leg);
        let mut log = state.events.upgrade();
        let listener = is_streamed(&request.stream).then(|| {
            let log = log.get_or_insert_with(|| self.shared.new_log());
            state.events = Arc::downgrade(log);
            log.listen()
        });
        // Told before the thread is free, so that nothing of the new leg comes before it.
        if let Some(log) = &log {
            step.into_iter().for_each(|step| log.push(&StreamEvent::StepCompleted(Box::new(step))));
            log.push(&StreamEvent::RunQueued(Box::new(run.clone())));
        }
        drop(thread);
        Leg::new(&self.shared, &handle, run_id, number, log).spawn(place);
        Ok((run, listener))
    }

    /// Listens to a run from after an event on, if its events are kept and there are more.
    pub(crate) fn listen_after(
        &self,
        thread_id: &str,
        run_id: &str,
        event: u64,
    ) -> Result<Option<Listener>, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let log = found(&mut thread, run_id)?.events.upgrade();
        Ok(log.and_then(|log| log.listen_after(event)))
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
        let ThreadState { runs, charge, .. } = &mut *thread;
        let run = runs.get_mut(run_id).ok_or_else(|| Refusal::not_found("run", run_id))?;
        objects::change_kept_metadata(&mut run.run.metadata, request.metadata, charge)?;
        Ok(run.run.clone())
    }

    /// Asks a run to stop; it has not stopped yet when this returns.
    pub(crate) fn cancel_run(&self, thread_id: &str, run_id: &str) -> Result<Run, Refusal> {
        let handle = self.handle(thread_id)?;
        let mut thread = handle.lock();
        let state = found(&mut thread, run_id)?;
        let now = self.shared.clock.now();
        if stop(state, now).is_err() {
            return Err(Refusal::CannotCancel { status: state.run.status.clone() });
        }
        Ok(state.run.clone())
    }
}

fn is_streamed(stream: &Field<bool>) -> bool {
    *stream == Field::Value(true)
}

pub(super) fn found<'a>(
    thread: &'a mut ThreadState,
    run_id: &str,
) -> Result<&'a mut RunState, Refusal> {
    thread.runs.get_mut(run_id).ok_or_else(|| Refusal::not_found("run", run_id))
}

/// Asks a run to stop. Its leg sees the token, or that nobody waits any more, and ends it.
pub(super) fn stop(state: &mut RunState, now: i64) -> Result<(), IllegalTransition> {
    lifecycle::transition(&mut state.run, RunStatus::Cancelling, now)?;
    state.waiting = None;
    state.cancel.cancel();
    if let Some(log) = state.events.upgrade() {
        log.push(&StreamEvent::RunCancelling(Box::new(state.run.clone())));
    }
    Ok(())
}
