//! A collection in the order of creation, with lookup by id and pages.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use crate::ids::IdMap;
use crate::store::page::{PageQuery, PageRange, UnknownCursor};

/// The number of removed objects whose position is remembered.
pub(in crate::store) const MAX_TOMBSTONES: usize = 1000;

/// The length up to which a collection is a list without an index.
const MAX_FEW: usize = 16;

/// What a collection has.
pub(in crate::store) trait Row {
    fn id(&self) -> &str;
}

/// A collection with operations in logarithmic time. Most threads have few messages and runs, and most
/// runs few steps, so a short collection takes little memory.
#[derive(Debug)]
pub(in crate::store) struct Ordered<T> {
    items: Items<T>,
    next: u64,
    /// The positions of removed objects,
    removed: IdMap<String, u64>,
    /// and their ids in the order of their removal.
    tombstones: VecDeque<String>,
}

/// Objects by their position, in ascending order.
#[derive(Debug)]
enum Items<T> {
    Few(Vec<(u64, T)>),
    Many { positions: IdMap<String, u64>, items: BTreeMap<u64, T> },
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            items: Items::Few(Vec::new()),
            // Zero is no position.
            next: 1,
            removed: IdMap::default(),
            tombstones: VecDeque::new(),
        }
    }
}

/// Entries of a page, and the range to create the page with.
pub(in crate::store) type Entries<R> = (Vec<R>, PageRange<u64>);

type Bounds = (Bound<u64>, Bound<u64>);

impl<T: Row> Items<T> {
    fn insert(&mut self, position: u64, item: T) {
        match self {
            Self::Few(items) if items.len() < MAX_FEW => {
                if items.len() == items.capacity() {
                    items.reserve_exact(items.len().max(1));
                }
                items.push((position, item));
            }
            Self::Few(items) => {
                let mut items: BTreeMap<u64, T> = std::mem::take(items).into_iter().collect();
                items.insert(position, item);
                let positions =
                    items.iter().map(|(position, item)| (item.id().to_owned(), *position));
                *self = Self::Many { positions: positions.collect(), items };
            }
            Self::Many { positions, items } => {
                positions.insert(item.id().to_owned(), position);
                items.insert(position, item);
            }
        }
    }

    fn position(&self, id: &str) -> Option<u64> {
        match self {
            Self::Few(items) => {
                // Clients mostly use new objects.
                items.iter().rev().find(|(_, item)| item.id() == id).map(|(position, _)| *position)
            }
            Self::Many { positions, .. } => positions.get(id).copied(),
        }
    }

    fn get(&self, id: &str) -> Option<&T> {
        match self {
            Self::Few(items) => {
                items.iter().rev().map(|(_, item)| item).find(|item| item.id() == id)
            }
            Self::Many { positions, items } => items.get(positions.get(id)?),
        }
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        match self {
            Self::Few(items) => {
                items.iter_mut().rev().map(|(_, item)| item).find(|item| item.id() == id)
            }
            Self::Many { positions, items } => items.get_mut(positions.get(id)?),
        }
    }

    fn remove(&mut self, id: &str) -> Option<(u64, T)> {
        match self {
            Self::Few(items) => {
                let index = items.iter().position(|(_, item)| item.id() == id)?;
                Some(items.remove(index))
            }
            Self::Many { positions, items } => items.remove_entry(&positions.remove(id)?),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Few(items) => items.len(),
            Self::Many { items, .. } => items.len(),
        }
    }

    /// Iterates over the objects with positions within the bounds. The first bound must not be above
    /// the second one.
    fn range(&self, bounds: Bounds) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        let (few, many) = match self {
            Self::Few(items) => (few_in_range(items, bounds), None),
            Self::Many { items, .. } => (<&[_]>::default(), Some(items.range(bounds))),
        };
        let few = few.iter().map(|(position, item)| (*position, item));
        let many = many.into_iter().flatten().map(|(position, item)| (*position, item));
        few.chain(many)
    }
}

fn few_in_range<T>(items: &[(u64, T)], (low, high): Bounds) -> &[(u64, T)] {
    let start = items.partition_point(|(position, _)| match low {
        Bound::Unbounded => false,
        Bound::Included(low) => *position < low,
        Bound::Excluded(low) => *position <= low,
    });
    let end = items.partition_point(|(position, _)| match high {
        Bound::Unbounded => true,
        Bound::Included(high) => *position <= high,
        Bound::Excluded(high) => *position < high,
    });
    items.get(start..end).unwrap_or_default()
}

