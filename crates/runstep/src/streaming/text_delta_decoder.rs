//! Decodes `thread.message.delta` events from a cached predecessor.
//!
//! Most events of a stream are text deltas that differ only in their text. This decoder caches one
//! event: its JSON before and after the text, and the decoded object. If the next event has the same
//! prefix and suffix, only its text is decoded, which is several times faster. The general decoder
//! alone defines what events mean: when an event is cached, the general decoder decodes it a second
//! time with another text to prove that the position holds the text and nothing else.

use std::ops::Range;

use runstep_api::types::{
    MessageContentDelta, MessageDelta, MessageTextDelta, StreamEvent as RunEvent, TextContentDelta,
};

use super::sse::decode_utf8;

const EVENT: &str = "thread.message.delta";

/// After this many consecutive cached events without a hit, caching stops: the deltas of this
/// server differ in more than their text.
const MAX_CONSECUTIVE_MISSES: u8 = 8;

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
    /// The decoded event with an empty text.
    delta: MessageDelta,
    was_hit: bool,
}

impl TextDeltaDecoder {
    /// Returns the same result as [`RunEvent::decode`].
    pub(super) fn decode(&mut self, data: &[u8]) -> serde_json::Result<RunEvent> {
        if let Some(delta) = self.cached.as_mut().and_then(|cached| cached.with_text_of(data)) {
            self.consecutive_misses = 0;
            return Ok(RunEvent::MessageDelta(delta));
        }
        let data = decode_utf8(data);
        let decoded = RunEvent::decode(EVENT, &data)?;
        if data.len() <= MAX_CACHED_BYTES
            && self.consecutive_misses < MAX_CONSECUTIVE_MISSES
            && let RunEvent::MessageDelta(delta) = &decoded
            && let Some(cached) = CachedDelta::new(&data, delta)
        {
            let previous = self.cached.replace(cached);
            self.consecutive_misses += u8::from(previous.is_some_and(|previous| !previous.was_hit));
        }
        Ok(decoded)
    }
}

impl CachedDelta {
    /// Caches an event with exactly one text; returns `None` for other events.
    fn new(data: &str, delta: &MessageDelta) -> Option<Self> {
        let mut delta = delta.clone();
        let value = std::mem::take(text_mut(&mut delta)?);
        let text = last_value_range(data)?;
        // Prove that the text is at this position: decode the event with another text there.
        let other = value + "x";
        let mut changed = data.to_owned();
        let quoted = text.start.checked_sub(1)?..text.end + 1;
        changed.replace_range(quoted, &serde_json::to_string(&other).ok()?);
        let Ok(RunEvent::MessageDelta(mut changed)) = RunEvent::decode(EVENT, &changed) else {
            return None;
        };
        if std::mem::take(text_mut(&mut changed)?) != other {
            return None;
        }
        Some(Self { data: data.to_owned(), text, delta, was_hit: false })
    }

    /// Returns the cached event with another text, or `None` if the data differ elsewhere.
    fn with_text_of(&mut self, data: &[u8]) -> Option<MessageDelta> {
        let cached = self.data.as_bytes();
        let prefix = cached.get(..self.text.start)?;
        let suffix = cached.get(self.text.end..)?;
        let text = data.strip_prefix(prefix)?.strip_suffix(suffix)?;
        let text = if needs_no_escapes(text) {
            str::from_utf8(text).ok()?.to_owned()
        } else {
            // Decode with the quotes, so that anything but one string fails.
            let quoted = prefix.len() - 1..prefix.len() + text.len() + 1;
            serde_json::from_slice(data.get(quoted)?).ok()?
        };
        self.was_hit = true;
        let mut delta = self.delta.clone();
        *text_mut(&mut delta)? = text;
        Some(delta)
    }
}

/// Returns the text of a delta with exactly one text part.
fn text_mut(delta: &mut MessageDelta) -> Option<&mut String> {
    match delta.delta.content.as_deref_mut()? {
        [
            MessageContentDelta::Text(TextContentDelta {
                text: Some(MessageTextDelta { value, .. }),
                ..
            }),
        ] => value.as_mut(),
        _ => None,
    }
}

/// Returns the position of the text of the last `"value"`, between its quotes.
fn last_value_range(data: &str) -> Option<Range<usize>> {
    const NAME: &str = "\"value\"";
    let start = data.rfind(NAME)? + NAME.len();
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
