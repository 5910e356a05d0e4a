//! How much memory the objects take, and how much they may.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

/// What an object takes besides what it says.
const OVERHEAD: usize = 512;

/// The memory for objects, shared by all keys.
#[derive(Debug)]
pub(crate) struct Storage {
    used: Gauge,
    limit: usize,
}

impl Storage {
    /// `used` is where it counts what they take.
    pub(crate) fn new(limit: usize, used: Gauge) -> Arc<Self> {
        Arc::new(Self { used, limit })
    }

    /// Whether nothing more may be added.
    pub(crate) fn is_full(&self) -> bool {
        self.used() > self.limit
    }

    /// Whether something more may be added.
    pub(crate) fn check_room(&self) -> Result<(), Full> {
        if self.is_full() { Err(Full { limit: self.limit }) } else { Ok(()) }
    }

    pub(crate) fn used(&self) -> usize {
        usize::try_from(self.used.get()).unwrap_or_default()
    }

    /// Begins to count what something takes.
    pub(crate) fn charge(self: &Arc<Self>) -> Charge {
        Charge { storage: Arc::clone(self), bytes: 0 }
    }
}

/// What something takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    storage: Arc<Storage>,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

impl Charge {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.storage.used.inc_by(signed(bytes));
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.storage.used.dec_by(signed(bytes));
    }

    /// Counts what has changed its size. It may shrink whenever it likes, and grow if there is room.
    pub(crate) fn resize(&mut self, before: usize, after: usize) -> Result<(), Full> {
        if after > before {
            self.storage.check_room()?;
        }
        self.remove(before);
        self.add(after);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// About what an object takes: as much as it does as JSON, and a little for its places in maps.
pub(crate) fn size(object: &impl Serialize) -> usize {
    OVERHEAD + length(object)
}

/// What a part of an object takes: as much as it does as JSON.
pub(crate) fn length(part: &impl Serialize) -> usize {
    let mut length = Length(0);
    // The server's own objects can always be written.
    let _ = serde_json::to_writer(&mut length, part);
    length.0
}

/// Counts what is written.
struct Length(usize);

impl std::io::Write for Length {
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
    fn what_is_taken_is_given_back() {
        let storage = Storage::new(100, Gauge::default());
        let mut charge = storage.charge();
        charge.add(100);
        assert!(!storage.is_full());
        let mut other = storage.charge();
        other.add(1);
        assert!(storage.is_full());
        drop(other);
        assert!(!storage.is_full());
        charge.remove(60);
        assert_eq!(storage.used(), 40);
        charge.remove(60);
        drop(charge);
        assert_eq!(storage.used(), 0);
    }

    #[test]
    fn what_changes_may_shrink_and_grows_only_if_there_is_room() {
        let storage = Storage::new(100, Gauge::default());
        let mut charge = storage.charge();
        charge.add(90);
        assert_eq!(charge.resize(40, 60), Ok(()));
        assert_eq!(charge.resize(60, 61), Err(Full { limit: 100 }));
        assert_eq!(charge.resize(60, 60), Ok(()));
        assert_eq!(storage.used(), 110);
        assert_eq!(charge.resize(60, 20), Ok(()));
        assert_eq!(storage.used(), 70);
    }

    #[test]
    fn an_object_takes_what_it_says_and_a_little_more() {
        assert_eq!(size(&"four"), OVERHEAD + 6);
    }
}
