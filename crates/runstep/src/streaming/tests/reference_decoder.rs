//! A reference decoder of server-sent events: simple instead of fast. The fuzz target includes this
//! file, so it depends on the decoder only.

use crate::streaming::sse::{EventDecoder, decode_utf8};

/// The output of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decoded {
    /// An event, with the last event id at that point.
    Event { name: String, data: String, id: String },
    /// An event that exceeds the size limit.
    TooLong,
}

/// Decodes the whole stream as the standard specifies, line by line.
pub(crate) fn reference(bytes: &[u8], limit: usize) -> Vec<Decoded> {
    let mut decoded = Vec::new();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (mut name, mut data, mut id, mut last_id) = (None, None::<Vec<u8>>, None, String::new());
    let (mut size, mut too_long) = (0, false);
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &rest[..end.unwrap_or(rest.len())];
        if !too_long && size + line.len() > limit {
            decoded.push(Decoded::TooLong);
            too_long = true;
            (name, data, id) = (None, None, None);
        }
        let Some(end) = end else { return decoded };
        let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + line_end..];
        size += line.len() + line_end;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if line.is_empty() {
            if let Some(id) = id.take() {
                last_id = id;
            }
            let (name, data) = (name.take(), data.take());
            if let Some(mut data) = data {
                data.pop();
                let name: String = name.unwrap_or_default();
                let name = if name.is_empty() { "message".to_owned() } else { name };
                decoded.push(Decoded::Event { name, data: text(&data), id: last_id.clone() });
            }
            (size, too_long) = (0, false);
            continue;
        }
        if too_long {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => name = Some(text(value)),
            b"data" => {
                let data = data.get_or_insert_default();
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"id" if !value.contains(&0) => id = Some(text(value)),
            _ => {}
        }
        // Comments before the first field do not count towards the event's size.
        if name.is_none() && data.is_none() && id.is_none() {
            size = 0;
        }
    }
}

/// Decodes these chunks with the crate's decoder.
pub(crate) fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Decoded> {
    let mut decoder = EventDecoder::new(limit);
    let mut decoded = Vec::new();
    for chunk in chunks {
        decoder.push(bytes::Bytes::copy_from_slice(chunk));
        loop {
            let next = match decoder.next_event() {
                None => break,
                Some(Err(_)) => None,
                Some(Ok(event)) => {
                    let text = |bytes: &[u8]| decode_utf8(bytes).into_owned();
                    Some((text(event.name), text(&event.data)))
                }
            };
            decoded.push(match next {
                None => Decoded::TooLong,
                Some((name, data)) => {
                    Decoded::Event { name, data, id: decoder.last_event_id().to_owned() }
                }
            });
        }
    }
    decoded
}
