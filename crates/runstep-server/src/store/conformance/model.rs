//! A plain model of a store: a list of all objects in the order of their creation.

use super::*;

#[derive(Default)]
pub(super) struct Model {
    rows: Vec<Row>,
}

struct Row {
    namespace: Namespace,
    collection: Collection,
    object: Object,
    /// Deleted rows are still cursors.
    is_deleted: bool,
    /// The run that created a message.
    created_by: Option<String>,
    run: Option<RunColumns>,
}

struct RunColumns {
    phase: Phase,
    owner: Option<Arc<str>>,
    next_event: u64,
    events: Vec<EventChunk>,
}

impl Model {
    fn position(&self, ns: &Namespace, collection: &Collection, id: &str) -> Option<usize> {
        self.rows.iter().position(|row| {
            !row.is_deleted
                && row.namespace == *ns
                && row.collection == *collection
                && row.object.id == id
        })
    }

    fn find(&self, ns: &Namespace, collection: &Collection, id: &str) -> Result<usize> {
        let position = self.position(ns, collection, id);
        position.ok_or_else(|| StoreError::missing(collection.kind(), id))
    }

    /// Returns an error if the thread or the run of a collection does not exist.
    fn check_parents(&self, ns: &Namespace, collection: &Collection) -> Result<()> {
        match collection {
            Collection::Assistants | Collection::Threads => Ok(()),
            Collection::Messages { thread } | Collection::Runs { thread } => {
                self.find(ns, &Collection::Threads, thread).map(|_| ())
            }
            Collection::Steps { thread, run } => {
                self.find(ns, &Collection::Threads, thread)?;
                self.find(ns, &Collection::runs(thread), run).map(|_| ())
            }
        }
    }

    fn active_run(&self, ns: &Namespace, thread: &str) -> Option<String> {
        let collection = Collection::runs(thread);
        let mut runs = self.rows.iter().filter(|row| {
            row.namespace == *ns
                && row.collection == collection
                && row.run.as_ref().is_some_and(|run| run.phase != Phase::Ended)
        });
        runs.next().map(|row| row.object.id.clone())
    }

    fn check_idle(&self, ns: &Namespace, thread: &str) -> Result<()> {
        match self.active_run(ns, thread) {
            Some(run_id) => Err(StoreError::ActiveRun { run_id }),
            None => Ok(()),
        }
    }

    fn push(&mut self, ns: &Namespace, collection: Collection, new: NewObject) -> &mut Row {
        let NewObject { id, json, hidden } = new;
        self.rows.push(Row {
            namespace: ns.clone(),
            collection,
            object: Object { id, json, hidden, version: 0 },
            is_deleted: false,
            created_by: None,
            run: None,
        });
        self.rows.last_mut().unwrap()
    }

    fn push_thread(&mut self, ns: &Namespace, new: NewThread) {
        let messages = Collection::messages(&new.thread.id);
        self.push(ns, Collection::Threads, new.thread);
        for message in new.messages {
            self.push(ns, messages.clone(), message);
        }
    }

    pub(super) fn object(
        &self,
        ns: &Namespace,
        collection: &Collection,
        id: &str,
    ) -> Result<Object> {
        self.check_parents(ns, collection)?;
        Ok(self.rows[self.find(ns, collection, id)?].object.clone())
    }

    pub(super) fn run(&self, key: &RunKey) -> Result<RunRecord> {
        let collection = Collection::runs(&key.thread);
        self.check_parents(&key.namespace, &collection)?;
        let row = &self.rows[self.find(&key.namespace, &collection, &key.run)?];
        let run = row.run.as_ref().unwrap();
        Ok(RunRecord {
            object: row.object.clone(),
            phase: run.phase,
            owner: run.owner.clone(),
            next_event: run.next_event,
        })
    }

    pub(super) fn events_after(&self, key: &RunKey, number: u64) -> Result<Vec<EventChunk>> {
        let collection = Collection::runs(&key.thread);
        self.check_parents(&key.namespace, &collection)?;
        let row = &self.rows[self.find(&key.namespace, &collection, &key.run)?];
        let events = row.run.iter().flat_map(|run| &run.events);
        Ok(events.filter(|chunk| chunk.last > number).take(1).cloned().collect())
    }

