//! Decodes `thread.message.delta` events from a cached predecessor.
//!
//! Most events of a stream are text deltas that differ only in their text. This decoder caches one
//! event: its JSON before and after the text, and the decoded object. If the next event has the same
//! prefix and suffix, only its text is decoded, which is several times faster. The general decoder
//! alone defines what events mean: when an event is cached, the general decoder decodes it a second
//! time with another text to prove that the position holds the text and nothing else.
//!
//! If the lines of an event can be repeated, the next event is recognized by its bytes, before it is
//! divided into lines.

use std::borrow::Cow;
use std::ops::Range;

use runstep_api::types::{
    MessageContentDelta, MessageDelta, MessageTextDelta, StreamEvent as RunEvent, TextContentDelta,
};

use super::event_template::{EventTemplate, VariableParts};
use super::snapshots::has_same_json;
use super::sse::decode_utf8;

const EVENT: &str = "thread.message.delta";

/// After this many consecutive cached events without a hit, caching stops: the deltas of this
/// server differ in more than their text.
const MAX_CONSECUTIVE_MISSES: u8 = 8;

/// After this many consecutive templates without a match, none is created any more: the events of this
/// server differ in more than their id and their text, or no template is possible.
const MAX_CONSECUTIVE_TEMPLATES: u8 = 8;

/// Maximum length of a cached event, in bytes.
const MAX_CACHED_BYTES: usize = 1024;

/// Decodes the data of `thread.message.delta` events.
#[derive(Default)]
pub(super) struct TextDeltaDecoder {
    cached: Option<CachedDelta>,
    consecutive_misses: u8,
}

/// A cached event.
struct CachedDelta {
    data: String,
    /// The position of the text between its quotes.
    text: Range<usize>,
    /// The bytes of the last event that was divided into lines, if the next one can be recognized by
    /// them.
    template: Option<EventTemplate>,
    consecutive_templates: u8,
    delta: TextlessDelta,
    was_hit: bool,
}

/// An event that differs from the cached one only in its id and its text.
pub(super) struct RepeatedDelta<'a> {
    delta: &'a TextlessDelta,
    text: String,
    /// The position of its id.
    pub(super) id: Option<Range<usize>>,
    /// The length of the event in bytes.
    pub(super) length: usize,
}

impl RepeatedDelta<'_> {
    pub(super) fn into_event(self) -> RunEvent {
        RunEvent::MessageDelta(self.delta.with_text(self.text))
    }
}

impl TextDeltaDecoder {
    /// Decodes the event at the start of these bytes, if it differs from the cached one only in its id
    /// and its text. The result is the same as that of an [`EventDecoder`](super::sse::EventDecoder) and
    /// [`decode`](Self::decode).
    pub(super) fn decode_repeated(&mut self, bytes: &[u8]) -> Option<RepeatedDelta<'_>> {
        let cached = self.cached.as_mut()?;
        let parts = cached.template.as_ref()?.split(bytes)?;
        let VariableParts { id, quoted_text, has_escapes, length } = parts;
        let text = decode_text(quoted_text, has_escapes)?;
        cached.was_hit = true;
        cached.consecutive_templates = 0;
        self.consecutive_misses = 0;
        Some(RepeatedDelta { text, delta: &cached.delta, id, length })
    }

    /// Returns the same result as [`RunEvent::decode`]. `lines` are the bytes of the whole event.
    pub(super) fn decode(&mut self, data: &[u8], lines: &[u8]) -> serde_json::Result<RunEvent> {
        if let Some(delta) = self.cached.as_mut().and_then(|cached| cached.decode(data, lines)) {
            self.consecutive_misses = 0;
            return Ok(RunEvent::MessageDelta(delta));
        }
        let data = decode_utf8(data);
        let decoded = RunEvent::decode(EVENT, &data)?;
        if data.len() <= MAX_CACHED_BYTES
            && self.consecutive_misses < MAX_CONSECUTIVE_MISSES
            // Positions in repaired text are not those in the bytes.
            && let Cow::Borrowed(data) = &data
            && let RunEvent::MessageDelta(delta) = &decoded
            && let Some(cached) = CachedDelta::new(data, lines, delta)
        {
            let previous = self.cached.replace(cached);
            self.consecutive_misses += u8::from(previous.is_some_and(|previous| !previous.was_hit));
        }
        Ok(decoded)
    }
}

