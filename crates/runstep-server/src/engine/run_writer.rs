//! The access of an execution to its run: collects changes and events, and stores them.

mod reload;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use runstep_api::types::RunStatus;
use tokio::time::Instant;

use super::context::EngineContext;
use super::journal::{Journal, JournalBatch, RESERVED_EVENTS};
use super::lifecycle::transition;
use super::live_runs::LiveRun;
use super::run_state::{MessageState, RunState, StepState};
use super::{objects, outcome, prompt};
use crate::events::Event;
use crate::store::{
    Change, Committed, KeyQuota, MessageWrite, NewMessage, QuotaCharge, Result, RunKey, RunUpdate,
    RunWrite, StepWrite, StoreError, Transaction,
};

/// How many events may wait for a transaction before the model has to wait, too.
const MAX_PENDING_EVENTS: usize = 256;
/// The size of deltas that clients have received and the store has not,
const MAX_UNSAVED_BYTES: usize = 64 * 1024;
/// and how old the first of them may be.
const MAX_UNSAVED_AGE: Duration = Duration::from_secs(1);
/// The delays between attempts to write while the store is unavailable.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);

/// The run that an execution works on.
pub(super) struct RunWriter {
    pub(super) context: Arc<EngineContext>,
    pub(super) key: RunKey,
    pub(super) live: Arc<LiveRun>,
    pub(super) state: RunState,
    quota: Arc<KeyQuota>,
    /// The memory of the output.
    pub(super) charge: QuotaCharge,
    journal: Journal,
    in_flight: Option<InFlight>,
    is_run_dirty: bool,
    /// Whether the run was deleted. Its last events are only in the log.
    is_deleted: bool,
    /// Whether another node has claimed the run, and may have ended it.
    is_lost: bool,
}

/// A transaction that is not committed yet.
struct InFlight {
    commit: BoxFuture<'static, Result<Committed>>,
    rows: DirtyRows,
}

/// What a transaction writes, by position.
#[derive(Clone, Debug, Default)]
struct DirtyRows {
    run: bool,
    steps: Vec<usize>,
    messages: Vec<usize>,
}

impl RunWriter {
    pub(super) fn new(
        context: &Arc<EngineContext>,
        key: RunKey,
        live: Arc<LiveRun>,
        state: RunState,
    ) -> Self {
        let quota = context.quota(&key.namespace);
        let log = Arc::clone(&live.log);
        let journal = Journal::new(log, &context.store, &key);
        Self {
            context: Arc::clone(context),
            key,
            journal,
            live,
            state,
            charge: quota.charge(),
            quota,
            in_flight: None,
            is_run_dirty: false,
            is_deleted: false,
            is_lost: false,
        }
    }

    /// Emits an event. Clients receive it when it is stored.
    pub(super) fn emit(&mut self, event: impl Into<Event>) {
        self.journal.emit(event.into());
    }

    /// Emits that the run has its status.
    pub(super) fn emit_run(&mut self) {
        self.journal.emit(self.state.event());
    }

    /// Emits that a step has its status.
    pub(super) fn emit_step(&mut self, id: &str) {
        self.state.step_event(id, false).into_iter().for_each(|event| self.journal.emit(event));
    }

    /// Emits that a message has its status.
    pub(super) fn emit_message(&mut self, id: &str) {
        self.state.message_event(id).into_iter().for_each(|event| self.journal.emit(event));
    }

    /// Returns whether the model's output applies to the run.
    pub(super) fn is_in_progress(&self) -> bool {
        self.state.run.status == RunStatus::InProgress && !self.live.cancel.is_cancelled()
    }

    /// Returns whether another node has claimed the run, so that this one must not write.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Changes the status of the run.
    pub(super) fn transition(&mut self, to: RunStatus) -> bool {
        self.is_run_dirty = true;
        transition(self.state.run.change(), to, self.context.clock.now()).is_ok()
    }