    pub(super) fn page(
        &self,
        ns: &Namespace,
        collection: &Collection,
        run: Option<&str>,
        query: &PageQuery,
    ) -> Result<ObjectPage> {
        self.check_parents(ns, collection)?;
        let all: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.namespace == *ns && row.collection == *collection)
            .collect();
        let position = |id: &Option<String>, unknown| match id {
            None => Ok(None),
            Some(id) => match all.iter().rposition(|row| row.object.id == *id) {
                Some(position) => Ok(Some(position)),
                None => Err(StoreError::UnknownCursor(unknown)),
            },
        };
        let after = position(&query.after, UnknownCursor::After)?;
        let before = position(&query.before, UnknownCursor::Before)?;
        let (low, high) = if query.newest_first { (before, after) } else { (after, before) };
        let mut entries: Vec<Object> = all
            .iter()
            .enumerate()
            .filter(|(position, row)| {
                low.is_none_or(|low| *position > low)
                    && high.is_none_or(|high| *position < high)
                    && !row.is_deleted
                    && (run.is_none() || row.created_by.as_deref() == run)
            })
            .map(|(_, row)| row.object.clone())
            .collect();
        // In the direction of reading: from `after`, or up to `before`.
        let is_backwards = before.is_some() && after.is_none();
        if query.newest_first != is_backwards {
            entries.reverse();
        }
        let has_more = entries.len() > query.limit;
        entries.truncate(query.limit);
        if is_backwards {
            entries.reverse();
        }
        Ok(ObjectPage { objects: entries, has_more })
    }

    pub(super) fn commit(&mut self, ns: &Namespace, change: Change) -> Result<Committed> {
        let mut committed = Committed::default();
        match change {
            Change::CreateAssistant(new) => {
                self.push(ns, Collection::Assistants, new);
            }
            Change::CreateThread(new) => self.push_thread(ns, new),
            Change::CreateMessage { thread, message } => {
                let collection = Collection::messages(&thread);
                self.check_parents(ns, &collection)?;
                self.check_idle(ns, &thread)?;
                self.push(ns, collection, message);
            }
            Change::Replace { collection, object, version } => {
                self.check_parents(ns, &collection)?;
                let position = self.find(ns, &collection, &object.id)?;
                let stored = &mut self.rows[position].object;
                if stored.version != version {
                    return Err(StoreError::Stale);
                }
                stored.json = object.json;
                stored.version += 1;
                committed.version = stored.version;
            }
            Change::Delete { collection, id } => {
                self.check_parents(ns, &collection)?;
                let position = self.find(ns, &collection, &id)?;
                match &collection {
                    Collection::Threads => {
                        committed.active_run = self.active_run(ns, &id);
                        self.rows.retain(|row| {
                            let is_on_thread = match &row.collection {
                                Collection::Assistants => false,
                                Collection::Threads => row.object.id == id,
                                Collection::Messages { thread }
                                | Collection::Runs { thread }
                                | Collection::Steps { thread, .. } => *thread == id,
                            };
                            row.namespace != *ns || !is_on_thread
                        });
                    }
                    Collection::Messages { thread } => {
                        self.check_idle(ns, thread)?;
                        self.rows[position].is_deleted = true;
                    }
                    _ => self.rows[position].is_deleted = true,
                }
            }
            Change::CreateRun(new) => self.create_run(ns, *new)?,
            Change::WriteRun(write) => committed.version = self.write_run(ns, *write)?,
        }
        Ok(committed)
    }

    fn create_run(&mut self, ns: &Namespace, new: NewRun) -> Result<()> {
        if let Some(thread) = new.new_thread {
            self.push_thread(ns, thread);
        }
        let collection = Collection::runs(&new.thread);
        self.check_parents(ns, &collection)?;
        self.check_idle(ns, &new.thread)?;
        for message in new.messages {
            self.push(ns, Collection::messages(&new.thread), message);
        }
        self.push(ns, collection, new.run).run = Some(RunColumns {
            phase: new.phase,
            owner: new.owner,
            next_event: new.next_event,
            events: vec![new.events],
        });
        Ok(())
    }

    fn write_run(&mut self, ns: &Namespace, write: RunWrite) -> Result<u64> {
        let runs = Collection::runs(&write.thread);
        self.check_parents(ns, &runs)?;
        let position = self.find(ns, &runs, &write.run)?;
        let row = &self.rows[position];
        let is_ended = row.run.as_ref().unwrap().phase == Phase::Ended;
        if row.object.version != write.version || is_ended {
            return Err(StoreError::Stale);
        }
        let messages = Collection::messages(&write.thread);
        for message in &write.messages {
            if let MessageWrite::Replace { id, version, .. } = message {
                let stored = self.position(ns, &messages, id);
                if stored.map(|position| self.rows[position].object.version) != Some(*version) {
                    return Err(StoreError::Stale);
                }
            }
        }
        let steps = Collection::steps(&write.thread, &write.run);
        for StepWrite { id, json, is_new } in write.steps {
            match (is_new, self.position(ns, &steps, &id)) {
                (false, Some(position)) => self.rows[position].object.json = json,
                (false, None) => {}
                (true, _) => {
                    self.push(ns, steps.clone(), NewObject { id, json, hidden: Bytes::new() });
                }
            }
        }
        for message in write.messages {
            match message {
                MessageWrite::New(NewMessage { id, json }) => {
                    let new = NewObject { id, json, hidden: Bytes::new() };
                    self.push(ns, messages.clone(), new).created_by = Some(write.run.clone());
                }
                MessageWrite::Replace { id, json, .. } => {
                    let position = self.position(ns, &messages, &id).unwrap();
                    self.rows[position].object.json = json;
                    self.rows[position].object.version += 1;
                }
            }
        }
        let row = &mut self.rows[position];
        let run = row.run.as_mut().unwrap();
        run.events.extend(write.events);
        run.next_event = write.next_event;
        if let Some(update) = write.update {
            row.object.json = update.json;
            row.object.hidden = update.hidden;
            row.object.version += 1;
            run.phase = update.phase;
            run.owner = update.owner;
        }
        Ok(row.object.version)
    }
}
