//! A cache of assistants. Every run reads one, and most runs read the same ones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::object::{Namespace, Object};

/// The length of a cached assistant. Longer ones are read from the file.
const MAX_ASSISTANT_BYTES: usize = 16 * 1024;
/// The memory of all cached assistants. Beyond it the cache starts again, empty.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// An estimate of the memory of an assistant besides its texts.
const OVERHEAD: usize = 256;

/// A cache of assistants. It has no assistant that differs from the file.
#[derive(Default)]
pub(super) struct AssistantCache(Mutex<State>);

#[derive(Default)]
struct State {
    assistants: HashMap<Namespace, HashMap<String, Object>>,
    bytes: usize,
    /// How many changes are in progress. Meanwhile all assistants are read from the file.
    pending: usize,
    /// How often a change has begun or ended. What was read before is not cached after that.
    revision: u64,
}

/// A change of an assistant. Dropped after the change was committed, or has failed.
pub(super) struct PendingChange(Arc<AssistantCache>);

impl AssistantCache {
    pub(super) fn get(&self, namespace: &Namespace, id: &str) -> Option<Object> {
        let state = self.0.lock();
        if state.pending > 0 {
            return None;
        }
        state.assistants.get(namespace)?.get(id).cloned()
    }

    /// Returns the revision of the cache, to be called before an assistant is read.
    pub(super) fn revision(&self) -> u64 {
        self.0.lock().revision
    }

    /// Adds an assistant that was read after the cache had this revision.
    pub(super) fn insert(&self, namespace: &Namespace, assistant: &Object, revision: u64) {
        let length = assistant.json.len() + assistant.hidden.len();
        let mut state = self.0.lock();
        if length > MAX_ASSISTANT_BYTES || state.pending > 0 || state.revision != revision {
            return;
        }
        if state.bytes + length + OVERHEAD > MAX_BYTES {
            state.assistants.clear();
            state.bytes = 0;
        }
        let assistants = state.assistants.entry(namespace.clone()).or_default();
        if assistants.insert(assistant.id.clone(), assistant.clone()).is_none() {
            state.bytes += length + OVERHEAD;
        }
    }

    /// Removes an assistant that is going to change.
    pub(super) fn begin_change(self: &Arc<Self>, namespace: &Namespace, id: &str) -> PendingChange {
        let mut state = self.0.lock();
        state.pending += 1;
        state.revision += 1;
        let assistants = state.assistants.get_mut(namespace);
        if let Some(removed) = assistants.and_then(|assistants| assistants.remove(id)) {
            state.bytes -= removed.json.len() + removed.hidden.len() + OVERHEAD;
        }
        PendingChange(Arc::clone(self))
    }
}

impl Drop for PendingChange {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.pending -= 1;
        state.revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str, length: usize) -> Object {
        let json = "x".repeat(length).into();
        Object { id: id.to_owned(), json, hidden: Default::default(), version: 0 }
    }

    #[test]
    fn assistant_that_was_read_before_a_change_is_not_cached() {
        let (cache, a) = (Arc::new(AssistantCache::default()), Namespace::new("a"));
        cache.insert(&a, &object("1", 1), cache.revision());
        cache.insert(&a, &object("2", 1), cache.revision());
        assert_eq!(cache.get(&a, "1"), Some(object("1", 1)));
        assert_eq!(cache.get(&Namespace::new("b"), "1"), None);

        let before = cache.revision();
        let change = cache.begin_change(&a, "1");
        cache.insert(&a, &object("1", 1), before);
        let during = cache.revision();
        cache.insert(&a, &object("1", 1), during);
        assert_eq!((cache.get(&a, "1"), cache.get(&a, "2")), (None, None));
        drop(change);
        cache.insert(&a, &object("1", 1), before);
        cache.insert(&a, &object("1", 1), during);
        assert_eq!((cache.get(&a, "1"), cache.get(&a, "2")), (None, Some(object("2", 1))));
        cache.insert(&a, &object("1", 2), cache.revision());
        assert_eq!(cache.get(&a, "1"), Some(object("1", 2)));
    }

    #[test]
    fn memory_is_bounded() {
        let (cache, a) = (Arc::new(AssistantCache::default()), Namespace::new("a"));
        cache.insert(&a, &object("long", MAX_ASSISTANT_BYTES + 1), 0);
        assert_eq!(cache.get(&a, "long"), None);
        for number in 0..1000 {
            let id = number.to_string();
            cache.insert(&a, &object(&id, MAX_ASSISTANT_BYTES), 0);
            assert!(cache.0.lock().bytes <= MAX_BYTES);
            assert!(cache.get(&a, &id).is_some());
        }
        let state = cache.0.lock();
        let count: usize = state.assistants.values().map(HashMap::len).sum();
        assert_eq!(state.bytes, count * (MAX_ASSISTANT_BYTES + OVERHEAD));
    }
}
