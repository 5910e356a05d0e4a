//! Assistants that were used lately, decoded. Most runs are of an assistant that has not changed. The
//! store is read each time, because another node can change it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use parking_lot::Mutex;
use runstep_api::types::Assistant;

use super::assistants::HiddenSettings;
use super::error::Result;
use super::objects;
use crate::json_text::LongMembers;
use crate::store::{Namespace, Object};

/// The length of all texts, and of a text that is too long. Decoded, a text takes a few times as much.
const MAX_BYTES: usize = 2 * 1024 * 1024;
const MAX_TEXT_BYTES: usize = 32 * 1024;
/// An estimate of the memory of an entry besides its text.
const OVERHEAD: usize = 1024;

/// An assistant with its long members apart, and the settings that its object does not have.
#[derive(Debug)]
pub(super) struct DecodedAssistant {
    pub(super) assistant: Assistant,
    pub(super) members: LongMembers,
    pub(super) settings: HiddenSettings,
    /// What was decoded.
    json: Bytes,
    hidden: Bytes,
}

/// A cache of decoded assistants. An entry is stale if the object has another text.
#[derive(Default)]
pub(super) struct AssistantCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    entries: HashMap<(Namespace, String), Arc<DecodedAssistant>>,
    bytes: usize,
}

impl AssistantCache {
    /// Decodes an assistant, unless its text was decoded before.
    pub(super) fn decode(
        &self,
        namespace: &Namespace,
        object: Object,
    ) -> Result<Arc<DecodedAssistant>> {
        let Object { id, json, hidden, .. } = object;
        let key = (namespace.clone(), id);
        let known = self.0.lock().entries.get(&key).cloned();
        if let Some(known) = known.filter(|known| known.json == json && known.hidden == hidden) {
            return Ok(known);
        }
        let (members, rest) = LongMembers::split(&json);
        let assistant = objects::decode(&rest)?;
        let settings = objects::parse(&hidden)?;
        let decoded = Arc::new(DecodedAssistant { assistant, members, settings, json, hidden });
        self.0.lock().insert(key, Arc::clone(&decoded));
        Ok(decoded)
    }
}

impl Entries {
    fn insert(&mut self, key: (Namespace, String), decoded: Arc<DecodedAssistant>) {
        let bytes = decoded.bytes();
        if bytes > MAX_TEXT_BYTES {
            return;
        }
        if self.bytes + bytes > MAX_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes;
        if let Some(stale) = self.entries.insert(key, decoded) {
            self.bytes -= stale.bytes();
        }
    }
}

impl DecodedAssistant {
    fn bytes(&self) -> usize {
        OVERHEAD + self.json.len() + self.hidden.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: usize, name: &str) -> Object {
        let json = format!(r#"{{"id":"{id}","object":"assistant","name":"{name}","tools":[]}}"#);
        Object { id: id.to_string(), json: json.into(), hidden: Bytes::new(), version: 0 }
    }

    #[test]
    fn changed_assistant_is_decoded_again() {
        let cache = AssistantCache::default();
        let namespace = Namespace::new("a");
        let name = |object| cache.decode(&namespace, object).unwrap().assistant.name.clone();
        assert_eq!(name(object(1, "first")).as_deref(), Some("first"));
        assert_eq!(name(object(1, "first")).as_deref(), Some("first"));
        assert_eq!(name(object(1, "second")).as_deref(), Some("second"));
        let hidden =
            Object { hidden: r#"{"reasoning_effort":"low"}"#.into(), ..object(1, "second") };
        let decoded = cache.decode(&namespace, hidden).unwrap();
        assert!(decoded.settings.reasoning_effort.is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let cache = AssistantCache::default();
        let namespace = Namespace::new("a");
        let long = "x".repeat(MAX_TEXT_BYTES / 2);
        for id in 0..MAX_BYTES / long.len() * 2 {
            cache.decode(&namespace, object(id, &long)).unwrap();
        }
        let too_long = "x".repeat(MAX_TEXT_BYTES);
        cache.decode(&namespace, object(0, &too_long)).unwrap();
        let entries = cache.0.lock();
        let bytes: usize = entries.entries.values().map(|entry| entry.bytes()).sum();
        assert_eq!(entries.bytes, bytes);
        assert!(!entries.entries.is_empty() && bytes <= MAX_BYTES);
        assert!(entries.entries.values().all(|entry| entry.bytes() <= MAX_TEXT_BYTES));
    }
}
