//! Transactions. Each checks everything before it changes anything.

use std::sync::Arc;

use axum::body::Bytes;

use super::State;
use super::rows::{
    INDEXED_RUN_BYTES, MessageRow, RequestRow, RunRow, TOMBSTONE_BYTES, Tenant, ThreadRow,
    chunk_size, size,
};
use crate::store::memory::ordered::Ordered;
use crate::store::object::{Collection, Kind, Namespace, Object, Phase, RunKey};
use crate::store::quota::{KeyQuota, MemoryQuota, object_size};
use crate::store::run_filter::RunLabels;
use crate::store::transaction::{
    Change, Committed, Idempotency, MessageWrite, NewObject, NewRun, NewThread, RunWrite,
    Transaction,
};
use crate::store::{IDEMPOTENCY_SECONDS, Result, StoreError};

impl State {
    pub(super) fn commit(
        &mut self,
        quota: &Arc<MemoryQuota>,
        transaction: Transaction,
    ) -> Result<Committed> {
        let Transaction { namespace, now, idempotency, change } = transaction;
        // Events beyond the size limit.
        while let Some(key) = self.ended.pop_events(i64::MIN) {
            self.remove_events(&key);
        }
        if !self.tenants.contains_key(&namespace) {
            self.tenants.insert(namespace.clone(), Tenant::new(quota.key(&namespace)));
        }
        if let Some(Idempotency { key, fingerprint, .. }) = &idempotency
            && let Some(replayed) = self.tenant(&namespace)?.replay(key, fingerprint, now)?
        {
            return Ok(Committed { replayed: Some(replayed), ..Committed::default() });
        }
        if change.is_creation() {
            self.tenant(&namespace)?.quota.check()?;
        }
        let committed = self.apply(&namespace, now, change)?;
        if let Some(idempotency) = idempotency {
            self.tenant(&namespace)?.record(idempotency, now);
        }
        Ok(committed)
    }

    fn tenant(&mut self, namespace: &Namespace) -> Result<&mut Tenant> {
        let missing = || StoreError::missing(Kind::Thread, "");
        self.tenants.get_mut(namespace).ok_or_else(missing)
    }

    fn apply(&mut self, namespace: &Namespace, now: i64, change: Change) -> Result<Committed> {
        let version = match change {
            Change::CreateAssistant(assistant) => {
                let tenant = self.tenant(namespace)?;
                let assistant = object(assistant);
                tenant.charge.add(size(&assistant));
                tenant.assistants.insert(assistant);
                0
            }
            Change::CreateUpstreamObject(new) => {
                let tenant = self.tenant(namespace)?;
                if tenant.upstream_objects.get(&new.id).is_none() {
                    let new = object(new);
                    tenant.charge.add(size(&new));
                    tenant.upstream_objects.insert(new);
                }
                0
            }
            Change::CreateThread(new) => {
                let revision = self.next_revision();
                let tenant = self.tenant(namespace)?;
                let row = thread_row(&tenant.quota, new, revision);
                tenant.threads.insert(row);
                0
            }
            Change::CreateMessage { thread, message } => {
                let thread = self.tenant(namespace)?.thread(&thread)?;
                thread.check_idle()?;
                thread.insert_message(message, None);
                0
            }
            Change::Replace { collection, object, version } => {
                self.tenant(namespace)?.replace(&collection, object, version)?
            }
            Change::Delete { collection, id } => {
                let active_run = self.delete(namespace, &collection, &id)?;
                return Ok(Committed { active_run, ..Committed::default() });
            }
            Change::CreateRun(new) => {
                self.create_run(namespace, *new)?;
                0
            }
            Change::WriteRun(write) => self.write_run(namespace, now, *write)?,
        };
        Ok(Committed { version, ..Committed::default() })
    }

    /// Deletes an object. Returns the run that was active on a deleted thread.
    fn delete(
        &mut self,
        namespace: &Namespace,
        collection: &Collection,
        id: &str,
    ) -> Result<Option<String>> {
        let missing = || StoreError::missing(collection.kind(), id);
        let revision = self.next_revision();
        let tenant = self.tenant(namespace)?;
        match collection {
            Collection::Assistants => {
                let removed = tenant.assistants.remove(id).ok_or_else(missing)?;
                tenant.charge.remove(size(&removed));
            }
            Collection::UpstreamObjects => {
                let removed = tenant.upstream_objects.remove(id).ok_or_else(missing)?;
                tenant.charge.remove(size(&removed));
            }
            Collection::Threads => {
                let thread = tenant.threads.remove(id).ok_or_else(missing)?;
                thread.runs.iter().for_each(|run| tenant.runs.remove(run.number));
                let active = thread.active_run.as_ref().and_then(|key| thread.runs.get(&key.run));
                let active = active.map(|run| (Arc::clone(&run.key), run.number, run.expires_at));
                self.deleted.push(thread.into_remains());
                if let Some((key, number, expires_at)) = active {
                    self.executable.remove(&number);
                    self.waiting.remove(&(expires_at, Arc::clone(&key)));
                    return Ok(Some(key.run.clone()));
                }
            }
            Collection::Messages { thread } => {
                let thread = tenant.thread(thread)?;
                thread.messages.get(id).ok_or_else(missing)?;
                thread.check_idle()?;
                thread.remove_message(id);
                thread.revision = revision;
            }
            Collection::Runs { .. } | Collection::Steps { .. } => return Err(missing()),
        }
        Ok(None)
    }

