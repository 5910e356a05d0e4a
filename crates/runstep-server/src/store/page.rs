//! Pages of collections.

use super::object::Object;

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
pub(crate) struct ObjectPage {
    pub(crate) objects: Vec<Object>,
    pub(crate) has_more: bool,
}

/// The cursor that is not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownCursor {
    After,
    Before,
}

/// A page query with positions in the order of creation in the place of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageRange<P> {
    /// The exclusive lower bound.
    pub(super) low: Option<P>,
    /// The exclusive upper bound.
    pub(super) high: Option<P>,
    /// Whether to read from the upper bound down.
    pub(super) descending: bool,
    /// Whether the page is in the opposite order of the reading.
    pub(super) is_reversed: bool,
}

impl<P: Copy + Ord> PageRange<P> {
    /// Creates a range from the positions of the cursors. With `before` alone it is the page that
    /// ends there. Returns `None` if no entry can be between the cursors.
    pub(super) fn new(newest_first: bool, after: Option<P>, before: Option<P>) -> Option<Self> {
        let (low, high) = if newest_first { (before, after) } else { (after, before) };
        if let (Some(low), Some(high)) = (low, high)
            && low >= high
        {
            return None;
        }
        let is_reversed = before.is_some() && after.is_none();
        Some(Self { low, high, descending: newest_first != is_reversed, is_reversed })
    }

    /// Creates a page from at most `limit + 1` entries in the order of the reading.
    pub(super) fn page(self, mut objects: Vec<Object>, limit: usize) -> ObjectPage {
        let has_more = objects.len() > limit;
        objects.truncate(limit);
        if self.is_reversed {
            objects.reverse();
        }
        ObjectPage { objects, has_more }
    }
}
