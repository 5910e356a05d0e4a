//! The memory quota: a bound of what is in memory, for all keys and for each of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

use super::object::Namespace;

/// An estimate of the memory of an object besides its content.
const OVERHEAD: usize = 512;
/// The length from which on a text is long: it is counted also while it is only in transit.
const LONG_TEXT_BYTES: usize = 64 * 1024;

const MEMORY_QUOTA: &str = "memory quota";
const KEY_QUOTA: &str = "memory quota of their key";

/// The memory quota of all keys.
#[derive(Debug)]
pub(crate) struct MemoryQuota {
    total: Arc<Total>,
    key_limit: usize,
    keys: Mutex<HashMap<Namespace, Arc<KeyQuota>>>,
}

#[derive(Debug)]
struct Total {
    used: Gauge,
    limit: usize,
}

/// The memory quota of one key, which is also a part of the quota of all keys.
#[derive(Debug)]
pub(crate) struct KeyQuota {
    total: Arc<Total>,
    used: AtomicUsize,
    limit: usize,
}

/// The error that a quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub(crate) struct QuotaExceeded {
    pub(crate) limit: usize,
    /// What is limited.
    pub(crate) resource: &'static str,
    /// How much a request needs, if the quota is not used up yet.
    pub(crate) needed: Option<usize>,
}

impl QuotaExceeded {
    pub(crate) fn new(limit: usize, resource: &'static str) -> Self {
        Self { limit, resource, needed: None }
    }

    fn message(self) -> String {
        let Self { limit, resource, needed } = self;
        match needed {
            None => format!("the objects use all {limit} bytes of their {resource}; delete some"),
            Some(needed) => format!(
                "the request needs {needed} bytes of memory, which are not free of the {limit} \
                 bytes of the {resource}; wait until others have ended, or delete objects"
            ),
        }
    }
}

impl MemoryQuota {
    /// Creates a quota for all keys, and one for each of them. The gauge holds the bytes in use.
    pub(crate) fn new(limit: usize, key_limit: usize, used: Gauge) -> Arc<Self> {
        let total = Arc::new(Total { used, limit });
        Arc::new(Self { total, key_limit, keys: Mutex::default() })
    }

    /// Returns the quota of a key.
    pub(crate) fn key(&self, namespace: &Namespace) -> Arc<KeyQuota> {
        let mut keys = self.keys.lock();
        if let Some(quota) = keys.get(namespace) {
            return Arc::clone(quota);
        }
        let (total, used) = (Arc::clone(&self.total), AtomicUsize::new(0));
        let quota = Arc::new(KeyQuota { total, used, limit: self.key_limit });
        keys.insert(namespace.clone(), Arc::clone(&quota));
        quota
    }

    /// Returns an error if the quota of all keys does not allow any more objects.
    pub(crate) fn check(&self) -> Result<(), QuotaExceeded> {
        self.total.check()
    }
}

impl Total {
    fn used(&self) -> usize {
        usize::try_from(self.used.get()).unwrap_or_default()
    }

    fn check(&self) -> Result<(), QuotaExceeded> {
        match self.used() > self.limit {
            true => Err(QuotaExceeded::new(self.limit, MEMORY_QUOTA)),
            false => Ok(()),
        }
    }
}

impl KeyQuota {
    pub(crate) fn is_exceeded(&self) -> bool {
        self.check().is_err()
    }

    /// Returns an error if the quota does not allow any more objects.
    pub(crate) fn check(&self) -> Result<(), QuotaExceeded> {
        self.total.check()?;
        match self.used.load(Ordering::Relaxed) > self.limit {
            true => Err(QuotaExceeded::new(self.limit, KEY_QUOTA)),
            false => Ok(()),
        }
    }

    /// Creates a charge of zero bytes.
    pub(crate) fn charge(self: &Arc<Self>) -> QuotaCharge {
        QuotaCharge { quota: Arc::clone(self), bytes: 0 }
    }

    /// Creates a charge for a text of this length in transit, or an error if the quota does not
    /// allow it. Short texts are not counted.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: usize) -> Result<QuotaCharge, QuotaExceeded> {
        let mut charge = self.charge();
        if bytes < LONG_TEXT_BYTES {
            return Ok(charge);
        }
        charge.add(bytes);
        let exceeded =
            |limit, resource| Err(QuotaExceeded { limit, resource, needed: Some(bytes) });
        if self.total.used() > self.total.limit {
            return exceeded(self.total.limit, MEMORY_QUOTA);
        }
        if self.used.load(Ordering::Relaxed) > self.limit {
            return exceeded(self.limit, KEY_QUOTA);
        }
        Ok(charge)
    }
}

/// Bytes charged to the quota until this is dropped.
#[derive(Debug)]
pub(crate) struct QuotaCharge {
    quota: Arc<KeyQuota>,
    bytes: usize,
}

/// A text and the charge for it.
struct HeldText {
    text: Vec<u8>,
    _charge: QuotaCharge,
}

