//! Operations on runs.

use std::mem;
use std::sync::{Arc, Weak};

use runstep_api::Field;
use runstep_api::types::{
    CreateRunRequest, CreateThreadAndRunRequest, Run, RunList, RunStatus, StreamEvent,
    SubmitToolOutputsRequest, UpdateRunRequest,
};

use super::admission::QueuePermit;
use super::context::Engine;
use super::error::{EngineError, Result};
use super::execution::RunExecution;
use super::lifecycle::{IllegalTransition, transition};
use super::run_handle::RunHandle;
use super::{capabilities, lists, objects, tool_outputs};
use crate::events::{EventLog, Subscriber};
use crate::store::{AssistantState, PageQuery, RunState, ThreadHandle, ThreadState, object_size};

impl Engine {
    /// Creates and starts a run. Returns a subscriber to its events if the request is for a stream.
    pub(crate) fn create_run(
        &self,
        thread_id: &str,
        request: CreateRunRequest,
    ) -> Result<(Run, Option<Subscriber>)> {
        let handle = self.thread_handle(thread_id)?;
        let assistant = self.validate_run(&request)?;
        let permit = self.context.admission.admit()?;
        self.start(&handle, &assistant, request, permit, None)
    }

    /// Creates a thread and a run on it, or neither.
    pub(crate) fn create_thread_and_run(
        &self,
        request: CreateThreadAndRunRequest,
    ) -> Result<(Run, Option<Subscriber>)> {
        capabilities::check_tool_resources("tool_resources", request.tool_resources.as_option())?;
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
        let assistant = self.validate_run(&run)?;
        let permit = self.context.admission.admit()?;
        let (thread, handle) = self.insert_thread("thread.", thread)?;
        let created = StreamEvent::ThreadCreated(Box::new(thread));
        self.start(&handle, &assistant, run, permit, Some(created))
    }

    /// Validates a create-run request, except for its thread. Returns the assistant, because the
    /// run must use the state that was validated.
    fn validate_run(&self, request: &CreateRunRequest) -> Result<Arc<AssistantState>> {
        let state = self.assistant_state(&request.assistant_id)?;
        let own_tools = request.tools.as_option();
        capabilities::check_tools(own_tools.map(Vec::as_slice).unwrap_or_default())?;
        let tools = own_tools.unwrap_or(&state.assistant.tools);
        capabilities::check_tool_choice(request.tool_choice.as_option(), tools)?;
        capabilities::check_response_format(request.response_format.as_option())?;
        let messages = request.additional_messages.as_option().into_iter().flatten();
        for (index, message) in messages.enumerate() {
            let prefix = format!("additional_messages[{index}].");
            let supports_images = self.context.model.supports_images();
            capabilities::check_message(&prefix, message, supports_images)?;
        }
        self.context.check_quota()?;
        Ok(state)
    }

    /// Creates the run and starts its first execution. `first_event` precedes the run's own events.
    fn start(
        &self,
        handle: &ThreadHandle,
        assistant: &AssistantState,
        mut request: CreateRunRequest,
        permit: QueuePermit,
        first_event: Option<StreamEvent>,
    ) -> Result<(Run, Option<Subscriber>)> {
        let context = &self.context;
        let (ids, now) = (&context.ids, context.clock.now());
        let log = is_streamed(&request.stream).then(|| context.new_log());
        let subscriber = log.as_ref().map(EventLog::subscribe);
        let run = {
            let mut thread = handle.lock();
            let thread_id = thread.thread.id.clone();
            if thread.deleted {
                return Err(EngineError::not_found("thread", &thread_id));
            }
            if let Some(run_id) = &thread.active_run_id {
                return Err(EngineError::ActiveRun { thread_id, run_id: run_id.clone() });
            }
            let messages = mem::take(&mut request.additional_messages);
            for message in messages.into_option().unwrap_or_default() {
                thread.insert_message(objects::request_message(ids, now, &thread_id, message));
            }
            let effort = mem::take(&mut request.reasoning_effort).into_option();
            let effort = effort.or_else(|| assistant.reasoning_effort.clone());
            let lifetime = context.run_lifetime;
            let run = objects::run(ids, now, lifetime, &thread_id, &assistant.assistant, request);
            let mut state = RunState::new(run.clone(), effort);
            state.event_log = log.as_ref().map_or_else(Weak::new, Arc::downgrade);
            thread.charge.add(object_size(&run));
            thread.runs.insert(run.id.clone(), state);
            thread.active_run_id = Some(run.id.clone());
            // Emitted under the lock, so that they precede all other events of the run.
            if let Some(log) = &log {
                first_event.into_iter().for_each(|event| log.push(&event));
                log.push(&StreamEvent::RunCreated(Box::new(run.clone())));
                log.push(&StreamEvent::RunQueued(Box::new(run.clone())));
            }
            run
        };
        context.metrics.record_run_created();
        RunExecution::new(RunHandle::new(context, handle, &run.id, log), 0).spawn(permit);
        Ok((run, subscriber))
    }

