//! A collection in the order of creation, with lookup by id and pages.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use crate::store::page::{PageQuery, PageRange, UnknownCursor};

/// The number of removed objects whose position is remembered.
pub(in crate::store) const MAX_TOMBSTONES: usize = 1000;

/// A collection with operations in logarithmic time.
#[derive(Debug)]
pub(in crate::store) struct Ordered<T> {
    positions: HashMap<String, u64>,
    items: BTreeMap<u64, T>,
    next: u64,
    /// Ids of removed objects whose position is remembered, in the order of their removal.
    tombstones: VecDeque<String>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            positions: HashMap::new(),
            items: BTreeMap::new(),
            // Zero is no position.
            next: 1,
            tombstones: VecDeque::new(),
        }
    }
}

/// Entries of a page, and the range to create the page with.
pub(in crate::store) type Entries<R> = (Vec<R>, PageRange<u64>);

impl<T> Ordered<T> {
    pub(in crate::store) fn insert(&mut self, id: String, item: T) {
        self.positions.insert(id, self.next);
        self.items.insert(self.next, item);
        self.next += 1;
    }

    /// Removes an object. Its position is remembered for a while, because a client that deletes the
    /// objects it lists continues after the last entry of a page, which then no longer exists.
    pub(in crate::store) fn remove(&mut self, id: &str) -> Option<T> {
        let item = self.items.remove(self.positions.get(id)?)?;
        self.tombstones.push_back(id.to_owned());
        if self.tombstones.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.tombstones.pop_front()
            // An id can be in use again.
            && self.get(&oldest).is_none()
        {
            self.positions.remove(&oldest);
        }
        Some(item)
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns the number of removed objects whose position is remembered.
    pub(in crate::store) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    pub(in crate::store) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.positions.get(id)?)
    }

    pub(in crate::store) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.items.get_mut(self.positions.get(id)?)
    }

    /// Iterates over all objects, oldest first.
    pub(in crate::store) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.values()
    }

    /// Iterates over the objects from this position on with their positions, newest first.
    pub(super) fn newest_from(&self, position: u64) -> impl Iterator<Item = (u64, &T)> {
        self.items.range(position..).rev().map(|(position, item)| (*position, item))
    }

    /// Returns the entries of a page, at most `limit + 1` of those that match the filter. Returns
    /// `None` if no entry can be between the cursors.
    pub(super) fn page<R>(
        &self,
        query: &PageQuery,
        filter: impl Fn(&T) -> bool,
        read: impl Fn(&T) -> R,
    ) -> Result<Option<Entries<R>>, UnknownCursor> {
        let position = |id: &Option<String>, unknown| match id {
            Some(id) => self.positions.get(id).copied().map(Some).ok_or(unknown),
            None => Ok(None),
        };
        let after = position(&query.after, UnknownCursor::After)?;
        let before = position(&query.before, UnknownCursor::Before)?;
        let Some(range) = PageRange::new(query.newest_first, after, before) else {
            return Ok(None);
        };
        let bound = |number: Option<u64>| number.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self
            .items
            .range((bound(range.low), bound(range.high)))
            .map(|(_, item)| item)
            .filter(|item| filter(item));
        let entries: Vec<R> = if range.descending {
            entries.rev().take(query.limit + 1).map(read).collect()
        } else {
            entries.take(query.limit + 1).map(read).collect()
        };
        Ok(Some((entries, range)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(after: usize) -> PageQuery {
        PageQuery { limit: 1, newest_first: true, after: Some(after.to_string()), before: None }
    }

    #[test]
    fn removed_entries_cannot_be_read() {
        let mut list = Ordered::default();
        for number in 1..=5_u32 {
            list.insert(number.to_string(), number);
        }
        assert_eq!((list.remove("4"), list.remove("2")), (Some(4), Some(2)));
        assert_eq!((list.remove("4"), list.remove("x")), (None, None));
        assert_eq!(list.get("4"), None);
        assert_eq!(list.get_mut("2"), None);
        list.insert("6".to_owned(), 6);
        let (entries, _) = list.page(&query(4), |_| true, |entry| *entry).unwrap().unwrap();
        assert_eq!(entries, [3, 1]);
    }

    #[test]
    fn number_of_tombstones_is_bounded() {
        let mut list = Ordered::default();
        for number in 0..2 * MAX_TOMBSTONES {
            list.insert(number.to_string(), number);
            list.remove(&number.to_string());
        }
        assert_eq!((list.positions.len(), list.tombstones.len()), (MAX_TOMBSTONES, MAX_TOMBSTONES));
        let is_known = |number| list.page(&query(number), |_| true, |_| ()).is_ok();
        assert_eq!((is_known(MAX_TOMBSTONES - 1), is_known(MAX_TOMBSTONES)), (false, true));
    }
}