impl AsRef<[u8]> for HeldText {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl QuotaCharge {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.quota.used.fetch_add(bytes, Ordering::Relaxed);
        self.quota.total.used.inc_by(signed(bytes));
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.quota.used.fetch_sub(bytes, Ordering::Relaxed);
        self.quota.total.used.dec_by(signed(bytes));
    }

    /// Updates the charge for a changed object, which can always shrink but only grow within the
    /// quota.
    pub(crate) fn resize(&mut self, before: usize, after: usize) -> Result<(), QuotaExceeded> {
        if after > before {
            self.quota.check()?;
        }
        self.remove(before);
        self.add(after);
        Ok(())
    }

    /// Keeps the charge until the last reference to a text is dropped.
    pub(crate) fn hold(self, text: Vec<u8>) -> Bytes {
        match self.bytes {
            0 => text.into_boxed_slice().into(),
            _ => Bytes::from_owner(HeldText { text, _charge: self }),
        }
    }
}

impl Drop for QuotaCharge {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Estimates the memory of an object whose texts have this length.
pub(crate) fn object_size(length: usize) -> usize {
    OVERHEAD + length
}

/// Estimates the memory of a part of an object: its length as JSON.
pub(crate) fn json_length(value: &impl Serialize) -> usize {
    let mut length = LengthWriter(0);
    // Serializing the server's own objects cannot fail.
    let _ = serde_json::to_writer(&mut length, value);
    length.0
}

/// Counts the bytes that are written.
struct LengthWriter(usize);

impl std::io::Write for LengthWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(limit: usize, key_limit: usize) -> Arc<MemoryQuota> {
        MemoryQuota::new(limit, key_limit, Gauge::default())
    }

    fn key(quota: &MemoryQuota, name: &str) -> Arc<KeyQuota> {
        quota.key(&Namespace::new(name))
    }

    #[test]
    fn dropped_charges_are_released() {
        let all = quota(100, 1000);
        let quota = key(&all, "a");
        let mut charge = quota.charge();
        charge.add(100);
        assert!(!quota.is_exceeded());
        let mut other = key(&all, "b").charge();
        other.add(1);
        assert!(quota.is_exceeded());
        drop(other);
        assert!(!quota.is_exceeded());
        charge.remove(60);
        assert_eq!(all.total.used(), 40);
        charge.remove(60);
        drop(charge);
        assert_eq!(all.total.used(), 0);
    }

    #[test]
    fn keys_have_separate_bounds() {
        let all = quota(100, 50);
        let (first, second) = (key(&all, "a"), key(&all, "b"));
        let mut charge = first.charge();
        charge.add(51);
        assert_eq!(first.check(), Err(QuotaExceeded::new(50, KEY_QUOTA)));
        assert_eq!(second.check(), Ok(()));
        let mut other = second.charge();
        other.add(50);
        assert_eq!(second.check(), Err(QuotaExceeded::new(100, MEMORY_QUOTA)));
        drop(charge);
        assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
    }

    #[test]
    fn changed_objects_can_shrink_and_grow_only_within_the_quota() {
        let all = quota(100, 1000);
        let mut charge = key(&all, "a").charge();
        charge.add(90);
        assert_eq!(charge.resize(40, 60), Ok(()));
        assert_eq!(charge.resize(60, 61), Err(QuotaExceeded::new(100, MEMORY_QUOTA)));
        assert_eq!(charge.resize(60, 60), Ok(()));
        assert_eq!(all.total.used(), 110);
        assert_eq!(charge.resize(60, 20), Ok(()));
        assert_eq!(all.total.used(), 70);
    }

    #[test]
    fn long_texts_are_counted_until_their_last_reference_is_dropped() {
        let all = quota(5 * LONG_TEXT_BYTES, 3 * LONG_TEXT_BYTES);
        let quota = key(&all, "a");
        let reserved = quota.reserve(2 * LONG_TEXT_BYTES).unwrap();
        let text = reserved.hold(vec![b'x'; 2 * LONG_TEXT_BYTES]);
        let part = text.slice(..1);
        drop(text);
        assert_eq!(all.total.used(), 2 * LONG_TEXT_BYTES);
        let refused = quota.reserve(2 * LONG_TEXT_BYTES).unwrap_err();
        assert_eq!((refused.resource, refused.needed), (KEY_QUOTA, Some(2 * LONG_TEXT_BYTES)));
        let refused = key(&all, "b").reserve(4 * LONG_TEXT_BYTES).unwrap_err();
        assert_eq!(refused.resource, MEMORY_QUOTA);
        // A short text is not counted.
        let _short = quota.reserve(LONG_TEXT_BYTES - 1).unwrap();
        drop(part);
        assert_eq!(all.total.used(), 0);
    }

    #[test]
    fn object_size_is_the_length_as_json_and_an_overhead() {
        assert_eq!(object_size(json_length(&"four")), OVERHEAD + 6);
    }
}