    /// Returns why the output of the model cannot be kept, if so.
    pub(super) fn full_resource(&self) -> Option<&'static str> {
        if self.quota.is_exceeded() {
            return Some("The server's memory quota is used up.");
        }
        self.context.store.check_capacity().is_err().then_some("The server's data file is full.")
    }

    /// Returns whether the model must wait until events are stored.
    pub(super) fn is_full(&self) -> bool {
        self.journal.pending_count() >= MAX_PENDING_EVENTS
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Returns when something has to be written at the latest, if there is anything.
    pub(super) fn flush_time(&self) -> Option<Instant> {
        let is_large = self.journal.unsaved_bytes() > MAX_UNSAVED_BYTES;
        if self.journal.has_pending() || is_large {
            return Some(Instant::now());
        }
        self.journal.unsaved_since().map(|since| since + MAX_UNSAVED_AGE)
    }

    /// Starts to write, if nothing is in flight and the time has come.
    pub(super) fn start_flush(&mut self) {
        if self.in_flight.is_some() || self.flush_time().is_none_or(|time| time > Instant::now()) {
            return;
        }
        if self.is_deleted {
            self.journal.begin();
            self.journal.saved();
            return;
        }
        let rows = self.take_dirty_rows();
        let batch = self.journal.begin();
        self.send(rows, batch);
    }

    fn send(&mut self, rows: DirtyRows, batch: JournalBatch) {
        let next_event = batch.next + RESERVED_EVENTS;
        let owner = Some(Arc::clone(&self.context.node));
        let write = self.write(&rows, batch, next_event, owner);
        self.in_flight = Some(InFlight { commit: self.commit(write), rows });
    }

    fn commit(&self, write: RunWrite) -> BoxFuture<'static, Result<Committed>> {
        let transaction = Transaction {
            namespace: self.key.namespace.clone(),
            now: self.context.clock.now(),
            idempotency: None,
            change: Change::WriteRun(Box::new(write)),
        };
        outcome::commit_run_write(&self.context, transaction)
    }

    /// Waits until the transaction in flight is committed. Never returns if there is none.
    ///
    /// # Cancel safety
    ///
    /// The transaction stays in flight if the future is dropped.
    pub(super) async fn flushed(&mut self) {
        let mut delay = MIN_RETRY_DELAY;
        loop {
            let Some(in_flight) = &mut self.in_flight else { return std::future::pending().await };
            let result = (&mut in_flight.commit).await;
            // From here on there is no transaction to wait for, so a new one takes its place at
            // once.
            let rows = std::mem::take(&mut in_flight.rows);
            match result {
                Ok(committed) => {
                    self.in_flight = None;
                    self.mark_saved(&rows, committed.version);
                    self.journal.saved();
                    return;
                }
                Err(error) => {
                    self.in_flight = None;
                    self.put_back(rows);
                    if matches!(error, StoreError::Unavailable(_)) {
                        tokio::time::sleep(delay).await;
                        delay = (delay * 2).min(MAX_RETRY_DELAY);
                    } else {
                        self.reload().await;
                    }
                    if self.is_deleted || self.is_lost {
                        return;
                    }
                    self.start_flush();
                }
            }
        }
    }

    /// Waits until nothing is in flight.
    pub(super) async fn drain(&mut self) {
        while self.in_flight.is_some() {
            self.flushed().await;
        }
    }

    /// Makes the changes of a failed transaction pending again.
    fn put_back(&mut self, rows: DirtyRows) {
        self.is_run_dirty |= rows.run;
        for index in rows.steps {
            if let Some(step) = self.state.steps.get_mut(index) {
                step.is_dirty = true;
            }
        }
        for index in rows.messages {
            if let Some(message) = self.state.messages.get_mut(index) {
                message.is_dirty = true;
            }
        }
        self.journal.put_back();
    }

    fn take_dirty_rows(&mut self) -> DirtyRows {
        let rows = self.dirty_rows();
        self.is_run_dirty = false;
        self.state.steps.iter_mut().for_each(|step| step.is_dirty = false);
        self.state.messages.iter_mut().for_each(|message| message.is_dirty = false);
        rows
    }

    fn dirty_rows(&self) -> DirtyRows {
        let positions = |dirty: &mut dyn Iterator<Item = bool>| {
            dirty.enumerate().filter(|(_, dirty)| *dirty).map(|(index, _)| index).collect()
        };
        DirtyRows {
            run: self.is_run_dirty,
            steps: positions(&mut self.state.steps.iter().map(|step| step.is_dirty)),
            messages: positions(&mut self.state.messages.iter().map(|message| message.is_dirty)),
        }
    }

    fn mark_saved(&mut self, rows: &DirtyRows, version: u64) {
        self.state.version = version;
        for index in &rows.steps {
            if let Some(step) = self.state.steps.get_mut(*index) {
                step.is_stored = true;
            }
        }
        for index in &rows.messages {
            if let Some(message) = self.state.messages.get_mut(*index) {
                message.version = Some(message.version.map_or(0, |version| version + 1));
            }
        }
    }

    fn write(
        &mut self,
        rows: &DirtyRows,
        batch: JournalBatch,
        next_event: u64,
        owner: Option<Arc<str>>,
    ) -> RunWrite {
        let state = &mut self.state;
        let update = rows.run.then(|| RunUpdate {
            json: state.run_json(),
            hidden: objects::json(&state.hidden),
            phase: objects::phase(&state.run.status),
            expires_at: state.run.expires_at.unwrap_or_default(),
            owner,
        });
        state.run.forget_json();
        let steps = rows.steps.iter().filter_map(|index| {
            let StepState { step, is_stored, .. } = state.steps.get_mut(*index)?;
            Some(StepWrite { id: step.id.clone(), json: step.take_json(), is_new: !*is_stored })
        });
        let messages = rows.messages.iter().filter_map(|index| {
            let MessageState { message, version, .. } = state.messages.get_mut(*index)?;
            let (id, tokens) = (message.id.clone(), prompt::message_tokens(message));
            let json = message.take_json();
            Some(match *version {
                None => MessageWrite::New(NewMessage { id, json, tokens }),
                Some(version) => MessageWrite::Replace { id, json, tokens, version },
            })
        });
        RunWrite {
            thread: self.key.thread.clone(),
            run: self.key.run.clone(),
            version: state.version,
            update,
            next_event,
            steps: steps.collect(),
            messages: messages.collect(),
            events: batch.chunk,
        }
    }

    /// Ends the execution with a change of the run and with events, which are stored together with
    /// everything that is pending. `change` is called again if the run has changed meanwhile; it
    /// returns `None` if the change is no longer possible. Returns whether it was stored.
    pub(super) async fn settle(
        &mut self,
        mut change: impl FnMut(&mut RunState) -> Option<Vec<Event>>,
    ) -> bool {
        self.drain().await;
        let mut delay = MIN_RETRY_DELAY;
        loop {
            if self.is_lost {
                return false;
            }
            let before = self.state.clone();
            let Some(events) = change(&mut self.state) else { return false };
            let batch = self.journal.take(&events);
            if self.is_deleted {
                self.journal.saved_all();
                return true;
            }
            let rows = DirtyRows { run: true, ..self.dirty_rows() };
            let next_event = batch.next;
            let write = self.write(&rows, batch, next_event, None);
            match self.commit(write).await {
                Ok(committed) => {
                    self.mark_saved(&rows, committed.version);
                    self.journal.saved_all();
                    return true;
                }
                Err(error) => {
                    self.journal.restore();
                    self.state = before;
                    if matches!(error, StoreError::Unavailable(_)) {
                        tokio::select! {
                            () = tokio::time::sleep(delay) => {}
                            () = self.context.stop_runs.cancelled() => return false,
                        }
                        delay = (delay * 2).min(MAX_RETRY_DELAY);
                    } else {
                        self.reload().await;
                    }
                }
            }
        }
    }
}
