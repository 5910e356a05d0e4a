//! The event that nearly all of a stream consists of, decoded from the one before it.
//!
//! Pieces of the same text differ in that text alone. So what stands before and after it is kept
//! from one piece, with what the general decoder made of it, and the next piece is compared with
//! that instead of being decoded: a fraction of the time. The general decoder alone gives events
//! their meaning. It has said what two texts mean in that place, and a third one, which is a whole
//! string of JSON as well, can change nothing else.

use std::ops::Range;

use runstep_api::types::{
    MessageContentDelta, MessageDelta, MessageTextDelta, StreamEvent as RunEvent, TextContentDelta,
};

use super::decoder::text;

const EVENT: &str = "thread.message.delta";

/// How often in a row what was kept may be of no use before no more is kept: of a server whose
/// pieces differ in more than their text.
const MAX_FUTILE: u8 = 8;

/// How long a piece may be that is kept, in bytes.
const MAX_KEPT: usize = 1024;

/// Decodes the data of `thread.message.delta`.
#[derive(Default)]
pub(super) struct TextDeltaDecoder {
    last: Option<Kept>,
    futile: u8,
}

/// A piece of text, and what it was decoded from.
struct Kept {
    data: String,
    /// Where its text is, between the quotes.
    text: Range<usize>,
    /// What it means, without its text.
    delta: MessageDelta,
    used: bool,
}

impl TextDeltaDecoder {
    /// What [`RunEvent::decode`] gives.
    pub(super) fn decode(&mut self, data: &[u8]) -> serde_json::Result<RunEvent> {
        if let Some(delta) = self.last.as_mut().and_then(|last| last.with_text_of(data)) {
            self.futile = 0;
            return Ok(RunEvent::MessageDelta(delta));
        }
        let data = text(data);
        let decoded = RunEvent::decode(EVENT, &data)?;
        if data.len() <= MAX_KEPT
            && self.futile < MAX_FUTILE
            && let RunEvent::MessageDelta(delta) = &decoded
            && let Some(kept) = Kept::new(&data, delta)
        {
            let before = self.last.replace(kept);
            self.futile += u8::from(before.is_some_and(|before| !before.used));
        }
        Ok(decoded)
    }
}

impl Kept {
    /// None of a piece that has more than one text, or none.
    fn new(data: &str, delta: &MessageDelta) -> Option<Self> {
        let mut delta = delta.clone();
        let value = std::mem::take(text_of(&mut delta)?);
        let text = last_value(data)?;
        // Another text in that place must be the text: no other `value` is meant then.
        let other = value + "x";
        let mut changed = data.to_owned();
        let quoted = text.start.checked_sub(1)?..text.end + 1;
        changed.replace_range(quoted, &serde_json::to_string(&other).ok()?);
        let Ok(RunEvent::MessageDelta(mut changed)) = RunEvent::decode(EVENT, &changed) else {
            return None;
        };
        if std::mem::take(text_of(&mut changed)?) != other {
            return None;
        }
        Some(Self { data: data.to_owned(), text, delta, used: false })
    }

    /// The same piece with another text; none if the data differ in anything else.
    fn with_text_of(&mut self, data: &[u8]) -> Option<MessageDelta> {
        let kept = self.data.as_bytes();
        let before = kept.get(..self.text.start)?;
        let after = kept.get(self.text.end..)?;
        let text = data.strip_prefix(before)?.strip_suffix(after)?;
        let text = if is_plain(text) {
            str::from_utf8(text).ok()?.to_owned()
        } else {
            // With its quotes: one string and nothing else, or no such piece.
            let quoted = before.len() - 1..before.len() + text.len() + 1;
            serde_json::from_slice(data.get(quoted)?).ok()?
        };
        self.used = true;
        let mut delta = self.delta.clone();
        *text_of(&mut delta)? = text;
        Some(delta)
    }
}

/// The text of a piece that has one.
fn text_of(delta: &mut MessageDelta) -> Option<&mut String> {
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

/// Where the last `"value"` of an object has its text, between the quotes.
fn last_value(data: &str) -> Option<Range<usize>> {
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

/// Whether a text stands in JSON as it is.
fn is_plain(text: &[u8]) -> bool {
    // Without an early end, so that it is done for many bytes at once.
    !text
        .iter()
        .fold(false, |special, byte| special | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\'))
}
