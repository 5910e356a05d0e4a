//! Where the objects are: in memory, a lock for each thread.

mod ordered;
mod storage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};

use runstep_api::types::{Assistant, Message, ReasoningEffort, Run, RunStep, Thread, Usage};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::events::EventLog;
pub(crate) use ordered::{Ordered, PageQuery, UnknownCursor};
pub(crate) use storage::{Charge, Full, Storage, length, size};

/// What the remembered place of a message takes that is gone.
const PLACE: usize = 128;

/// All objects that one key can see.
pub(crate) struct Store {
    assistants: RwLock<Assistants>,
    threads: RwLock<HashMap<String, ThreadHandle>>,
    storage: Arc<Storage>,
}

struct Assistants {
    all: Ordered<Arc<AssistantState>>,
    charge: Charge,
}

/// An assistant, and what its object does not show.
#[derive(Clone)]
pub(crate) struct AssistantState {
    pub(crate) assistant: Assistant,
    pub(crate) reasoning_effort: Option<ReasoningEffort>,
}

/// A thread that may be locked. Locks are held for a moment, never over an await.
#[derive(Clone)]
pub(crate) struct ThreadHandle(Arc<Mutex<ThreadState>>);

impl ThreadHandle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ThreadState> {
        // What is in there is changed in steps that cannot panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread with everything on it.
pub(crate) struct ThreadState {
    pub(crate) thread: Thread,
    pub(crate) messages: Ordered<Message>,
    pub(crate) runs: Ordered<RunState>,
    /// The run that is not terminal, if any.
    pub(crate) active: Option<String>,
    /// Whether only those who had it in hand when it was deleted still have it.
    pub(crate) deleted: bool,
    /// What all of it takes.
    pub(crate) charge: Charge,
}

impl ThreadState {
    pub(crate) fn insert_message(&mut self, message: Message) {
        self.charge.add(size(&message));
        self.messages.insert(message.id.clone(), message);
    }

    pub(crate) fn remove_message(&mut self, id: &str) {
        let remembered = self.messages.remembered();
        if let Some(message) = self.messages.remove(id) {
            self.charge.remove(size(&message));
            self.charge.add((self.messages.remembered() - remembered) * PLACE);
        }
    }
}

/// A run, and what its object does not show.
pub(crate) struct RunState {
    pub(crate) run: Run,
    pub(crate) steps: Ordered<RunStep>,
    pub(crate) reasoning_effort: Option<ReasoningEffort>,
    /// What the model's answers cost so far.
    pub(crate) used: Usage,
    /// What the step that waits for outputs will show as its usage.
    pub(crate) waiting_step_usage: Option<Usage>,
    /// How many times outputs came: which of the run's legs may end it.
    pub(crate) leg: u64,
    /// Stops the model.
    pub(crate) cancel: CancellationToken,
    /// Dropped when a run no longer waits for outputs.
    pub(crate) waiting: Option<oneshot::Sender<()>>,
    /// What was told of it, while its leg or others keep that.
    pub(crate) events: Weak<EventLog>,
}

impl RunState {
    pub(crate) fn new(run: Run, reasoning_effort: Option<ReasoningEffort>) -> Self {
        Self {
            run,
            steps: Ordered::default(),
            reasoning_effort,
            used: Usage::new(0, 0, 0),
            waiting_step_usage: None,
            leg: 0,
            cancel: CancellationToken::new(),
            waiting: None,
            events: Weak::new(),
        }
    }
}

impl Store {
    pub(crate) fn new(storage: &Arc<Storage>) -> Self {
        let assistants = Assistants { all: Ordered::default(), charge: storage.charge() };
        let storage = Arc::clone(storage);
        Self { assistants: RwLock::new(assistants), threads: RwLock::default(), storage }
    }

    pub(crate) fn insert_assistant(&self, state: AssistantState) {
        let mut assistants = self.write_assistants();
        assistants.charge.add(size(&state.assistant));
        assistants.all.insert(state.assistant.id.clone(), Arc::new(state));
    }

    fn write_assistants(&self) -> RwLockWriteGuard<'_, Assistants> {
        self.assistants.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn assistant(&self, id: &str) -> Option<Arc<AssistantState>> {
        self.with_assistants(|all| all.get(id).cloned())
    }

    /// Looks at all assistants.
    pub(crate) fn with_assistants<R>(
        &self,
        look: impl FnOnce(&Ordered<Arc<AssistantState>>) -> R,
    ) -> R {
        look(&self.assistants.read().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// Changes an assistant, if it is there and there is room for what it becomes. Whoever has it in
    /// hand keeps it as it was.
    pub(crate) fn change_assistant(
        &self,
        id: &str,
        change: impl FnOnce(&mut AssistantState),
    ) -> Option<Result<Assistant, Full>> {
        let mut assistants = self.write_assistants();
        let Assistants { all, charge } = &mut *assistants;
        let state = all.get_mut(id)?;
        let mut changed = AssistantState::clone(state);
        change(&mut changed);
        let assistant = changed.assistant.clone();
        let resized = charge.resize(size(&state.assistant), size(&assistant));
        Some(resized.map(|()| {
            *state = Arc::new(changed);
            assistant
        }))
    }

    /// Takes an assistant out, if it is there.
    pub(crate) fn remove_assistant(&self, id: &str) -> bool {
        let mut assistants = self.write_assistants();
        let Some(state) = assistants.all.remove(id) else { return false };
        assistants.charge.remove(size(&state.assistant));
        true
    }

    pub(crate) fn insert_thread(&self, thread: Thread, messages: Vec<Message>) -> ThreadHandle {
        let id = thread.id.clone();
        let mut state = ThreadState {
            charge: self.storage.charge(),
            thread,
            messages: Ordered::default(),
            runs: Ordered::default(),
            active: None,
            deleted: false,
        };
        state.charge.add(size(&state.thread));
        messages.into_iter().for_each(|message| state.insert_message(message));
        let handle = ThreadHandle(Arc::new(Mutex::new(state)));
        let mut threads = self.threads.write().unwrap_or_else(PoisonError::into_inner);
        threads.insert(id, handle.clone());
        handle
    }

    pub(crate) fn thread(&self, id: &str) -> Option<ThreadHandle> {
        self.threads.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Takes a thread out. Whoever has its handle can still use it.
    pub(crate) fn remove_thread(&self, id: &str) -> Option<ThreadHandle> {
        self.threads.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}
