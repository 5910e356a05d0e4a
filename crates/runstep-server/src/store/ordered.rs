//! Objects in the order in which they were made, found by id, read by page.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

/// Of how many removed objects the place is remembered.
const REMEMBERED: usize = 1000;

/// A collection whose operations do not grow with what is in it, logarithms aside.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    numbers: HashMap<String, u64>,
    items: BTreeMap<u64, T>,
    next: u64,
    /// Ids of objects that are gone and whose place is remembered, in the order of their removal.
    removed: VecDeque<String>,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), items: BTreeMap::new(), next: 0, removed: VecDeque::new() }
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageQuery {
    pub(crate) limit: usize,
    pub(crate) newest_first: bool,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// A part of a list, and whether more follows in the direction of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<'a, T> {
    pub(crate) items: Vec<&'a T>,
    pub(crate) has_more: bool,
}

/// A cursor that names nothing in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownCursor {
    After,
    Before,
}

impl<T> Ordered<T> {
    pub(crate) fn insert(&mut self, id: String, item: T) {
        self.numbers.insert(id, self.next);
        self.items.insert(self.next, item);
        self.next += 1;
    }

    /// Takes one out. Its place is remembered for a while: who deletes what they list goes on from
    /// the last entry of a page, which is no longer there then.
    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let item = self.items.remove(self.numbers.get(id)?)?;
        self.removed.push_back(id.to_owned());
        if self.removed.len() > REMEMBERED
            && let Some(oldest) = self.removed.pop_front()
        {
            self.numbers.remove(&oldest);
        }
        Some(item)
    }

    /// Of how many removed entries the place is remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.removed.len()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.numbers.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.items.get_mut(self.numbers.get(id)?)
    }

    /// All, oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.items.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.items.values_mut()
    }

    /// A page of those that are wanted. With `before` alone it is the page that ends there.
    pub(crate) fn page(
        &self,
        query: &PageQuery,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<'_, T>, UnknownCursor> {
        let cursor = |id: &Option<String>, unknown| match id {
            Some(id) => self.numbers.get(id).copied().map(Some).ok_or(unknown),
            None => Ok(None),
        };
        let after = cursor(&query.after, UnknownCursor::After)?;
        let before = cursor(&query.before, UnknownCursor::Before)?;
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
            .filter(|item| wanted(item));
        // Towards the end from `after`, or backwards from `before`.
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
    fn pages_follow_the_order_asked_for() {
        assert_eq!(page(true, None, None, 2), (vec![5, 4], true));
        assert_eq!(page(true, Some(4), None, 2), (vec![3, 2], true));
        assert_eq!(page(true, Some(2), None, 2), (vec![1], false));
        assert_eq!(page(false, None, None, 5), (vec![1, 2, 3, 4, 5], false));
        assert_eq!(page(false, Some(3), None, 9), (vec![4, 5], false));
    }

    #[test]
    fn before_is_the_page_that_ends_there() {
        assert_eq!(page(true, None, Some(2), 2), (vec![4, 3], true));
        assert_eq!(page(false, None, Some(3), 9), (vec![1, 2], false));
        assert_eq!(page(false, Some(1), Some(4), 9), (vec![2, 3], false));
        assert_eq!(page(false, Some(4), Some(2), 9), (vec![], false));
    }

    #[test]
    fn a_page_goes_on_from_an_entry_that_was_removed() {
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
    fn what_is_remembered_of_removed_entries_is_bounded() {
        let mut list = Ordered::default();
        for number in 0..2 * REMEMBERED {
            list.insert(number.to_string(), number);
            list.remove(&number.to_string());
        }
        assert_eq!((list.numbers.len(), list.removed.len()), (REMEMBERED, REMEMBERED));
        let after = |number: usize| {
            let after = Some(number.to_string());
            let query = PageQuery { limit: 1, newest_first: true, after, before: None };
            list.page(&query, |_| true).is_ok()
        };
        assert_eq!((after(REMEMBERED - 1), after(REMEMBERED)), (false, true));
    }

    #[test]
    fn an_unknown_cursor_is_told() {
        let list: Ordered<u32> = Ordered::default();
        let query =
            PageQuery { limit: 1, newest_first: true, after: Some("x".to_owned()), before: None };
        assert_eq!(list.page(&query, |_| true).unwrap_err(), UnknownCursor::After);
    }
}