    fn create_run(&mut self, namespace: &Namespace, new: NewRun) -> Result<()> {
        let number = self.runs_created;
        self.runs_created += 1;
        let revision = self.next_revision();
        let tenant = self.tenant(namespace)?;
        if let Some(new_thread) = new.new_thread {
            let row = thread_row(&tenant.quota, new_thread, revision);
            tenant.threads.insert(row);
        }
        let thread = tenant.thread(&new.thread)?;
        thread.check_idle()?;
        new.messages.into_iter().for_each(|message| thread.insert_message(message, None));
        let key = Arc::new(run_key(namespace, &new.thread, &new.run.id));
        let run = RunRow {
            object: object(new.run),
            phase: new.phase,
            expires_at: new.expires_at,
            owner: new.owner,
            next_event: new.next_event,
            steps: Ordered::default(),
            events: vec![new.events],
            number,
            key: Arc::clone(&key),
        };
        thread.charge.add(size(&run.object) + INDEXED_RUN_BYTES + run.event_bytes());
        thread.active_run = Some(Arc::clone(&key));
        let json = run.object.json.clone();
        thread.runs.insert(run);
        tenant.runs.insert(number, Arc::clone(&key), &RunLabels::read(&json));
        self.executable.insert(number, key);
        Ok(())
    }

    fn write_run(&mut self, namespace: &Namespace, now: i64, write: RunWrite) -> Result<u64> {
        let tenant = self.tenant(namespace)?;
        let thread = tenant.threads.get_mut(&write.thread);
        let thread = thread.ok_or_else(|| StoreError::missing(Kind::Thread, &write.thread))?;
        let ThreadRow { runs, messages, charge, active_run, .. } = thread;
        let run = runs.get_mut(&write.run);
        let run = run.ok_or_else(|| StoreError::missing(Kind::Run, &write.run))?;
        if run.object.version != write.version || run.phase == Phase::Ended {
            return Err(StoreError::Stale);
        }
        for message in &write.messages {
            if let MessageWrite::Replace { id, version, .. } = message
                && messages.get(id).is_none_or(|message| message.object.version != *version)
            {
                return Err(StoreError::Stale);
            }
        }

        for step in write.steps {
            let row =
                Object { id: step.id, json: step.json, hidden: Default::default(), version: 0 };
            charge.add(size(&row));
            match run.steps.get_mut(&row.id) {
                Some(stored) => charge.remove(size(&std::mem::replace(stored, row))),
                None => run.steps.insert(row),
            }
        }
        for message in write.messages {
            match message {
                MessageWrite::New(new) => {
                    let row = MessageRow::new(new, Some(write.run.clone()));
                    charge.add(size(&row.object));
                    messages.insert(row);
                }
                MessageWrite::Replace { id, json, tokens, .. } => {
                    if let Some(message) = messages.get_mut(&id) {
                        message.tokens = tokens;
                        charge.remove(message.object.json.len());
                        charge.add(json.len());
                        message.object.json = json;
                        message.object.version += 1;
                    }
                }
            }
        }
        if let Some(chunk) = write.events {
            charge.add(chunk_size(&chunk));
            run.events.push(chunk);
        }
        run.next_event = write.next_event;
        run.object.version += 1;
        let Some(update) = write.update else { return Ok(run.object.version) };
        let (phase_before, expiry_before) = (run.phase, run.expires_at);
        charge.remove(size(&run.object));
        run.object.json = update.json;
        run.object.hidden = update.hidden;
        charge.add(size(&run.object));
        tenant.runs.update(run.number, &RunLabels::read(&run.object.json));
        run.phase = update.phase;
        run.expires_at = update.expires_at;
        run.owner = update.owner;
        let (version, number, key) = (run.object.version, run.number, Arc::clone(&run.key));
        if update.phase == Phase::Ended {
            *active_run = None;
            let bytes = run.event_bytes();
            charge.remove(bytes);
            self.ended.push(Arc::clone(&key), now, bytes);
        }
        if phase_before == Phase::RequiresAction {
            self.waiting.remove(&(expiry_before, Arc::clone(&key)));
        }
        if update.phase == Phase::RequiresAction {
            self.waiting.insert((update.expires_at, Arc::clone(&key)));
        }
        if update.phase.is_executable() {
            self.executable.insert(number, key);
        } else {
            self.executable.remove(&number);
        }
        Ok(version)
    }

