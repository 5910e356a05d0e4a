//! A collection of objects in the order of their creation, with lookup by id and pages.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

/// The number of removed objects whose position is remembered.
const MAX_TOMBSTONES: usize = 1000;

/// A collection with operations in logarithmic time.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
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
            next: 0,
            tombstones: VecDeque::new(),
        }
    }
}

/// A request for a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageQuery {
    pub(crate) limit: usize,
    pub(crate) newest_first: bool,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// A page of a list, and whether more follows in the direction of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<'a, T> {
    pub(crate) items: Vec<&'a T>,
    pub(crate) has_more: bool,
}

/// The cursor that is not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownCursor {
    After,
    Before,
}

impl<T> Ordered<T> {
    pub(crate) fn insert(&mut self, id: String, item: T) {
        self.positions.insert(id, self.next);
        self.items.insert(self.next, item);
        self.next += 1;
    }

    /// Removes an object. Its position is remembered for a while, because a client that deletes the
    /// objects it lists continues after the last entry of a page, which then no longer exists.
    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let item = self.items.remove(self.positions.get(id)?)?;
        self.tombstones.push_back(id.to_owned());
        if self.tombstones.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.tombstones.pop_front()
        {
            self.positions.remove(&oldest);
        }
        Some(item)
    }

    /// Returns the number of removed objects whose position is remembered.
    pub(crate) fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.positions.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.items.get_mut(self.positions.get(id)?)
    }

    /// Iterates over all objects, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.items.values_mut()
    }

    /// Returns a page of the objects that match the filter. With `before` alone it is the page that
    /// ends there.
    pub(crate) fn page(
        &self,
        query: &PageQuery,
        filter: impl Fn(&T) -> bool,
    ) -> Result<Page<'_, T>, UnknownCursor> {
        let position = |id: &Option<String>, unknown| match id {
            Some(id) => self.positions.get(id).copied().map(Some).ok_or(unknown),
            None => Ok(None),
        };
        let after = position(&query.after, UnknownCursor::After)?;
        let before = position(&query.before, UnknownCursor::Before)?;
        let (low, high) = if query.newest_first { (before, after) } else { (after, before) };
        if let (Some(low), Some(high)) = (low, high)
            && low >= high
        {
            return Ok(Page { items: Vec::new(), has_more: false });
        }
        let bound = |number: Option<u64>| number.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self
            .items
            .range((bound(low), bound(high)))
            .map(|(_, item)| item)
            .filter(|item| filter(item));
        // Forwards from `after`, or backwards from `before`.
        let backwards = before.is_some() && after.is_none();
        let mut items: Vec<&T> = if query.newest_first != backwards {
            range.rev().take(query.limit + 1).collect()
        } else {
            range.take(query.limit + 1).collect()
        };
        let has_more = items.len() > query.limit;
        items.truncate(query.limit);
        if backwards {
            items.reverse();
        }
        Ok(Page { items, has_more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(
        newest_first: bool,
        after: Option<u32>,
        before: Option<u32>,
        limit: usize,
    ) -> (Vec<u32>, bool) {
        let mut list = Ordered::default();
        for number in 1..=5_u32 {
            list.insert(number.to_string(), number);
        }
        let text = |number: Option<u32>| number.map(|number| number.to_string());
        let query = PageQuery { limit, newest_first, after: text(after), before: text(before) };
        let page = list.page(&query, |_| true).unwrap();
        (page.items.into_iter().copied().collect(), page.has_more)
    }

    #[test]
    fn pages_are_in_the_requested_order() {
        assert_eq!(page(true, None, None, 2), (vec![5, 4], true));
        assert_eq!(page(true, Some(4), None, 2), (vec![3, 2], true));
        assert_eq!(page(true, Some(2), None, 2), (vec![1], false));
        assert_eq!(page(false, None, None, 5), (vec![1, 2, 3, 4, 5], false));
        assert_eq!(page(false, Some(3), None, 9), (vec![4, 5], false));
    }

    #[test]
    fn before_returns_the_page_that_ends_there() {
        assert_eq!(page(true, None, Some(2), 2), (vec![4, 3], true));
        assert_eq!(page(false, None, Some(3), 9), (vec![1, 2], false));
        assert_eq!(page(false, Some(1), Some(4), 9), (vec![2, 3], false));
        assert_eq!(page(false, Some(4), Some(2), 9), (vec![], false));
    }

    #[test]
    fn page_continues_from_a_removed_entry() {
        let mut list = Ordered::default();
        for number in 1..=5_u32 {
            list.insert(number.to_string(), number);
        }
        assert_eq!((list.remove("4"), list.remove("2")), (Some(4), Some(2)));
        assert_eq!((list.remove("4"), list.remove("x")), (None, None));
        assert_eq!(list.get("4"), None);
        assert_eq!(list.get_mut("2"), None);
        assert!(list.iter().eq([&1, &3, &5]));
        let cursor = |id: &str| Some(id.to_owned());
        let query = PageQuery { limit: 1, newest_first: true, after: cursor("4"), before: None };
        let page = list.page(&query, |_| true).unwrap();
        assert_eq!((page.items, page.has_more), (vec![&3], true));
        let query = PageQuery { after: None, before: cursor("2"), ..query };
        assert_eq!(list.page(&query, |_| true).unwrap().items, [&3]);
        list.insert("6".to_owned(), 6);
        assert!(list.iter().eq([&1, &3, &5, &6]));
    }

    #[test]
    fn number_of_tombstones_is_bounded() {
        let mut list = Ordered::default();
        for number in 0..2 * MAX_TOMBSTONES {
            list.insert(number.to_string(), number);
            list.remove(&number.to_string());
        }
        assert_eq!((list.positions.len(), list.tombstones.len()), (MAX_TOMBSTONES, MAX_TOMBSTONES));
        let after = |number: usize| {
            let after = Some(number.to_string());
            let query = PageQuery { limit: 1, newest_first: true, after, before: None };
            list.page(&query, |_| true).is_ok()
        };
        assert_eq!((after(MAX_TOMBSTONES - 1), after(MAX_TOMBSTONES)), (false, true));
    }

    #[test]
    fn unknown_cursor_is_an_error() {
        let list: Ordered<u32> = Ordered::default();
        let query =
            PageQuery { limit: 1, newest_first: true, after: Some("x".to_owned()), before: None };
        assert_eq!(list.page(&query, |_| true).unwrap_err(), UnknownCursor::After);
    }
}
