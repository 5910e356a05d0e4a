//! A decoder for server-sent events (`text/event-stream`).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;

/// Maximum capacity, in bytes, of the buffer that is reused for the next event.
const MAX_REUSED_CAPACITY: usize = 4 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Decodes server-sent events according to the HTML standard.
///
/// Takes chunks of bytes and yields events that borrow from them: an event within one chunk is not
/// copied. Lines end in `\n`, `\r` or `\r\n`, and may be split anywhere. Invalid UTF-8 is replaced.
/// An incomplete event is buffered, up to a limit.
#[derive(Debug)]
pub(crate) struct EventDecoder {
    limit: usize,
    /// The latest chunk; empty if it was appended to `joined`.
    chunk: Bytes,
    /// An event that began in an earlier chunk, followed by the latest chunk.
    joined: Vec<u8>,
    /// Where the current event begins.
    start: usize,
    /// Where its next line begins, and up to where the end of that line has been searched.
    read: usize,
    scanned: usize,
    fields: Fields,
    last_id: String,
    retry: Option<Duration>,
    position: Position,
    /// Whether the last line ended in `\r`, so that a following `\n` belongs to it.
    after_return: bool,
}

/// A server-sent event. Its bytes may be invalid UTF-8.
#[derive(Debug)]
pub(crate) struct ServerSentEvent<'a> {
    /// The event name; `message` if the server sends none.
    pub(crate) name: &'a [u8],
    /// The data. Several data lines are joined by `\n`.
    pub(crate) data: Cow<'a, [u8]>,
    /// The id of the event, or of an earlier one. Empty if the server sends none.
    pub(crate) last_id: &'a str,
    /// Whether the event itself has an id.
    pub(crate) has_id: bool,
    /// The bytes of the event, up to the end of the empty line.
    pub(crate) lines: &'a [u8],
}

/// An event exceeds the length limit. The decoder skips it and continues with the next event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventTooLong {
    /// The limit, in bytes.
    pub(crate) limit: usize,
}

impl fmt::Display for EventTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event exceeds {} bytes and was skipped", self.limit)
    }
}

impl std::error::Error for EventTooLong {}

/// The position of the decoder within the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the beginning, where a byte order mark is allowed.
    Start,
    Event,
    /// In an event that exceeds the limit, and possibly in a line whose beginning was discarded.
    OversizedEvent {
        within_line: bool,
    },
}

/// The positions of the fields of the current event.
#[derive(Clone, Debug, Default)]
struct Fields {
    name: Option<Range<usize>>,
    id: Option<Range<usize>>,
    /// The first data line, and the number of data lines.
    data: Range<usize>,
    data_lines: usize,
}

impl Fields {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.id.is_none() && self.data_lines == 0
    }

    fn shift(&mut self, by: usize) {
        let ranges = [self.name.as_mut(), self.id.as_mut(), Some(&mut self.data)];
        for range in ranges.into_iter().flatten() {
            *range = range.start.saturating_sub(by)..range.end.saturating_sub(by);
        }
    }
}

