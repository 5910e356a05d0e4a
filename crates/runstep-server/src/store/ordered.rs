//! Objects in the order in which they were made, found by id, read by page.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// A collection whose operations do not grow with what is in it, logarithms aside.
#[derive(Debug)]
pub(crate) struct Ordered<T> {
    numbers: HashMap<String, u64>,
    items: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), items: BTreeMap::new(), next: 0 }
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

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
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
    fn an_unknown_cursor_is_told() {
        let list: Ordered<u32> = Ordered::default();
        let query =
            PageQuery { limit: 1, newest_first: true, after: Some("x".to_owned()), before: None };
        assert_eq!(list.page(&query, |_| true).unwrap_err(), UnknownCursor::After);
    }
}
