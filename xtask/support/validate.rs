//! Validation of request bodies against the limits in the specification.

#![allow(dead_code, reason = "a specification need not have limits of every kind")]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Display};
use std::ops::{Bound, RangeBounds};

/// A value with limits in the specification, such as a request body.
pub trait Validate {
    /// Checks the value, and every value inside it, against the limits in the specification.
    ///
    /// # Errors
    ///
    /// Returns the first violation of a limit.
    fn validate(&self) -> Result<(), Violation>;
}

/// A value outside the limits in the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Path of the value in the body, such as `additional_messages[0].metadata`.
    pub path: String,
    /// What the value is and what the limit is, such as `has 21 items; at most 20 are allowed`.
    pub reason: String,
}

impl Violation {
    fn new(reason: String) -> Self {
        Self { path: String::new(), reason }
    }

    /// Returns the same violation, of a value inside `parent`.
    fn inside(mut self, parent: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{parent}{separator}{}", self.path);
        self
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "the body {}", self.reason),
            path => write!(f, "`{path}` {}", self.reason),
        }
    }
}

impl Error for Violation {}

/// Checks that a number, such as a query parameter, is in a range.
///
/// # Errors
///
/// Returns a violation with `path` if the number is not in the range.
pub fn validate_range<T: PartialOrd + Display>(
    path: &str,
    value: T,
    allowed: impl RangeBounds<T>,
) -> Result<(), Violation> {
    field(path, Some(&value), |value| number(value, allowed))
}

/// Checks a field, unless it has no value.
pub(crate) fn field<T>(
    name: &str,
    value: Option<&T>,
    check: impl FnOnce(&T) -> Result<(), Violation>,
) -> Result<(), Violation> {
    value.map_or(Ok(()), check).map_err(|violation| violation.inside(name))
}

/// Checks each item of a list.
pub(crate) fn each<T>(
    items: &[T],
    check: impl Fn(&T) -> Result<(), Violation>,
) -> Result<(), Violation> {
    items.iter().enumerate().try_for_each(|(index, item)| {
        check(item).map_err(|violation| violation.inside(&format!("[{index}]")))
    })
}

/// Checks each value of a map. A violation has the path of the map and names the key.
pub(crate) fn each_value<T>(
    entries: &BTreeMap<String, T>,
    check: impl Fn(&T) -> Result<(), Violation>,
) -> Result<(), Violation> {
    entries.iter().try_for_each(|(key, value)| {
        check(value).map_err(|Violation { path, reason }| {
            let inner = if path.is_empty() { path } else { format!(" at `{path}`") };
            Violation::new(format!("has a value for `{key}` that{inner} {reason}"))
        })
    })
}

/// Checks the length of each key of a map.
pub(crate) fn each_key<T>(
    entries: &BTreeMap<String, T>,
    allowed: impl RangeBounds<u64> + Clone,
) -> Result<(), Violation> {
    entries.keys().try_for_each(|key| {
        characters(key, allowed.clone())
            .map_err(|Violation { reason, .. }| Violation::new(format!("has a key that {reason}")))
    })
}

/// Checks the length of a text, in Unicode scalar values.
pub(crate) fn characters(text: &str, allowed: impl RangeBounds<u64>) -> Result<(), Violation> {
    // A character is one to four bytes. Most texts are short enough that nothing needs counting.
    let (most, least) = (text.len(), text.len() / 4);
    if allowed.contains(&(most as u64)) && allowed.contains(&(least as u64)) {
        return Ok(());
    }
    count(["character", "characters"], text.chars().count(), allowed)
}

/// Checks the number of items of a list.
pub(crate) fn items(length: usize, allowed: impl RangeBounds<u64>) -> Result<(), Violation> {
    count(["item", "items"], length, allowed)
}

/// Checks the number of entries of a map.
pub(crate) fn entries(length: usize, allowed: impl RangeBounds<u64>) -> Result<(), Violation> {
    count(["entry", "entries"], length, allowed)
}

fn count(
    [singular, plural]: [&str; 2],
    count: usize,
    allowed: impl RangeBounds<u64>,
) -> Result<(), Violation> {
    if allowed.contains(&(count as u64)) {
        return Ok(());
    }
    let noun = if count == 1 { singular } else { plural };
    let be = |limit: u64| if limit == 1 { "is" } else { "are" };
    let limit = match (allowed.start_bound(), allowed.end_bound()) {
        (Bound::Included(least), _) if (count as u64) < *least => {
            format!("at least {least} {} required", be(*least))
        }
        (_, Bound::Included(most)) => format!("at most {most} {} allowed", be(*most)),
        _ => "another number is required".to_owned(),
    };
    Err(Violation::new(format!("has {count} {noun}; {limit}")))
}

/// Checks a number. NaN is outside of every range.
pub(crate) fn number<T: PartialOrd + Display>(
    value: &T,
    allowed: impl RangeBounds<T>,
) -> Result<(), Violation> {
    if allowed.contains(value) {
        return Ok(());
    }
    let limit = match (allowed.start_bound(), allowed.end_bound()) {
        (Bound::Included(least), _) if value.partial_cmp(least).is_none_or(Ordering::is_lt) => {
            format!("at least {least}")
        }
        (Bound::Excluded(least), _) if value.partial_cmp(least).is_none_or(Ordering::is_le) => {
            format!("greater than {least}")
        }
        (_, Bound::Included(most)) => format!("at most {most}"),
        (_, Bound::Excluded(most)) => format!("less than {most}"),
        _ => "a number".to_owned(),
    };
    Err(Violation::new(format!("is {value}; it must be {limit}")))
}
