//! The objects, in memory. Each thread has a lock of its own.

mod ordered;
mod quota;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, Weak};

use runstep_api::types::{Assistant, Message, ReasoningEffort, Run, RunStep, Thread, Usage};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::events::EventLog;
pub(crate) use ordered::{Ordered, PageQuery, UnknownCursor};
pub(crate) use quota::{MemoryQuota, QuotaCharge, QuotaExceeded, json_length, object_size};

/// An estimate of the memory of a deleted message's remembered position.
const TOMBSTONE_BYTES: usize = 128;

/// The objects of one key.
pub(crate) struct Store {
    assistants: RwLock<Assistants>,
    threads: RwLock<HashMap<String, ThreadHandle>>,
    quota: Arc<MemoryQuota>,
}

struct Assistants {
    all: Ordered<Arc<AssistantState>>,
    charge: QuotaCharge,
}

/// An assistant, and settings that its object does not have.
#[derive(Clone)]
pub(crate) struct AssistantState {
    pub(crate) assistant: Assistant,
    pub(crate) reasoning_effort: Option<ReasoningEffort>,
}

/// A shared thread. Its lock is held briefly and never across an await.
#[derive(Clone)]
pub(crate) struct ThreadHandle(Arc<Mutex<ThreadState>>);

impl ThreadHandle {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ThreadState> {
        // The state is consistent even after a panic, because no change of it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread with its messages and runs.
pub(crate) struct ThreadState {
    pub(crate) thread: Thread,
    pub(crate) messages: Ordered<Message>,
    pub(crate) runs: Ordered<RunState>,
    /// The run that is not terminal, if there is one.
    pub(crate) active: Option<String>,
    /// Whether the thread was deleted. Holders of a handle can still access it.
    pub(crate) deleted: bool,
    /// The memory of everything on the thread.
    pub(crate) charge: QuotaCharge,
}

impl ThreadState {
    pub(crate) fn insert_message(&mut self, message: Message) {
        self.charge.add(object_size(&message));
        self.messages.insert(message.id.clone(), message);
    }

    pub(crate) fn remove_message(&mut self, id: &str) {
        let tombstones = self.messages.tombstones();
        if let Some(message) = self.messages.remove(id) {
            self.charge.remove(object_size(&message));
            self.charge.add((self.messages.tombstones() - tombstones) * TOMBSTONE_BYTES);
        }
    }
}

/// A run, its steps, and state that its object does not have.
pub(crate) struct RunState {
    pub(crate) run: Run,
    pub(crate) steps: Ordered<RunStep>,
    pub(crate) reasoning_effort: Option<ReasoningEffort>,
    /// The usage of all model responses so far.
    pub(crate) usage: Usage,
    /// The usage of the step that waits for tool outputs.
    pub(crate) waiting_step_usage: Option<Usage>,
    /// The number of the current execution, which is the only one that may end the run. It starts
    /// at 0 and increases with each submission of tool outputs.
    pub(crate) execution: u64,
    /// Stops the model.
    pub(crate) cancel: CancellationToken,
    /// Dropped when the run no longer waits for tool outputs.
    pub(crate) waiting: Option<oneshot::Sender<()>>,
    /// The events of the run, as long as its execution or a subscriber holds them.
    pub(crate) events: Weak<EventLog>,
}

impl RunState {
    pub(crate) fn new(run: Run, reasoning_effort: Option<ReasoningEffort>) -> Self {
        Self {
            run,
            steps: Ordered::default(),
            reasoning_effort,
            usage: Usage::new(0, 0, 0),
            waiting_step_usage: None,
            execution: 0,
            cancel: CancellationToken::new(),
            waiting: None,
            events: Weak::new(),
        }
    }
}

impl Store {
    pub(crate) fn new(quota: &Arc<MemoryQuota>) -> Self {
        let assistants = Assistants { all: Ordered::default(), charge: quota.charge() };
        let quota = Arc::clone(quota);
        Self { assistants: RwLock::new(assistants), threads: RwLock::default(), quota }
    }

    pub(crate) fn insert_assistant(&self, state: AssistantState) {
        let mut assistants = self.write_assistants();
        assistants.charge.add(object_size(&state.assistant));
        assistants.all.insert(state.assistant.id.clone(), Arc::new(state));
    }

    fn write_assistants(&self) -> RwLockWriteGuard<'_, Assistants> {
        self.assistants.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn assistant(&self, id: &str) -> Option<Arc<AssistantState>> {
        self.with_assistants(|all| all.get(id).cloned())
    }

    /// Reads all assistants under the lock.
    pub(crate) fn with_assistants<R>(
        &self,
        read: impl FnOnce(&Ordered<Arc<AssistantState>>) -> R,
    ) -> R {
        read(&self.assistants.read().unwrap_or_else(PoisonError::into_inner).all)
    }

    /// Changes an assistant within the quota. Returns `None` if it does not exist. References to
    /// the assistant keep its previous state.
    pub(crate) fn change_assistant(
        &self,
        id: &str,
        change: impl FnOnce(&mut AssistantState),
    ) -> Option<Result<Assistant, QuotaExceeded>> {
        let mut assistants = self.write_assistants();
        let Assistants { all, charge } = &mut *assistants;
        let state = all.get_mut(id)?;
        let mut changed = AssistantState::clone(state);
        change(&mut changed);
        let assistant = changed.assistant.clone();
        let resized = charge.resize(object_size(&state.assistant), object_size(&assistant));
        Some(resized.map(|()| {
            *state = Arc::new(changed);
            assistant
        }))
    }

    /// Removes an assistant. Returns whether it existed.
    pub(crate) fn remove_assistant(&self, id: &str) -> bool {
        let mut assistants = self.write_assistants();
        let Some(state) = assistants.all.remove(id) else { return false };
        assistants.charge.remove(object_size(&state.assistant));
        true
    }

    pub(crate) fn insert_thread(&self, thread: Thread, messages: Vec<Message>) -> ThreadHandle {
        let id = thread.id.clone();
        let mut state = ThreadState {
            charge: self.quota.charge(),
            thread,
            messages: Ordered::default(),
            runs: Ordered::default(),
            active: None,
            deleted: false,
        };
        state.charge.add(object_size(&state.thread));
        messages.into_iter().for_each(|message| state.insert_message(message));
        let handle = ThreadHandle(Arc::new(Mutex::new(state)));
        let mut threads = self.threads.write().unwrap_or_else(PoisonError::into_inner);
        threads.insert(id, handle.clone());
        handle
    }

    pub(crate) fn thread(&self, id: &str) -> Option<ThreadHandle> {
        self.threads.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Removes a thread. Other handles to it stay usable.
    pub(crate) fn remove_thread(&self, id: &str) -> Option<ThreadHandle> {
        self.threads.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}