impl EventDecoder {
    /// Creates a decoder at the beginning of a stream. The limit is the maximum length of an event,
    /// including field names, in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            chunk: Bytes::new(),
            joined: Vec::new(),
            start: 0,
            read: 0,
            scanned: 0,
            fields: Fields::default(),
            last_id: String::new(),
            retry: None,
            position: Position::Start,
            after_return: false,
        }
    }

    /// Appends a chunk of the stream. Bytes that have not been read are copied, so call this when
    /// [`next_event`](Self::next_event) returns `None`.
    pub(crate) fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.copy_unread();
        if self.joined.is_empty() {
            self.chunk = bytes;
        } else {
            self.joined.extend_from_slice(&bytes);
        }
    }

    /// Returns the next event, an error for an event that is too long, or `None` if more bytes are
    /// needed.
    pub(crate) fn next_event(&mut self) -> Option<Result<ServerSentEvent<'_>, EventTooLong>> {
        if self.position == Position::Start && !self.skip_byte_order_mark() {
            return None;
        }
        loop {
            let Some(line) = self.next_line() else { return self.buffer_partial_line().map(Err) };
            if let Position::OversizedEvent { within_line } = self.position {
                let ended = line.is_empty() && !within_line;
                self.position = if ended {
                    Position::Event
                } else {
                    Position::OversizedEvent { within_line: false }
                };
                self.start = self.read;
            } else if line.end - self.start > self.limit {
                if !line.is_empty() {
                    self.position = Position::OversizedEvent { within_line: false };
                }
                return Some(Err(self.skip_event()));
            } else if !line.is_empty() {
                self.take_field(line);
            } else if let Some((fields, lines)) = self.end_event(line.end) {
                return Some(Ok(self.event(&fields, lines)));
            }
        }
    }

    /// Returns the id of the last event that had one, or an empty string.
    pub(crate) fn last_event_id(&self) -> &str {
        &self.last_id
    }

    /// Returns the reconnection delay that the server requested, if any.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Returns the bytes from the start of the current event, at most as many as an event can have.
    /// Empty if the event cannot be decoded by itself.
    pub(crate) fn unread(&self) -> &[u8] {
        match self.position {
            Position::Event => {
                let bytes = self.bytes().get(self.start..).unwrap_or_default();
                bytes.get(..self.limit).unwrap_or(bytes)
            }
            Position::Start | Position::OversizedEvent { .. } => &[],
        }
    }

    /// Skips an event of this length at the start of the [`unread`](Self::unread) bytes, after the caller
    /// has decoded it. The event has data, and its last line ends in `\n`.
    pub(crate) fn skip_decoded(&mut self, length: usize, id: Option<Range<usize>>) {
        if let Some(id) = id {
            self.set_last_id(self.start + id.start..self.start + id.end);
        }
        self.fields = Fields::default();
        self.start += length;
        self.read = self.start;
        self.scanned = self.start;
        self.after_return = false;
    }

    fn bytes(&self) -> &[u8] {
        if self.joined.is_empty() { &self.chunk } else { &self.joined }
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes().get(range).unwrap_or_default()
    }

    /// Skips a byte order mark. Returns `false` until enough bytes are there to detect one.
    fn skip_byte_order_mark(&mut self) -> bool {
        let bytes = self.bytes();
        if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) {
            return false;
        }
        if bytes.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
            self.read = self.start;
            self.scanned = self.start;
        }
        self.position = Position::Event;
        true
    }

    /// Returns the next line without its line end, or `None` if the line is incomplete.
    fn next_line(&mut self) -> Option<Range<usize>> {
        if self.after_return && self.read < self.bytes().len() {
            self.after_return = false;
            if self.bytes().get(self.read) == Some(&b'\n') {
                if self.start == self.read {
                    self.start += 1;
                }
                self.read += 1;
                self.scanned = self.read;
            }
        }
        let bytes = self.bytes();
        let length = match bytes.get(self.scanned..)? {
            [] => return None,
            // Fast path for the empty line that ends an event.
            [b'\n', ..] => 0,
            rest => match memchr2(b'\n', b'\r', rest) {
                Some(length) => length,
                None => {
                    self.scanned = bytes.len();
                    return None;
                }
            },
        };
        let line = self.read..self.scanned + length;
        let (after, ends_in_return) = match (bytes.get(line.end), bytes.get(line.end + 1)) {
            (Some(b'\r'), Some(b'\n')) => (line.end + 2, false),
            (last, _) => (line.end + 1, last == Some(&b'\r')),
        };
        self.after_return = ends_in_return;
        self.read = after;
        self.scanned = after;
        Some(line)
    }

    fn take_field(&mut self, line: Range<usize>) {
        let (name, value) = field(self.slice(line.clone()));
        let range = line.start + value.start..line.start + value.end;
        match name {
            b"data" => {
                if self.fields.data_lines == 0 {
                    self.fields.data = range;
                }
                self.fields.data_lines += 1;
            }
            b"event" => self.fields.name = Some(range),
            b"id" if !self.slice(range.clone()).contains(&0) => self.fields.id = Some(range),
            b"retry" => {
                let value = str::from_utf8(self.slice(range)).unwrap_or_default();
                if value.bytes().all(|byte| byte.is_ascii_digit()) {
                    self.retry = value.parse().map(Duration::from_millis).ok().or(self.retry);
                }
            }
            _ => {}
        }
        // Comments between events do not count toward the length of the next event.
        if self.fields.is_empty() {
            self.start = self.read;
        }
    }

    /// Ends the current event. Returns its fields and lines if it has data.
    fn end_event(&mut self, end: usize) -> Option<(Fields, Range<usize>)> {
        let fields = std::mem::take(&mut self.fields);
        let lines = self.start..end;
        self.start = self.read;
        if let Some(id) = &fields.id {
            self.set_last_id(id.clone());
        }
        (fields.data_lines > 0).then_some((fields, lines))
    }

    fn set_last_id(&mut self, id: Range<usize>) {
        let mut last_id = std::mem::take(&mut self.last_id);
        last_id.clear();
        last_id.push_str(&decode_utf8(self.slice(id)));
        self.last_id = last_id;
    }

    fn event(&self, fields: &Fields, mut lines: Range<usize>) -> ServerSentEvent<'_> {
        let name = match &fields.name {
            Some(name) if !name.is_empty() => self.slice(name.clone()),
            _ => b"message",
        };
        let data = match fields.data_lines {
            1 => Cow::Borrowed(self.slice(fields.data.clone())),
            _ => Cow::Owned(join_data(self.slice(lines.clone()))),
        };
        lines.end = self.read;
        let (has_id, lines) = (fields.id.is_some(), self.slice(lines));
        ServerSentEvent { name, data, last_id: &self.last_id, has_id, lines }
    }

    /// Buffers an incomplete line, or returns an error if the event exceeds the limit.
    fn buffer_partial_line(&mut self) -> Option<EventTooLong> {
        let end = self.bytes().len();
        if let Position::OversizedEvent { within_line } = &mut self.position {
            *within_line |= self.read < end;
            self.start = end;
            self.read = end;
        } else if end - self.start > self.limit {
            self.position = Position::OversizedEvent { within_line: self.read < end };
            self.read = end;
            return Some(self.skip_event());
        }
        self.copy_unread();
        None
    }

    /// Discards the part of a too long event that has been read.
    fn skip_event(&mut self) -> EventTooLong {
        self.fields = Fields::default();
        self.start = self.read;
        self.scanned = self.read;
        self.copy_unread();
        EventTooLong { limit: self.limit }
    }

    /// Copies the unread bytes, so that the chunk is released: it may be part of a larger allocation.
    fn copy_unread(&mut self) {
        if self.start == 0 && self.chunk.is_empty() {
            return;
        }
        let start = std::mem::take(&mut self.start);
        if !self.joined.is_empty() {
            self.joined.drain(..start);
        } else if start < self.chunk.len() {
            self.joined.extend_from_slice(self.chunk.get(start..).unwrap_or_default());
        }
        if self.joined.is_empty() && self.joined.capacity() > MAX_REUSED_CAPACITY {
            self.joined = Vec::new();
        }
        self.chunk = Bytes::new();
        self.read -= start;
        self.scanned = self.scanned.saturating_sub(start);
        self.fields.shift(start);
    }
}

/// Returns the name of a field, and the range of its value in the line. The name of a comment is
/// empty.
pub(super) fn field(line: &[u8]) -> (&[u8], Range<usize>) {
    // The name is short, so a plain loop is faster than setting up a search.
    let colon = line.iter().position(|byte| *byte == b':');
    let Some(colon) = colon else { return (line, line.len()..line.len()) };
    let space = usize::from(line.get(colon + 1) == Some(&b' '));
    (line.get(..colon).unwrap_or_default(), colon + 1 + space..line.len())
}

/// Joins the data lines of an event.
fn join_data(mut lines: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(lines.len());
    while !lines.is_empty() {
        let end = memchr2(b'\n', b'\r', lines).unwrap_or(lines.len());
        let line = lines.get(..end).unwrap_or_default();
        let (name, value) = field(line);
        if name == b"data" {
            data.extend_from_slice(line.get(value).unwrap_or_default());
            data.push(b'\n');
        }
        lines = lines.get(end + 1..).unwrap_or_default();
    }
    data.pop();
    data
}

/// Decodes UTF-8 and replaces invalid sequences.
pub(super) fn decode_utf8(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(bytes).into_owned()),
    }
}
