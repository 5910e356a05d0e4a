//! Ids become segments of a path: one that would change the path is refused before it is sent.

use crate::error::{Error, ErrorKind, Result};

/// Checks an id that goes into a path.
pub(crate) fn checked<'a>(name: &str, id: &'a str) -> Result<&'a str> {
    let wrong = |what: &str| {
        let message = format!("`{name}` {what}; nothing was sent");
        Err(Error::new(ErrorKind::InvalidRequest, message).with_param(name))
    };
    if id.is_empty() {
        return wrong("is empty");
    }
    if id == "." || id == ".." {
        return wrong("is a relative path");
    }
    match id.chars().find(|character| {
        matches!(character, '/' | '\\' | '?' | '#' | '%') || character.is_control()
    }) {
        Some(character) => wrong(&format!("has {character:?} in it, which would change the path")),
        None => Ok(id),
    }
}
