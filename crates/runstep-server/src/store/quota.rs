//! The memory quota for objects.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

/// An estimate of the memory of an object besides its content.
const OVERHEAD: usize = 512;

const MEMORY_QUOTA: &str = "memory quota";

/// The memory quota for objects, which all keys share.
#[derive(Debug)]
pub(crate) struct MemoryQuota {
    used: Gauge,
    limit: usize,
}

/// The error that the quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the objects use all {limit} bytes of their {resource}; delete some")]
pub(crate) struct QuotaExceeded {
    pub(crate) limit: usize,
    /// What is limited.
    pub(crate) resource: &'static str,
}

impl MemoryQuota {
    /// Creates a quota. The gauge holds the bytes in use.
    pub(crate) fn new(limit: usize, used: Gauge) -> Arc<Self> {
        Arc::new(Self { used, limit })
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// Returns an error if the quota does not allow any more objects.
    pub(crate) fn check(&self) -> Result<(), QuotaExceeded> {
        if self.is_exceeded() {
            Err(QuotaExceeded { limit: self.limit, resource: MEMORY_QUOTA })
        } else {
            Ok(())
        }
    }

    fn used(&self) -> usize {
        usize::try_from(self.used.get()).unwrap_or_default()
    }

    /// Creates a charge of zero bytes.
    pub(crate) fn charge(self: &Arc<Self>) -> QuotaCharge {
        QuotaCharge { quota: Arc::clone(self), bytes: 0 }
    }
}

/// Bytes charged to the quota until this is dropped.
#[derive(Debug)]
pub(crate) struct QuotaCharge {
    quota: Arc<MemoryQuota>,
    bytes: usize,
}

impl QuotaCharge {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.quota.used.inc_by(signed(bytes));
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.quota.used.dec_by(signed(bytes));
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

    #[test]
    fn dropped_charges_are_released() {
        let quota = MemoryQuota::new(100, Gauge::default());
        let mut charge = quota.charge();
        charge.add(100);
        assert!(!quota.is_exceeded());
        let mut other = quota.charge();
        other.add(1);
        assert!(quota.is_exceeded());
        drop(other);
        assert!(!quota.is_exceeded());
        charge.remove(60);
        assert_eq!(quota.used(), 40);
        charge.remove(60);
        drop(charge);
        assert_eq!(quota.used(), 0);
    }

    #[test]
    fn changed_objects_can_shrink_and_grow_only_within_the_quota() {
        let quota = MemoryQuota::new(100, Gauge::default());
        let mut charge = quota.charge();
        charge.add(90);
        assert_eq!(charge.resize(40, 60), Ok(()));
        assert_eq!(
            charge.resize(60, 61),
            Err(QuotaExceeded { limit: 100, resource: MEMORY_QUOTA })
        );
        assert_eq!(charge.resize(60, 60), Ok(()));
        assert_eq!(quota.used(), 110);
        assert_eq!(charge.resize(60, 20), Ok(()));
        assert_eq!(quota.used(), 70);
    }

    #[test]
    fn object_size_is_the_length_as_json_and_an_overhead() {
        assert_eq!(object_size(json_length(&"four")), OVERHEAD + 6);
    }
}
