//! A plain model of a store: a list of all objects in the order of their creation.

use super::*;

#[derive(Default)]
pub(super) struct Model {
    rows: Vec<Row>,
    /// How many rows were ever created.
    created: usize,
}

struct Row {
    namespace: Namespace,
    collection: Collection,
    object: Object,
    /// Deleted rows are still cursors.
    is_deleted: bool,
    /// The run that created a message.
    created_by: Option<String>,
    /// The estimate of a message.
    tokens: u64,
    /// The position in the order of creation of all rows, which is never used again.
    number: usize,
    /// How many messages of a thread were deleted.
    deletions: u64,
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
            Collection::Assistants | Collection::UpstreamObjects | Collection::Threads => Ok(()),
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
        self.created += 1;
        self.rows.push(Row {
            namespace: ns.clone(),
            collection,
            object: Object { id, json, hidden, version: 0 },
            is_deleted: false,
            created_by: None,
            tokens: 0,
            number: self.created,
            deletions: 0,
            run: None,
        });
        self.rows.last_mut().unwrap()
    }

    fn push_thread(&mut self, ns: &Namespace, new: NewThread) {
        let messages = Collection::messages(&new.thread.id);
        self.push(ns, Collection::Threads, new.thread);
        for message in new.messages {
            self.push_message(ns, &messages, message);
        }
    }

    fn push_message(&mut self, ns: &Namespace, messages: &Collection, new: NewMessage) -> &mut Row {
        let NewMessage { id, json, tokens } = new;
        let row = self.push(ns, messages.clone(), NewObject { id, json, hidden: Bytes::new() });
        row.tokens = tokens;
        row
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

    pub(super) fn context(&self, key: &RunKey, query: ContextQuery) -> Result<Context> {
        let thread = self.find(&key.namespace, &Collection::Threads, &key.thread)?;
        let revision = (self.rows[thread].number as u64) << 32 | self.rows[thread].deletions;
        let after = query.after.filter(|mark| mark.revision == revision);
        let collection = Collection::messages(&key.thread);
        let mut messages: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| {
                row.namespace == key.namespace
                    && row.collection == collection
                    && !row.is_deleted
                    && row.created_by.as_ref() != Some(&key.run)
                    && after.is_none_or(|mark| row.number as u64 > mark.position)
            })
            .collect();
        messages.reverse();
        let mut tokens = 0;
        let fitting = messages.iter().enumerate().take_while(|(position, row)| {
            tokens += row.tokens;
            *position < query.max_messages && (*position == 0 || tokens <= query.max_tokens)
        });
        let count = fitting.count();
        let position = match messages.first() {
            Some(newest) if count > 0 => newest.number as u64,
            _ => after.map_or(0, |mark| mark.position),
        };
        let read = messages[..count]
            .iter()
            .map(|row| ContextMessage { json: row.object.json.clone(), tokens: row.tokens });
        Ok(Context {
            messages: read.collect(),
            is_continuation: after.is_some() && count == messages.len(),
            mark: ContextMark { position, revision },
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
            Change::CreateUpstreamObject(new) => {
                if self.position(ns, &Collection::UpstreamObjects, &new.id).is_none() {
                    self.push(ns, Collection::UpstreamObjects, new);
                }
            }
            Change::CreateThread(new) => self.push_thread(ns, new),
            Change::CreateMessage { thread, message } => {
                let collection = Collection::messages(&thread);
                self.check_parents(ns, &collection)?;
                self.check_idle(ns, &thread)?;
                self.push_message(ns, &collection, message);
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
                                Collection::Assistants | Collection::UpstreamObjects => false,
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
                        let thread = self.find(ns, &Collection::Threads, thread)?;
                        self.rows[thread].deletions += 1;
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
            self.push_message(ns, &Collection::messages(&new.thread), message);
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
                MessageWrite::New(new) => {
                    self.push_message(ns, &messages, new).created_by = Some(write.run.clone());
                }
                MessageWrite::Replace { id, json, tokens, .. } => {
                    let position = self.position(ns, &messages, &id).unwrap();
                    let row = &mut self.rows[position];
                    row.object.json = json;
                    row.object.version += 1;
                    row.tokens = tokens;
                }
            }
        }
        let row = &mut self.rows[position];
        let run = row.run.as_mut().unwrap();
        run.events.extend(write.events);
        run.next_event = write.next_event;
        row.object.version += 1;
        if let Some(update) = write.update {
            row.object.json = update.json;
            row.object.hidden = update.hidden;
            run.phase = update.phase;
            run.owner = update.owner;
        }
        Ok(row.object.version)
    }
}
