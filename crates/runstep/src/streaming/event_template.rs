//! A template of server-sent events that differ only in their id and in one text.

use std::ops::Range;

use memchr::memchr;

use super::sse::field;

/// Maximum length of an id and of a text, in bytes. An incomplete event is searched again with each
/// chunk, so that the length of a search is limited.
const MAX_VARIABLE_BYTES: usize = 512;

/// The bytes of an event around two variable parts: its id, if it has one, and a text in its data.
///
/// An event matches if all other bytes are the same. Variable parts contain no line ends, so that the
/// event has the same fields as the template, with the same values around the variable parts.
#[derive(Debug)]
pub(super) struct EventTemplate {
    /// The bytes before the id, if there is one.
    before_id: Option<Box<[u8]>>,
    /// The bytes between the id, or the start of the event, and the text.
    before_text: Box<[u8]>,
    after_text: Box<[u8]>,
}

/// The variable parts of an event that matches a template.
#[derive(Debug)]
pub(super) struct VariableParts<'a> {
    /// The position of the id.
    pub(super) id: Option<Range<usize>>,
    /// The text as a JSON string, with its quotes.
    pub(super) quoted_text: &'a [u8],
    /// Whether the text has escapes.
    pub(super) has_escapes: bool,
    /// The length of the event.
    pub(super) length: usize,
}

impl EventTemplate {
    /// Creates a template from the bytes of an event and the position of the text in its data, with its
    /// quotes.
    ///
    /// Returns `None` unless the event consists of a name, data and possibly an id before the data,
    /// with one line each, and all lines end in `\n` or `\r\n`.
    pub(super) fn new(bytes: &[u8], quoted_text: &Range<usize>) -> Option<Self> {
        let (mut name, mut id, mut data) = (None, None, None);
        let mut start = 0;
        loop {
            let rest = bytes.get(start..)?;
            let length = memchr(b'\n', rest)?;
            let line = rest.get(..length)?;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let (field, value) = field(line);
            let target = match field {
                b"event" => &mut name,
                // Without the space, one at the start of another id would not be part of that id.
                b"id" if line.starts_with(b"id: ") && data.is_none() => &mut id,
                b"data" => &mut data,
                _ => return None,
            };
            let value = start + value.start..start + value.end;
            if line.contains(&b'\r') || target.replace(value).is_some() {
                return None;
            }
            start += length + 1;
        }
        let (_, data) = (name?, data?);
        let (text_start, text_end) = (data.start + quoted_text.start, data.start + quoted_text.end);
        let before_text = bytes.get(id.as_ref().map_or(0, |id| id.end)..text_start)?;
        Some(Self {
            before_id: id.and_then(|id| bytes.get(..id.start)).map(Box::from),
            before_text: Box::from(before_text),
            after_text: Box::from(bytes.get(text_end..)?),
        })
    }

    /// Returns the variable parts if the bytes start with a whole event that matches.
    pub(super) fn split<'a>(&self, bytes: &'a [u8]) -> Option<VariableParts<'a>> {
        let mut rest = bytes;
        let mut id = None;
        if let Some(before_id) = &self.before_id {
            rest = rest.strip_prefix(&**before_id)?;
            let length = find(rest, |byte| matches!(byte, b'\n' | b'\r' | 0))?;
            id = Some(before_id.len()..before_id.len() + length);
            rest = rest.get(length..)?;
        }
        rest = rest.strip_prefix(&*self.before_text)?;
        let (length, has_escapes) = string_length(rest)?;
        let (quoted_text, rest) = rest.split_at_checked(length)?;
        let rest = rest.strip_prefix(&*self.after_text)?;
        Some(VariableParts { id, quoted_text, has_escapes, length: bytes.len() - rest.len() })
    }
}

/// Returns the length of the JSON string at the start of these bytes, and whether it has escapes. `None`
/// if there is no whole string, or if it is too long.
fn string_length(bytes: &[u8]) -> Option<(usize, bool)> {
    let find_special = |bytes| find(bytes, |byte| byte == b'"' || byte == b'\\' || byte < b' ');
    let (b'"', text) = bytes.split_first()? else { return None };
    let mut length = find_special(text)?;
    let mut has_escapes = false;
    loop {
        match text.get(length..)? {
            [b'"', ..] => return Some((length + 2, has_escapes)),
            [b'\\', escaped, ..] if *escaped >= b' ' && length < MAX_VARIABLE_BYTES => {}
            _ => return None,
        }
        has_escapes = true;
        length += 2;
        length += find_special(text.get(length..)?)?;
    }
}

/// Returns the position of the first byte that a predicate accepts, within a limit.
fn find(bytes: &[u8], accepts: impl Fn(u8) -> bool) -> Option<usize> {
    // Most texts are short, so that a plain loop is faster than setting up a search.
    let bytes = bytes.get(..MAX_VARIABLE_BYTES).unwrap_or(bytes);
    bytes.iter().position(|byte| accepts(*byte))
}