impl<T: Row> Ordered<T> {
    pub(in crate::store) fn insert(&mut self, item: T) {
        self.items.insert(self.next, item);
        self.next += 1;
    }

    /// Removes an object. Its position is remembered for a while, because a client that deletes the
    /// objects it lists continues after the last entry of a page, which then no longer exists.
    pub(in crate::store) fn remove(&mut self, id: &str) -> Option<T> {
        let (position, item) = self.items.remove(id)?;
        self.removed.insert(id.to_owned(), position);
        self.tombstones.push_back(id.to_owned());
        if self.tombstones.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.tombstones.pop_front()
        {
            self.removed.remove(&oldest);
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
        self.items.get(id)
    }

    pub(in crate::store) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.items.get_mut(id)
    }

    /// Iterates over all objects, oldest first.
    pub(in crate::store) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.range((Bound::Unbounded, Bound::Unbounded)).map(|(_, item)| item)
    }

    /// Iterates over the objects from this position on with their positions, newest first.
    pub(super) fn newest_from(&self, position: u64) -> impl Iterator<Item = (u64, &T)> {
        self.items.range((Bound::Included(position), Bound::Unbounded)).rev()
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
            Some(id) => {
                let position = self.items.position(id).or_else(|| self.removed.get(id).copied());
                position.map(Some).ok_or(unknown)
            }
            None => Ok(None),
        };
        let after = position(&query.after, UnknownCursor::After)?;
        let before = position(&query.before, UnknownCursor::Before)?;
        let Some(range) = PageRange::new(query.newest_first, after, before) else {
            return Ok(None);
        };
        let bound = |number: Option<u64>| number.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.items.range((bound(range.low), bound(range.high)));
        let entries = entries.map(|(_, item)| item).filter(|item| filter(item));
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

    impl Row for String {
        fn id(&self) -> &str {
            self
        }
    }

    fn list(length: usize) -> Ordered<String> {
        let mut list = Ordered::default();
        (1..=length).for_each(|number| list.insert(number.to_string()));
        list
    }

    fn query(after: usize) -> PageQuery {
        PageQuery { limit: 1, newest_first: true, after: Some(after.to_string()), before: None }
    }

    #[test]
    fn removed_entries_cannot_be_read() {
        for length in [5, 3 * MAX_FEW] {
            let mut list = list(length);
            assert_eq!((list.remove("4"), list.remove("2")), (Some("4".into()), Some("2".into())));
            assert_eq!((list.remove("4"), list.remove("x")), (None, None));
            assert_eq!(list.get("4"), None);
            assert_eq!(list.get_mut("2"), None);
            assert_eq!(list.len(), length - 2);
            list.insert("new".to_owned());
            let (entries, _) = list.page(&query(4), |_| true, String::clone).unwrap().unwrap();
            assert_eq!(entries, ["3", "1"]);
        }
    }

    #[test]
    fn short_and_long_lists_have_the_same_pages() {
        for length in 1..3 * MAX_FEW {
            let list = list(length);
            assert_eq!(list.len(), length);
            assert!(
                list.iter().map(String::as_str).eq((1..=length).map(|number| number.to_string()))
            );
            for number in 1..=length {
                assert_eq!(list.get(&number.to_string()), Some(&number.to_string()));
                let start = number as u64;
                let newest: Vec<u64> =
                    list.newest_from(start).map(|(position, _)| position).collect();
                assert!(newest.into_iter().eq((start..=length as u64).rev()));
                let (entries, _) =
                    list.page(&query(number), |_| true, String::clone).unwrap().unwrap();
                let older = (1..number).rev().take(2).map(|number| number.to_string());
                assert!(entries.into_iter().eq(older));
            }
        }
    }

    #[test]
    fn number_of_tombstones_is_bounded() {
        let mut list = Ordered::default();
        for number in 0..2 * MAX_TOMBSTONES {
            list.insert(number.to_string());
            list.remove(&number.to_string());
        }
        assert_eq!((list.removed.len(), list.tombstones.len()), (MAX_TOMBSTONES, MAX_TOMBSTONES));
        let is_known = |number| list.page(&query(number), |_| true, |_| ()).is_ok();
        assert_eq!((is_known(MAX_TOMBSTONES - 1), is_known(MAX_TOMBSTONES)), (false, true));
    }
}
