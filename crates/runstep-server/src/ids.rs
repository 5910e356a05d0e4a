//! Object ids: a prefix for the kind of object, and an unguessable part.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A map by ids that the server has generated, so that nobody can choose ids that collide.
pub(crate) type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Generates ids. The hashers' keys are random in each process, and the counter never repeats.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    counter: AtomicU64,
    keys: (RandomState, RandomState),
}

impl Ids {
    /// Generates an id such as `run_` and 24 random characters.
    pub(crate) fn next(&self, prefix: &str) -> String {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let (first, second) = (self.keys.0.hash_one(count), self.keys.1.hash_one(count));
        let mut bits = u128::from(first) << 64 | u128::from(second);
        let mut id = String::with_capacity(prefix.len() + 25);
        id.push_str(prefix);
        id.push('_');
        for _ in 0..24 {
            let letter = ALPHABET.get((bits & 31) as usize).copied().unwrap_or(b'0');
            id.push(char::from(letter));
            bits >>= 5;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_prefix_and_are_unique() {
        let ids = Ids::default();
        let unique: std::collections::HashSet<String> =
            (0..1000).map(|_| ids.next("run")).collect();
        assert_eq!(unique.len(), 1000);
        assert!(unique.iter().all(|id| id.starts_with("run_") && id.len() == 28));
    }
}
