//! Random transactions: all stores return what the model returns.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::model::Model;
use super::*;

/// A transaction or a read, with small numbers in the place of ids.
#[derive(Clone, Debug)]
enum Operation {
    CreateAssistant,
    CreateThread(u8, u8),
    CreateMessage(u8),
    /// Collection, position of the object, whether the version is the current one.
    Replace(u8, u8, bool),
    Delete(u8, u8),
    CreateRun(u8, bool),
    /// Thread, position of the run, its next phase, what is written, whether the version is the
    /// current one.
    WriteRun(u8, u8, u8, u8, bool),
    Page(u8, PageShape),
    Events(u8, u8, u64),
    /// Thread, position of the run that reads, tokens, messages, whether to continue.
    Context(u8, u8, u64, usize, bool),
    RemoveExpired,
}

/// Positions of cursors, in the order of creation.
#[derive(Clone, Debug)]
struct PageShape {
    limit: usize,
    newest_first: bool,
    after: Option<u8>,
    before: Option<u8>,
    run: Option<u8>,
}

fn operation() -> impl Strategy<Value = Operation> {
    let thread = 0..3_u8;
    let cursor = || proptest::option::weighted(0.4, 0..12_u8);
    let shape =
        (1..5_usize, any::<bool>(), cursor(), cursor(), proptest::option::weighted(0.2, 0..4_u8));
    let shape = shape.prop_map(|(limit, newest_first, after, before, run)| PageShape {
        limit,
        newest_first,
        after,
        before,
        run,
    });
    prop_oneof![
        2 => Just(Operation::CreateAssistant),
        2 => (thread.clone(), 0..3_u8).prop_map(|(thread, count)| Operation::CreateThread(thread, count)),
        3 => thread.clone().prop_map(Operation::CreateMessage),
        2 => (0..8_u8, 0..12_u8, proptest::bool::weighted(0.8))
            .prop_map(|(list, id, current)| Operation::Replace(list, id, current)),
        2 => (0..8_u8, 0..12_u8).prop_map(|(list, id)| Operation::Delete(list, id)),
        3 => (thread.clone(), any::<bool>()).prop_map(|(thread, new)| Operation::CreateRun(thread, new)),
        6 => (thread.clone(), 0..4_u8, 0..5_u8, 0..16_u8, proptest::bool::weighted(0.9)).prop_map(
            |(thread, run, phase, parts, current)| {
                Operation::WriteRun(thread, run, phase, parts, current)
            }
        ),
        6 => (0..8_u8, shape).prop_map(|(list, shape)| Operation::Page(list, shape)),
        4 => (thread.clone(), 0..3_u8, 0..16_u64, 0..6_usize, any::<bool>()).prop_map(
            |(thread, run, tokens, messages, continues)| {
                Operation::Context(thread, run, tokens, messages, continues)
            }
        ),
        1 => Just(Operation::RemoveExpired),
        2 => (thread, 0..4_u8, 0..30_u64)
            .prop_map(|(thread, run, after)| Operation::Events(thread, run, after)),
    ]
}

/// Turns operations into transactions. Ids are unique, apart from those of threads, which can be
/// created again after their deletion.
#[derive(Default)]
struct Names {
    count: u64,
    /// Ids by collection, in the order of creation.
    ids: Vec<(Collection, String)>,
}

impl Names {
    fn new_id(&mut self, collection: Collection) -> String {
        self.count += 1;
        let id = format!("{}", self.count);
        self.ids.push((collection, id.clone()));
        id
    }

    /// Returns an id of the collection, which may have been deleted, or an unknown one.
    fn id(&self, collection: &Collection, position: u8) -> String {
        let mut ids = self.ids.iter().filter(|(of, _)| of == collection).map(|(_, id)| id.clone());
        ids.nth(position.into()).unwrap_or_else(|| "unknown".to_owned())
    }

    fn collection(&self, number: u8) -> Collection {
        let thread = format!("thread_{}", number % 3);
        match number {
            0 => Collection::Assistants,
            1..4 => Collection::messages(&thread),
            4..6 => Collection::runs(&thread),
            _ => Collection::steps(&thread, &self.id(&Collection::runs(&thread), 0)),
        }
    }
}

struct Comparison {
    runtime: tokio::runtime::Runtime,
    model: Model,
    stores: Vec<Harness>,
    names: Names,
    namespace: Namespace,
    /// The marks of the last reads of each thread: of the model, and of the stores.
    marks: [Option<Vec<ContextMark>>; 3],
}

