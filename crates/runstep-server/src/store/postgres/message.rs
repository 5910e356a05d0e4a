//! The text of notifications.

use axum::body::Bytes;

use crate::store::notification::Notification;
use crate::store::object::{EventChunk, Namespace, RunKey};

/// Postgres limits a notification to less than 8000 bytes. The rest is for the head.
const MAX_EVENTS: usize = 7_000;
/// Separates the parts of the head. It is not in ids.
const SEPARATOR: char = '\u{1f}';

/// What a node sends to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Changed(RunKey),
    Stopped(RunKey),
    Released,
    Deltas(RunKey, EventChunk),
}

impl From<Message> for Notification {
    fn from(message: Message) -> Self {
        match message {
            Message::Changed(key) => Self::RunChanged(key),
            Message::Stopped(key) => Self::RunStopped(key),
            Message::Released => Self::RunsReleased,
            Message::Deltas(key, deltas) => Self::Deltas(key, deltas),
        }
    }
}

impl Message {
    /// Returns the text: a line with the sender, the kind and the run, and then events.
    pub(super) fn encode(&self, sender: &str) -> String {
        let head = |kind: &str, key: &RunKey| {
            let RunKey { namespace, thread, run } = key;
            let parts = [sender, kind, namespace.as_str(), thread, run];
            parts.join(&SEPARATOR.to_string())
        };
        match self {
            Self::Changed(key) => head("changed", key),
            Self::Stopped(key) => head("stopped", key),
            Self::Released => format!("{sender}{SEPARATOR}released"),
            Self::Deltas(key, EventChunk { first, last, bytes, .. }) => {
                let head = head("deltas", key);
                let events = String::from_utf8_lossy(bytes);
                format!("{head}{SEPARATOR}{first}{SEPARATOR}{last}\n{events}")
            }
        }
    }

    /// Reads a text. Returns `None` for those of this sender, and for those of a newer version.
    pub(super) fn decode(text: &str, sender: &str) -> Option<Self> {
        let (head, events) = text.split_once('\n').unwrap_or((text, ""));
        let mut parts = head.split(SEPARATOR);
        if parts.next()? == sender {
            return None;
        }
        let kind = parts.next()?;
        if kind == "released" {
            return Some(Self::Released);
        }
        let namespace = Namespace::new(parts.next()?);
        let (thread, run) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let key = RunKey { namespace, thread, run };
        match kind {
            "changed" => Some(Self::Changed(key)),
            "stopped" => Some(Self::Stopped(key)),
            "deltas" => {
                let (first, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
                let bytes = Bytes::copy_from_slice(events.as_bytes());
                Some(Self::Deltas(key, EventChunk { first, last, is_done: false, bytes }))
            }
            _ => None,
        }
    }
}

/// Splits deltas into chunks that fit into a notification. Ends before an event that does not.
pub(super) fn split(deltas: &EventChunk) -> Vec<EventChunk> {
    let (mut chunks, mut rest) = (Vec::new(), deltas.bytes.clone());
    let mut first = deltas.first;
    while !rest.is_empty() {
        let (mut length, mut count) = (0, 0);
        while let Some(event) =
            rest.get(length..).and_then(|rest| memchr::memmem::find(rest, b"\n\n"))
            && length + event + 2 <= MAX_EVENTS
        {
            length += event + 2;
            count += 1;
        }
        if count == 0 {
            break;
        }
        let bytes = rest.split_to(length);
        chunks.push(EventChunk { first, last: first + count - 1, is_done: false, bytes });
        first += count;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RunKey {
        RunKey {
            namespace: Namespace::new("n"),
            thread: "thread_1".to_owned(),
            run: "run_1".to_owned(),
        }
    }

    fn chunk(first: u64, last: u64, text: &str) -> EventChunk {
        EventChunk { first, last, is_done: false, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    #[test]
    fn messages_are_read_by_others_only() {
        let deltas = chunk(3, 4, "id: 3\ndata: a\n\nid: 4\ndata: b\n\n");
        let messages = [
            Message::Changed(key()),
            Message::Stopped(key()),
            Message::Released,
            Message::Deltas(key(), deltas),
        ];
        for message in messages {
            let text = message.encode("a");
            assert_eq!(Message::decode(&text, "a"), None);
            assert_eq!(Message::decode(&text, "b"), Some(message));
        }
        for text in
            ["", "a", "a\u{1f}newer\u{1f}n\u{1f}t\u{1f}r", "a\u{1f}deltas\u{1f}n\u{1f}t\u{1f}r"]
        {
            assert_eq!(Message::decode(text, "b"), None, "{text}");
        }
    }

    #[test]
    fn deltas_are_split_between_events() {
        let event = format!("data: {}\n\n", "x".repeat(2_992));
        let chunks = split(&chunk(7, 11, &event.repeat(5)));
        let numbers: Vec<_> = chunks.iter().map(|chunk| (chunk.first, chunk.last)).collect();
        assert_eq!(numbers, [(7, 8), (9, 10), (11, 11)]);
        assert!(chunks.iter().all(|chunk| chunk.bytes.ends_with(b"\n\n")));
        let long = format!("data: {}\n\n", "x".repeat(MAX_EVENTS));
        assert_eq!(split(&chunk(1, 2, &format!("data: a\n\n{long}"))).len(), 1);
    }
}