    /// Accepts the outputs of all calls that a run waits for, and starts its next execution.
    pub(crate) fn submit_tool_outputs(
        &self,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
    ) -> Result<(Run, Option<Subscriber>)> {
        let handle = self.thread_handle(thread_id)?;
        let mut thread = handle.lock();
        let ThreadState { runs, charge, .. } = &mut *thread;
        let state = runs.get_mut(run_id).ok_or_else(|| EngineError::not_found("run", run_id))?;
        let outputs = tool_outputs::check(state, request)?;
        self.context.check_quota()?;
        let permit = self.context.admission.admit()?;

        charge.add(outputs.len());
        let step = outputs.apply(state, self.context.clock.now());
        state.execution_number += 1;
        let (run, number) = (state.run.clone(), state.execution_number);
        let mut log = state.event_log.upgrade();
        let subscriber = is_streamed(&request.stream).then(|| {
            let log = log.get_or_insert_with(|| self.context.new_log());
            state.event_log = Arc::downgrade(log);
            log.subscribe()
        });
        // Emitted under the lock, so that they precede all other events of the execution.
        if let Some(log) = &log {
            step.into_iter().for_each(|step| log.push(&StreamEvent::StepCompleted(Box::new(step))));
            log.push(&StreamEvent::RunQueued(Box::new(run.clone())));
        }
        drop(thread);
        let run_handle = RunHandle::new(&self.context, &handle, run_id, log);
        RunExecution::new(run_handle, number).spawn(permit);
        Ok((run, subscriber))
    }

    /// Subscribes to a run's events after the one with this number. Returns `None` if they are not
    /// retained or if no event follows.
    pub(crate) fn subscribe_after(
        &self,
        thread_id: &str,
        run_id: &str,
        event: u64,
    ) -> Result<Option<Subscriber>> {
        let mut thread = self.lock_thread(thread_id)?;
        let log = find_run(&mut thread, run_id)?.event_log.upgrade();
        Ok(log.and_then(|log| log.subscribe_after(event)))
    }

    pub(crate) fn runs(&self, thread_id: &str, query: &PageQuery) -> Result<RunList> {
        let thread = self.lock_thread(thread_id)?;
        lists::list("run", &thread.runs, query, |_| true, |state| state.run.clone())
    }

    pub(crate) fn run(&self, thread_id: &str, run_id: &str) -> Result<Run> {
        let mut thread = self.lock_thread(thread_id)?;
        Ok(find_run(&mut thread, run_id)?.run.clone())
    }

    pub(crate) fn update_run(
        &self,
        thread_id: &str,
        run_id: &str,
        request: UpdateRunRequest,
    ) -> Result<Run> {
        let mut thread = self.lock_thread(thread_id)?;
        let ThreadState { runs, charge, .. } = &mut *thread;
        let run = runs.get_mut(run_id).ok_or_else(|| EngineError::not_found("run", run_id))?;
        objects::update_stored_metadata(&mut run.run.metadata, request.metadata, charge)?;
        Ok(run.run.clone())
    }

    /// Begins to cancel a run. Its execution stops asynchronously.
    pub(crate) fn cancel_run(&self, thread_id: &str, run_id: &str) -> Result<Run> {
        let mut thread = self.lock_thread(thread_id)?;
        let state = find_run(&mut thread, run_id)?;
        let now = self.context.clock.now();
        if begin_cancellation(state, now).is_err() {
            return Err(EngineError::CannotCancel { status: state.run.status.clone() });
        }
        Ok(state.run.clone())
    }
}

fn is_streamed(stream: &Field<bool>) -> bool {
    *stream == Field::Value(true)
}

pub(super) fn find_run<'a>(thread: &'a mut ThreadState, run_id: &str) -> Result<&'a mut RunState> {
    thread.runs.get_mut(run_id).ok_or_else(|| EngineError::not_found("run", run_id))
}

/// Puts a run in the status `cancelling` and signals its execution, which then ends the run.
pub(super) fn begin_cancellation(state: &mut RunState, now: i64) -> Result<(), IllegalTransition> {
    transition(&mut state.run, RunStatus::Cancelling, now)?;
    state.end_wait = None;
    state.cancel.cancel();
    if let Some(log) = state.event_log.upgrade() {
        log.push(&StreamEvent::RunCancelling(Box::new(state.run.clone())));
    }
    Ok(())
}