    /// Returns a number that no thread had as its revision.
    fn next_revision(&mut self) -> u64 {
        self.revisions += 1;
        self.revisions
    }
}

impl Tenant {
    fn thread(&mut self, id: &str) -> Result<&mut ThreadRow> {
        self.threads.get_mut(id).ok_or_else(|| StoreError::missing(Kind::Thread, id))
    }

    fn replace(&mut self, collection: &Collection, new: NewObject, version: u64) -> Result<u64> {
        let missing = StoreError::missing(collection.kind(), &new.id);
        let (stored, charge) = match collection {
            Collection::Assistants => (self.assistants.get_mut(&new.id), &mut self.charge),
            Collection::Threads => {
                let thread = self.thread(&new.id)?;
                (Some(&mut thread.object), &mut thread.charge)
            }
            Collection::Messages { thread } => {
                let thread = self.thread(thread)?;
                let message = thread.messages.get_mut(&new.id);
                (message.map(|message| &mut message.object), &mut thread.charge)
            }
            Collection::Runs { thread } => {
                let thread = self.thread(thread)?;
                let run = thread.runs.get_mut(&new.id);
                (run.map(|run| &mut run.object), &mut thread.charge)
            }
            Collection::Steps { .. } | Collection::UpstreamObjects => (None, &mut self.charge),
        };
        let stored = stored.ok_or(missing)?;
        if stored.version != version {
            return Err(StoreError::Stale);
        }
        let changed = Object { version: version + 1, ..object(new) };
        charge.resize(size(stored), size(&changed))?;
        *stored = changed;
        Ok(version + 1)
    }

    pub(super) fn replay(
        &self,
        key: &str,
        fingerprint: &[u8; 32],
        now: i64,
    ) -> Result<Option<Bytes>> {
        let Some(recorded) = self.requests.get(key) else { return Ok(None) };
        if recorded.created_at.saturating_add(IDEMPOTENCY_SECONDS) <= now {
            return Ok(None);
        }
        if recorded.fingerprint != *fingerprint {
            return Err(StoreError::KeyReused);
        }
        Ok(Some(recorded.response.clone()))
    }

    fn record(&mut self, request: Idempotency, now: i64) {
        let Idempotency { key, fingerprint, response } = request;
        self.charge.add(request_size(&key, &response));
        let row = RequestRow { fingerprint, response, created_at: now };
        if let Some(previous) = self.requests.insert(key.clone(), row) {
            self.charge.remove(request_size(&key, &previous.response));
        }
    }

    /// Removes requests that can no longer be repeated. Returns how many they were.
    pub(super) fn remove_old_requests(&mut self, now: i64) -> usize {
        let Self { requests, charge, .. } = self;
        let count = requests.len();
        requests.retain(|key, row| {
            let is_valid = row.created_at.saturating_add(IDEMPOTENCY_SECONDS) > now;
            if !is_valid {
                charge.remove(request_size(key, &row.response));
            }
            is_valid
        });
        count - requests.len()
    }
}

impl ThreadRow {
    /// Returns an error if a run is active.
    fn check_idle(&self) -> Result<()> {
        match &self.active_run {
            Some(key) => Err(StoreError::ActiveRun { run_id: key.run.clone() }),
            None => Ok(()),
        }
    }
}

fn thread_row(quota: &Arc<KeyQuota>, new: NewThread, revision: u64) -> ThreadRow {
    let mut row = ThreadRow {
        object: object(new.thread),
        revision,
        messages: Ordered::default(),
        runs: Ordered::default(),
        active_run: None,
        charge: quota.charge(),
    };
    row.charge.add(size(&row.object));
    new.messages.into_iter().for_each(|message| row.insert_message(message, None));
    row
}

fn object(new: NewObject) -> Object {
    Object { id: new.id, json: new.json, hidden: new.hidden, version: 0 }
}

fn run_key(namespace: &Namespace, thread: &str, run: &str) -> RunKey {
    RunKey { namespace: namespace.clone(), thread: thread.to_owned(), run: run.to_owned() }
}

fn request_size(key: &str, response: &[u8]) -> usize {
    object_size(key.len() + response.len()) + TOMBSTONE_BYTES
}
