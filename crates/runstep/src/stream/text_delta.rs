//! The event that nearly all of a stream consists of, read without the general decoder.
//!
//! A piece of text is a small object of a known shape. Read directly it takes a fraction of the
//! time that the general decoder does, which must be ready for anything. Whatever is not of that
//! shape, be it only an escape in a text, is left to the general decoder, so that there is one
//! meaning of each event.

use memchr::memchr2;
use runstep_api::types::{
    MessageContentDelta, MessageDelta, MessageDeltaBody, MessageTextDelta, TextContentDelta,
};

/// Reads the data of a `thread.message.delta` with one piece of plain text; none if it is anything
/// else.
pub(super) fn read(data: &str) -> Option<MessageDelta> {
    let mut reader = Reader { rest: data };
    let delta = reader.delta()?;
    reader.rest.trim_ascii_start().is_empty().then_some(delta)
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn delta(&mut self) -> Option<MessageDelta> {
        let (mut id, mut object, mut content) = (None, None, None);
        self.object(|reader, name| match name {
            "id" => once(&mut id, reader.string()?),
            "object" => once(&mut object, reader.string()?),
            "delta" => once(&mut content, reader.body()?),
            _ => None,
        })?;
        if object.is_some_and(|object| object != "thread.message.delta") {
            return None;
        }
        let mut body = MessageDeltaBody::default();
        body.content = Some(vec![MessageContentDelta::Text(content?)]);
        Some(MessageDelta::new(id?, body))
    }

    fn body(&mut self) -> Option<TextContentDelta> {
        let mut content = None;
        self.object(|reader, name| match name {
            "content" => {
                reader.token("[")?;
                once(&mut content, reader.part()?)?;
                reader.token("]")
            }
            _ => None,
        })?;
        content
    }

    fn part(&mut self) -> Option<TextContentDelta> {
        let (mut index, mut kind, mut value) = (None, None, None);
        self.object(|reader, name| match name {
            "index" => once(&mut index, reader.number()?),
            "type" => once(&mut kind, reader.string()?),
            "text" => once(&mut value, reader.text()?),
            _ => None,
        })?;
        if kind? != "text" {
            return None;
        }
        let mut text = MessageTextDelta::default();
        text.value = Some(value?.to_owned());
        let mut part = TextContentDelta::new(index?);
        part.text = Some(text);
        Some(part)
    }

    fn text(&mut self) -> Option<&'a str> {
        let mut value = None;
        self.object(|reader, name| match name {
            "value" => once(&mut value, reader.string()?),
            _ => None,
        })?;
        value
    }

    /// An object with at least one property, whose values are read by what is given.
    fn object(&mut self, mut property: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.token("{")?;
        loop {
            let name = self.string()?;
            self.token(":")?;
            property(self, name)?;
            if self.token(",").is_none() {
                return self.token("}");
            }
        }
    }

    fn token(&mut self, token: &str) -> Option<()> {
        // Servers seldom write spaces.
        if let Some(rest) = self.rest.strip_prefix(token) {
            self.rest = rest;
            return Some(());
        }
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']).strip_prefix(token)?;
        Some(())
    }

    /// A string in which nothing is escaped.
    fn string(&mut self) -> Option<&'a str> {
        self.token("\"")?;
        let end = memchr2(b'"', b'\\', self.rest.as_bytes())?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix('"')?;
        // JSON has them in escapes only.
        (!text.bytes().any(|byte| byte.is_ascii_control() && byte != 0x7F)).then_some(text)
    }

    /// A number without a sign, a fraction or an exponent.
    fn number(&mut self) -> Option<u64> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.rest.split_at_checked(end)?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.rest = rest;
        digits.parse().ok()
    }
}

/// Sets what may be there once; the general decoder has an error for what is there twice.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}