impl CachedDelta {
    /// Caches an event with exactly one text; returns `None` for other events.
    fn new(data: &str, lines: &[u8], delta: &MessageDelta) -> Option<Self> {
        let (delta, value) = TextlessDelta::new(delta)?;
        let text = last_value_range(data)?;
        // Prove that the text is at this position: decode the event with another text there.
        let other = value + "x";
        let mut changed = data.to_owned();
        let quoted = text.start.checked_sub(1)?..text.end + 1;
        changed.replace_range(quoted.clone(), &serde_json::to_string(&other).ok()?);
        let Ok(RunEvent::MessageDelta(changed)) = RunEvent::decode(EVENT, &changed) else {
            return None;
        };
        if !has_same_json(&delta.with_text(other), &changed) {
            return None;
        }
        let template = EventTemplate::new(lines, &quoted);
        let data = data.to_owned();
        Some(Self { data, text, template, consecutive_templates: 1, delta, was_hit: false })
    }

    /// Returns the cached event with another text, or `None` if the data differ elsewhere.
    fn decode(&mut self, data: &[u8], lines: &[u8]) -> Option<MessageDelta> {
        let cached = self.data.as_bytes();
        let prefix = cached.get(..self.text.start)?;
        let suffix = cached.get(self.text.end..)?;
        let text = data.strip_prefix(prefix)?.strip_suffix(suffix)?;
        // With the quotes, so that anything but one string fails.
        let quoted = self.text.start.checked_sub(1)?..self.text.start + text.len() + 1;
        let text = decode_text(data.get(quoted.clone())?, !needs_no_escapes(text))?;
        self.was_hit = true;
        if self.consecutive_templates < MAX_CONSECUTIVE_TEMPLATES {
            self.consecutive_templates += 1;
            self.template = EventTemplate::new(lines, &quoted);
        }
        Some(self.delta.with_text(text))
    }
}

/// Decodes a JSON string.
fn decode_text(quoted: &[u8], has_escapes: bool) -> Option<String> {
    match quoted {
        [b'"', text @ .., b'"'] if !has_escapes => str::from_utf8(text).ok().map(str::to_owned),
        _ => serde_json::from_slice(quoted).ok(),
    }
}

/// A message delta without its only text. Its parts are apart, so that they are cloned without a visit to
/// lists and unions.
struct TextlessDelta {
    /// Without its content.
    delta: MessageDelta,
    /// Without its text.
    part: TextContentDelta,
    /// Without its value.
    text: MessageTextDelta,
}

impl TextlessDelta {
    /// Separates a delta with exactly one text part from its text.
    fn new(delta: &MessageDelta) -> Option<(Self, String)> {
        let mut delta = delta.clone();
        let mut parts = delta.delta.content.take()?.into_iter();
        let (Some(MessageContentDelta::Text(mut part)), None) = (parts.next(), parts.next()) else {
            return None;
        };
        let mut text = part.text.take()?;
        let value = text.value.take()?;
        Some((Self { delta, part, text }, value))
    }

    fn with_text(&self, value: String) -> MessageDelta {
        let mut text = self.text.clone();
        text.value = Some(value);
        let mut part = self.part.clone();
        part.text = Some(text);
        let mut delta = self.delta.clone();
        delta.delta.content = Some(vec![MessageContentDelta::Text(part)]);
        delta
    }
}

/// Returns the position of the text of the last `"value"`, between its quotes.
fn last_value_range(data: &str) -> Option<Range<usize>> {
    const NAME: &str = "\"value\"";
    let start = memchr::memmem::rfind(data.as_bytes(), NAME.as_bytes())? + NAME.len();
    let rest = data.get(start..)?.trim_ascii_start().strip_prefix(':')?;
    let text = rest.trim_ascii_start().strip_prefix('"')?;
    let mut escaped = false;
    let length = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let start = data.len() - text.len();
    Some(start..start + length)
}

/// Returns whether a text needs no JSON escapes.
fn needs_no_escapes(text: &[u8]) -> bool {
    // Without an early exit, so that the compiler vectorizes the loop.
    !text
        .iter()
        .fold(false, |special, byte| special | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\'))
}
