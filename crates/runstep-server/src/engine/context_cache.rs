//! The newest messages of long threads, as items of a conversation, so that a run of a long thread
//! reads only the messages that were added since the previous run.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use crate::model::Conversation;
use crate::store::{ContextMark, Namespace, RunKey};

/// How many items a conversation has at least. Shorter ones are read again.
const MIN_ITEMS: usize = 64;
/// The memory of all conversations in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// The memory of a conversation that is too long.
const MAX_CONVERSATION_BYTES: usize = MAX_BYTES / 4;

/// The messages of a thread up to a position, as many as fit into the longest prompt.
#[derive(Clone)]
pub(super) struct CachedContext {
    pub(super) conversation: Conversation,
    pub(super) mark: ContextMark,
}

/// A cache of conversations, of which the least recently used are evicted. The store knows whether
/// an entry is stale: see [`ContextMark`].
#[derive(Default)]
pub(super) struct ContextCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    entries: HashMap<ThreadKey, Entry>,
    /// The threads by the time of their last use.
    used: BTreeMap<u64, ThreadKey>,
    time: u64,
    bytes: usize,
}

type ThreadKey = (Namespace, String);

struct Entry {
    context: CachedContext,
    bytes: usize,
    used: u64,
}

impl ContextCache {
    /// Takes the messages of a run's thread. No other run needs them meanwhile, because a thread
    /// has at most one active run.
    pub(super) fn take(&self, key: &RunKey) -> Option<CachedContext> {
        self.0.lock().remove(&thread_key(key))
    }

    pub(super) fn insert(&self, key: &RunKey, context: CachedContext) {
        let bytes = context.conversation.bytes();
        if context.conversation.len() < MIN_ITEMS || bytes > MAX_CONVERSATION_BYTES {
            return;
        }
        let key = thread_key(key);
        let mut entries = self.0.lock();
        entries.remove(&key);
        entries.time += 1;
        let used = entries.time;
        entries.bytes += bytes;
        entries.used.insert(used, key.clone());
        entries.entries.insert(key, Entry { context, bytes, used });
        while entries.bytes > MAX_BYTES
            && let Some((_, oldest)) = entries.used.pop_first()
        {
            entries.remove(&oldest);
        }
    }
}

impl Entries {
    fn remove(&mut self, key: &ThreadKey) -> Option<CachedContext> {
        let entry = self.entries.remove(key)?;
        self.used.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.context)
    }
}

fn thread_key(key: &RunKey) -> ThreadKey {
    (key.namespace.clone(), key.thread.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConversationItem;

    fn key(thread: usize) -> RunKey {
        let (thread, run) = (thread.to_string(), "run".to_owned());
        RunKey { namespace: Namespace::new("a"), thread, run }
    }

    fn context(items: usize, length: usize) -> CachedContext {
        let items = (0..items).map(|_| ConversationItem::User("x".repeat(length)));
        let mark = ContextMark { position: 0, revision: 0 };
        CachedContext { conversation: items.collect(), mark }
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_entries_are_evicted() {
        let cache = ContextCache::default();
        cache.insert(&key(0), context(MIN_ITEMS - 1, 1));
        assert!(cache.take(&key(0)).is_none(), "a short conversation");
        cache.insert(&key(0), context(MIN_ITEMS, MAX_CONVERSATION_BYTES / MIN_ITEMS));
        assert!(cache.take(&key(0)).is_none(), "a conversation that is too long");
        // Each takes a tenth of the memory.
        for thread in 0..20 {
            cache.insert(&key(thread), context(MIN_ITEMS, MAX_BYTES / 10 / MIN_ITEMS));
            assert!(cache.0.lock().bytes <= MAX_BYTES);
        }
        assert!(cache.take(&key(10)).is_none());
        assert!(cache.take(&key(19)).is_some());
        for thread in 11..19 {
            assert!(cache.take(&key(thread)).is_some(), "{thread}");
        }
        let entries = cache.0.lock();
        assert_eq!((entries.bytes, entries.used.len(), entries.entries.len()), (0, 0, 0));
    }
}