impl Comparison {
    fn commit(&mut self, change: Change) {
        let expected = self.model.commit(&self.namespace, change.clone());
        for harness in &self.stores {
            let transaction = Transaction {
                namespace: self.namespace.clone(),
                now: 0,
                idempotency: None,
                change: change.clone(),
            };
            let committed = self.runtime.block_on(harness.store.commit(transaction));
            assert_eq!(committed, expected, "{change:?}");
        }
    }

    fn version(&self, collection: &Collection, id: &str, is_current: bool) -> u64 {
        let object = self.model.object(&self.namespace, collection, id);
        object.map_or(0, |object| object.version) + u64::from(!is_current)
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::CreateAssistant => {
                let id = self.names.new_id(Collection::Assistants);
                self.commit(Change::CreateAssistant(object(&id, "{}")));
            }
            Operation::CreateThread(number, count) => {
                let id = format!("thread_{number}");
                if self.model.object(&self.namespace, &Collection::Threads, &id).is_err() {
                    let messages: Vec<String> =
                        (0..count).map(|_| self.names.new_id(Collection::messages(&id))).collect();
                    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
                    self.commit(Change::CreateThread(thread(&id, &messages)));
                }
            }
            Operation::CreateMessage(number) => {
                let thread = format!("thread_{number}");
                let id = self.names.new_id(Collection::messages(&thread));
                // The estimates differ.
                let message = message_of(&id, &format!("\"{id}\""), self.names.count % 4);
                self.commit(Change::CreateMessage { thread, message });
            }
            Operation::Replace(list, position, is_current) => {
                let collection = self.names.collection(list);
                if matches!(collection, Collection::Steps { .. }) {
                    return;
                }
                let id = self.names.id(&collection, position);
                let version = self.version(&collection, &id, is_current);
                let json = format!("\"{version}\"");
                self.commit(Change::Replace { collection, object: object(&id, &json), version });
            }
            Operation::Delete(list, position) => {
                let collection = match self.names.collection(list) {
                    Collection::Runs { .. } | Collection::Steps { .. } => Collection::Threads,
                    collection => collection,
                };
                let id = match &collection {
                    Collection::Threads => format!("thread_{}", position % 3),
                    collection => self.names.id(collection, position),
                };
                self.commit(Change::Delete { collection, id });
            }
            Operation::CreateRun(number, with_message) => {
                let thread = format!("thread_{number}");
                let id = self.names.new_id(Collection::runs(&thread));
                let Change::CreateRun(mut new) = new_run(&thread, &id) else { unreachable!() };
                if with_message {
                    let id = self.names.new_id(Collection::messages(&thread));
                    new.messages.push(message(&id));
                }
                self.commit(Change::CreateRun(new));
            }
            Operation::WriteRun(number, position, phase, parts, is_current) => {
                let thread = format!("thread_{number}");
                let run = self.names.id(&Collection::runs(&thread), position);
                let write = self.write(&thread, &run, phase, parts, is_current);
                self.commit(Change::WriteRun(Box::new(write)));
            }
            Operation::Context(thread, run, max_tokens, max_messages, continues) => {
                let marks = self.marks[usize::from(thread)].clone().filter(|_| continues);
                let query = |after| ContextQuery { max_tokens, max_messages, after };
                self.compare_context(thread, run, marks, query);
            }
            Operation::RemoveExpired => {
                // Removes what deleted threads have left, which nobody can read.
                let retention = Retention { events: i64::MAX, runs: None };
                for harness in &self.stores {
                    self.runtime.block_on(harness.store.remove_expired(retention, 0, 3)).unwrap();
                }
            }
            Operation::Page(list, shape) => self.compare_page(list, &shape),
            Operation::Events(number, position, after) => {
                let thread = format!("thread_{number}");
                let run = self.names.id(&Collection::runs(&thread), position);
                let key = RunKey { namespace: self.namespace.clone(), thread, run };
                let expected = (self.model.events_after(&key, after), self.model.run(&key));
                for harness in &self.stores {
                    let read = async {
                        let events = harness.store.events_after(&key, after).await;
                        (events, harness.store.run(&key).await)
                    };
                    assert_eq!(self.runtime.block_on(read), expected);
                }
            }
        }
    }

    /// Composes a write of the parts whose bits are set.
    fn write(
        &mut self,
        thread: &str,
        run: &str,
        phase: u8,
        parts: u8,
        is_current: bool,
    ) -> RunWrite {
        let (messages, steps) = (Collection::messages(thread), Collection::steps(thread, run));
        let version = self.version(&Collection::runs(thread), run, is_current);
        let mut write = empty_write(thread, run, version);
        let key = RunKey {
            namespace: self.namespace.clone(),
            thread: thread.to_owned(),
            run: run.to_owned(),
        };
        let next = self.model.run(&key).map_or(1, |record| record.next_event);
        write.next_event = next;
        if parts & 1 != 0 {
            write.update = Some(update(Phase::from_number(phase.into())));
        }
        if parts & 2 != 0 {
            let known = self.names.id(&steps, phase);
            let is_new = self.model.object(&self.namespace, &steps, &known).is_err();
            let id = if is_new { self.names.new_id(steps) } else { known };
            write.steps.push(StepWrite { id, json: format!("{version}").into(), is_new });
        }
        if parts & 4 != 0 {
            let known = self.names.id(&messages, phase);
            write.messages.push(if phase.is_multiple_of(2) {
                let id = self.names.new_id(messages);
                MessageWrite::New(message_of(&id, &format!("\"{id}\""), 3))
            } else {
                let version = self.version(&messages, &known, is_current);
                MessageWrite::Replace { id: known, json: "\"new\"".into(), tokens: 2, version }
            });
        }
        if parts & 8 != 0 {
            write.events = Some(chunk(next, next + u64::from(phase)));
            write.next_event = next + u64::from(phase) + 1;
        }
        write
    }

    fn compare_context(
        &mut self,
        thread: u8,
        run: u8,
        marks: Option<Vec<ContextMark>>,
        query: impl Fn(Option<ContextMark>) -> ContextQuery,
    ) {
        let thread_id = format!("thread_{thread}");
        let run = self.names.id(&Collection::runs(&thread_id), run);
        let key = RunKey { namespace: self.namespace.clone(), thread: thread_id, run };
        let query = |store: usize| query(marks.as_ref().map(|marks| marks[store]));
        let expected = self.model.context(&key, query(0));
        let mut new_marks = Vec::from_iter(expected.as_ref().map(|read| read.mark).ok());
        for (number, harness) in (1..).zip(&self.stores) {
            let read = self.runtime.block_on(harness.store.context(&key, query(number)));
            new_marks.extend(read.as_ref().map(|read| read.mark).ok());
            let comparable = |read: &Result<Context>| {
                read.clone().map(|read| (read.messages, read.is_continuation))
            };
            assert_eq!(comparable(&read), comparable(&expected), "{key:?} {:?}", query(number));
        }
        self.marks[usize::from(thread)] =
            (new_marks.len() == self.stores.len() + 1).then_some(new_marks);
    }

    fn compare_page(&mut self, list: u8, shape: &PageShape) {
        let collection = self.names.collection(list);
        let cursor =
            |position: Option<u8>| position.map(|position| self.names.id(&collection, position));
        let query = PageQuery {
            limit: shape.limit,
            newest_first: shape.newest_first,
            after: cursor(shape.after),
            before: cursor(shape.before),
        };
        let run = match &collection {
            Collection::Messages { thread } => {
                shape.run.map(|position| self.names.id(&Collection::runs(thread), position))
            }
            _ => None,
        };
        let expected = self.model.page(&self.namespace, &collection, run.as_deref(), &query);
        for harness in &self.stores {
            let page =
                harness.store.page(&self.namespace, collection.clone(), run.clone(), query.clone());
            assert_eq!(self.runtime.block_on(page), expected, "{collection:?} {query:?} {run:?}");
        }
    }
}

/// Applies operations to the model and to stores, and compares the results.
fn compare(operations: Vec<Operation>, stores: Vec<Harness>) {
    let mut comparison = Comparison {
        runtime: Builder::new_current_thread().enable_all().build().unwrap(),
        model: Model::default(),
        stores,
        names: Names::default(),
        namespace: Namespace::new("a"),
        marks: Default::default(),
    };
    for operation in operations {
        comparison.apply(operation);
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stores_do_what_the_model_does(operations in operations()) {
        compare(operations, vec![Harness::memory(), Harness::sqlite()]);
    }

    #[test]
    #[cfg(feature = "postgres")]
    #[ignore = "requires a Postgres server: cargo xtask cluster"]
    fn postgres_does_what_the_model_does(operations in operations()) {
        compare(operations, vec![Harness::postgres()]);
    }
}
