//! Operations that change a run that has not ended: cancellation and tool outputs.

use std::sync::Arc;

use runstep_api::types::{Run, RunStatus, SubmitToolOutputsRequest};

use super::context::Engine;
use super::error::{EngineError, Result};
use super::execution::RunExecution;
use super::finish::Outcome;
use super::journal::RESERVED_EVENTS;
use super::lifecycle::transition;
use super::run_state::{HiddenState, RunState};
use super::runs::{RunView, Start, encode, is_streamed};
use super::{objects, tool_outputs};
use crate::events::Subscriber;
use crate::json_text::LongMembers;
use crate::store::{Change, Phase, RunRecord, RunUpdate, RunWrite, StepWrite, StoreError};

impl Engine {
    /// Begins to cancel a run. Its execution stops asynchronously.
    pub(crate) async fn cancel_run(&self, thread_id: &str, run_id: &str) -> Result<RunView> {
        let engine = self.identify("cancelRun", &[thread_id, run_id], &());
        let replay = |recorded| Ok(engine.replay_run(recorded, false)?.0);
        engine.once(engine.try_cancel_run(thread_id, run_id), replay).await
    }

    async fn try_cancel_run(&self, thread_id: &str, run_id: &str) -> Result<RunView> {
        loop {
            let record = self.run_record(thread_id, run_id).await?;
            let (members, rest) = LongMembers::split(&record.object.json);
            let mut run: Run = objects::decode(&rest)?;
            let status = run.status.clone();
            let now = self.context.clock.now();
            if transition(&mut run, RunStatus::Cancelling, now).is_err() {
                return Err(EngineError::CannotCancel { status });
            }
            let _in_transit = self.quota().reserve(members.len())?;
            let json = members.join(objects::json_text(&run));
            let executes = record.phase != Phase::RequiresAction;
            let write = RunWrite {
                thread: thread_id.to_owned(),
                run: run_id.to_owned(),
                version: record.object.version,
                update: Some(RunUpdate {
                    json: json.clone(),
                    hidden: record.object.hidden.clone(),
                    phase: Phase::Cancelling,
                    expires_at: run.expires_at.unwrap_or_default(),
                    // A run that no node executes is claimed by one, if this one cannot end it.
                    owner: record.owner.clone(),
                }),
                next_event: record.next_event,
                steps: Vec::new(),
                messages: Vec::new(),
                events: None,
            };
            match self.commit(Change::WriteRun(Box::new(write)), &json, 0).await {
                Ok(_) => {}
                Err(StoreError::Stale) => continue,
                Err(error) => return Err(error.into()),
            }
            if executes {
                self.signal_cancellation(thread_id, run_id);
            } else {
                self.finish_cancellation(thread_id, run_id).await?;
            }
            return Ok(RunView::new(thread_id, run_id, json, Phase::Cancelling));
        }
    }

    fn signal_cancellation(&self, thread_id: &str, run_id: &str) {
        match self.context.live_runs.get(&self.run_key(thread_id, run_id)) {
            Some(live) => live.cancel.cancel(),
            // Another node finds that in the store. A run that no node executes can be claimed.
            None => self.context.claims.notify_one(),
        }
    }

    /// Ends a run that was cancelled while it did not execute.
    async fn finish_cancellation(&self, thread_id: &str, run_id: &str) -> Result<()> {
        let key = self.run_key(thread_id, run_id);
        let record = match self.context.store.run(&key).await {
            Ok(record) if record.phase == Phase::Cancelling => record,
            // The run has ended or was deleted.
            Ok(_) | Err(StoreError::Missing { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let context = &self.context;
        let live = context.live_run(record.next_event);
        let state = match RunState::load(context, &key, record).await {
            Err(EngineError::NotFound { .. }) => return Ok(()),
            state => state?,
        };
        context.live_runs.insert(key.clone(), Arc::clone(&live));
        let execution = RunExecution::new(context, key, live, state);
        tokio::spawn(execution.finish_in_status(RunStatus::Cancelling, Outcome::Cancelled));
        Ok(())
    }

    /// Accepts the outputs of all calls that a run waits for, and starts its next execution.
    pub(crate) async fn submit_tool_outputs(
        &self,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let stream = is_streamed(&request.stream);
        let engine = self.identify("submitToolOutputsToRun", &[thread_id, run_id], request);
        let replay = |recorded| engine.replay_run(recorded, stream);
        let submit = engine.submit_until_current(thread_id, run_id, request);
        engine.once(Box::pin(submit), replay).await
    }

    async fn submit_until_current(
        &self,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
    ) -> Result<(RunView, Option<Subscriber>)> {
        loop {
            let record = self.run_record(thread_id, run_id).await?;
            match self.try_submit(thread_id, run_id, request, record).await {
                Err(EngineError::Stale) => {}
                result => return result,
            }
        }
    }

    async fn try_submit(
        &self,
        thread_id: &str,
        run_id: &str,
        request: &SubmitToolOutputsRequest,
        record: RunRecord,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let key = self.run_key(thread_id, run_id);
        let (context, next_event) = (&self.context, record.next_event);
        let mut state = RunState::load(context, &key, record).await?;
        let outputs = tool_outputs::check(&state, request)?;
        context.store.check_capacity()?;
        let permit = context.admission.admit(&self.namespace)?;
        let reserved = self.quota().reserve(state.texts.execution_bytes())?;

        let step = outputs.apply(&mut state, context.clock.now());
        state.hidden.steps_before_request = state.steps.len();
        let completed = state.steps.iter().filter(|state| Some(&state.step.id) == step.as_ref());
        let steps = completed.clone().map(|state| StepWrite {
            id: state.step.id.clone(),
            json: state.step.json(),
            is_new: false,
        });
        let steps = steps.collect();
        let completed = completed.map(|state| state.event(false));
        let events: Vec<_> = completed.chain([state.event()]).collect();
        let (frames, events) = encode(next_event, &events);
        let json = state.run_json();
        state.run.forget_json();
        let write = RunWrite {
            thread: thread_id.to_owned(),
            run: run_id.to_owned(),
            version: state.version,
            update: Some(RunUpdate {
                json: json.clone(),
                hidden: objects::json::<HiddenState>(&state.hidden),
                phase: Phase::Queued,
                expires_at: state.run.expires_at.unwrap_or_default(),
                owner: Some(Arc::clone(&context.node)),
            }),
            next_event: events.last + 1 + RESERVED_EVENTS,
            steps,
            messages: Vec::new(),
            events: Some(events),
        };
        let change = Change::WriteRun(Box::new(write));
        for state in &mut state.steps {
            state.is_dirty = false;
            state.step.forget_json();
        }
        let state = state.with_reserved(reserved);
        let stream = is_streamed(&request.stream);
        let start = Start { first_event: next_event, frames, stream, permit };
        let subscriber = self.commit_and_execute(change, json.clone(), state, start).await?;
        Ok((RunView::new(thread_id, run_id, json, Phase::Queued), subscriber))
    }
}
