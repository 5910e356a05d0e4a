//! Validation of request bodies against the limits in the specification.

#![allow(dead_code, reason = "a specification need not have limits of every kind")]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Display};
use std::ops::{Bound, RangeBounds};

use serde_json::{Map, Value};

use crate::Field;

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
    pub(crate) fn new(reason: String) -> Self {
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
    number(&value, allowed).map_err(|violation| violation.inside(path))
}

/// The limits of a value.
pub(crate) struct Limits {
    /// The least and the largest number of characters, items or entries.
    pub(crate) size: (u64, u64),
    /// The range of a number.
    pub(crate) number: (Bound<f64>, Bound<f64>),
    /// The least and the largest number of characters of a key.
    pub(crate) keys: (u64, u64),
    /// The limits of each item of a list or value of a map.
    pub(crate) each: Option<&'static Limits>,
}

impl Limits {
    pub(crate) const NONE: Self = Self {
        size: (0, u64::MAX),
        number: (Bound::Unbounded, Bound::Unbounded),
        keys: (0, u64::MAX),
        each: None,
    };

    fn each(&self) -> &'static Self {
        self.each.unwrap_or(&Self::NONE)
    }
}

/// A type of fields in request bodies. The default is a type that no limit applies to.
pub(crate) trait Limited {
    /// Checks a value against the limits of its field.
    fn check(&self, _: &Limits) -> Result<(), Violation> {
        Ok(())
    }
}

// What takes any type is compiled once, and not for each type.

/// Checks a field.
pub(crate) fn field(name: &str, value: &dyn Limited, limits: &Limits) -> Result<(), Violation> {
    value.check(limits).map_err(|violation| violation.inside(name))
}

#[inline(never)]
fn check(value: &dyn Limited, limits: &Limits) -> Result<(), Violation> {
    value.check(limits)
}

impl<T: Validate> Limited for T {
    fn check(&self, _: &Limits) -> Result<(), Violation> {
        self.validate()
    }
}

impl<T: Validate> Validate for Box<T> {
    fn validate(&self) -> Result<(), Violation> {
        T::validate(self)
    }
}

impl<T: Limited> Limited for Option<T> {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        self.as_ref().map_or(Ok(()), |value| check(value, limits))
    }
}

impl<T: Limited> Limited for Field<T> {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        self.as_option().map_or(Ok(()), |value| check(value, limits))
    }
}

impl<T: Limited> Limited for Vec<T> {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        count(["item", "items"], self.len(), limits.size)?;
        for (index, item) in self.iter().enumerate() {
            check_item(index, item, limits)?;
        }
        Ok(())
    }
}

fn check_item(index: usize, item: &dyn Limited, limits: &Limits) -> Result<(), Violation> {
    item.check(limits.each()).map_err(|violation| violation.inside(&format!("[{index}]")))
}

/// A violation of a key or a value has the path of the map, and names the key of the value.
impl<T: Limited> Limited for BTreeMap<String, T> {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        count(["entry", "entries"], self.len(), limits.size)?;
        for (key, value) in self {
            check_entry(key, value, limits)?;
        }
        Ok(())
    }
}

fn check_entry(key: &str, value: &dyn Limited, limits: &Limits) -> Result<(), Violation> {
    characters(key, limits.keys)
        .map_err(|violation| Violation::new(format!("has a key that {}", violation.reason)))?;
    value.check(limits.each()).map_err(|Violation { path, reason }| {
        let inner = if path.is_empty() { path } else { format!(" at `{path}`") };
        Violation::new(format!("has a value for `{key}` that{inner} {reason}"))
    })
}

impl Limited for Map<String, Value> {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        count(["entry", "entries"], self.len(), limits.size)
    }
}

impl Limited for String {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        characters(self, limits.size)
    }
}

impl Limited for f64 {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        number(self, limits.number)
    }
}

impl Limited for i64 {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        number(&(*self as f64), limits.number)
    }
}

impl Limited for u64 {
    fn check(&self, limits: &Limits) -> Result<(), Violation> {
        number(&(*self as f64), limits.number)
    }
}

impl Limited for bool {}
impl Limited for Value {}

/// Checks the length of a text, in Unicode scalar values.
fn characters(text: &str, (least, most): (u64, u64)) -> Result<(), Violation> {
    // A character is one to four bytes. Most texts are short enough that nothing needs counting.
    if text.len() as u64 <= most && text.len() as u64 / 4 >= least {
        return Ok(());
    }
    count(["character", "characters"], text.chars().count(), (least, most))
}

fn count(
    [singular, plural]: [&str; 2],
    count: usize,
    (least, most): (u64, u64),
) -> Result<(), Violation> {
    let be = |limit: u64| if limit == 1 { "is" } else { "are" };
    let limit = match count as u64 {
        count if count < least => format!("at least {least} {} required", be(least)),
        count if count > most => format!("at most {most} {} allowed", be(most)),
        _ => return Ok(()),
    };
    let noun = if count == 1 { singular } else { plural };
    Err(Violation::new(format!("has {count} {noun}; {limit}")))
}

/// Checks a number. NaN is outside of every range.
fn number<T: PartialOrd + Display>(
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
