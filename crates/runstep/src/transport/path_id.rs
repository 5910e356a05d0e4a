//! Checks ids before they become segments of a URL path.

use crate::error::{Error, ErrorKind, Result};

/// Returns the id if it does not change the structure of the path.
pub(crate) fn checked_id<'a>(name: &str, id: &'a str) -> Result<&'a str> {
    let invalid = |reason: &str| {
        let message = format!("invalid `{name}`: {reason}; nothing was sent");
        Err(Error::new(ErrorKind::InvalidRequest, message).with_param(name))
    };
    if id.is_empty() {
        return invalid("it is empty");
    }
    if id == "." || id == ".." {
        return invalid("it is a relative path");
    }
    match id.chars().find(|character| {
        matches!(character, '/' | '\\' | '?' | '#' | '%') || character.is_control()
    }) {
        Some(character) => {
            invalid(&format!("it contains {character:?}, which would change the path"))
        }
        None => Ok(id),
    }
}
