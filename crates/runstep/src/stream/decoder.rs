//! Server-sent events out of bytes, however these are cut.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;

/// How long an event of a stream may be unless told: 16 MiB.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// A buffer of up to this size is kept for the next event that is cut.
const KEPT: usize = 4 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Decodes server-sent events by the rules of the HTML standard.
///
/// It takes bytes as they come and gives events that borrow from them: one that lies in one piece
/// is not copied. Lines end in `\n`, `\r` or `\r\n`, pieces anywhere, and what is no UTF-8 is
/// replaced. An event that has not ended is kept, up to a limit.
///
/// ```
/// use runstep::EventDecoder;
///
/// let mut decoder = EventDecoder::new();
/// decoder.push(&b"event: greeting\ndata: Hel"[..]);
/// assert!(decoder.next_event().is_none());
/// decoder.push(&b"lo\n\n"[..]);
/// let event = decoder.next_event().transpose()?.unwrap();
/// assert_eq!((&*event.name, &*event.data), ("greeting", "Hello"));
/// # Ok::<(), runstep::EventTooLong>(())
/// ```
#[derive(Debug)]
pub struct EventDecoder {
    limit: usize,
    /// The bytes that came last; none if they were joined.
    chunk: Bytes,
    /// An event that began in an earlier chunk, and the bytes that came last.
    joined: Vec<u8>,
    /// Where the event at hand begins.
    start: usize,
    /// Where its next line begins, and how far the end of that line has been looked for.
    read: usize,
    scanned: usize,
    fields: Fields,
    last_id: String,
    retry: Option<Duration>,
    place: Place,
    /// The last line ended in `\r`, so that a `\n` belongs to it.
    after_return: bool,
}

/// A server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerSentEvent<'a> {
    /// Its name; `message` where the server gives none.
    pub name: Cow<'a, str>,
    /// Its data, several lines of it joined by `\n`.
    pub data: Cow<'a, str>,
}

/// A server-sent event as it came, which need not be UTF-8.
pub(super) struct EventBytes<'a> {
    pub(super) name: &'a [u8],
    pub(super) data: Cow<'a, [u8]>,
}

/// An event is longer than the limit. The decoder leaves it out and goes on with the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventTooLong {
    /// The limit, in bytes.
    pub limit: usize,
}

impl fmt::Display for EventTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the stream is longer than {} bytes and was left out", self.limit)
    }
}

impl std::error::Error for EventTooLong {}

/// Where the decoder is in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before anything but a byte order mark.
    Start,
    Event,
    /// In an event that is too long, and maybe in a line whose beginning is thrown away.
    LongEvent {
        within_line: bool,
    },
}

/// Where the fields of the event at hand lie.
#[derive(Clone, Debug, Default)]
struct Fields {
    name: Option<Range<usize>>,
    id: Option<Range<usize>>,
    /// The first line of data, and how many lines of it there are.
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

impl Default for EventDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl EventDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self {
            limit: DEFAULT_MAX_EVENT_BYTES,
            chunk: Bytes::new(),
            joined: Vec::new(),
            start: 0,
            read: 0,
            scanned: 0,
            fields: Fields::default(),
            last_id: String::new(),
            retry: None,
            place: Place::Start,
            after_return: false,
        }
    }

    /// How long an event may be, with all of its lines. Default: [`DEFAULT_MAX_EVENT_BYTES`].
    #[must_use]
    pub fn max_event_bytes(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Takes the next bytes of the stream. Best when [`next_event`](Self::next_event) has no more
    /// to give: what has not been read is copied.
    pub fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.keep_unread();
        if self.joined.is_empty() {
            self.chunk = bytes;
        } else {
            self.joined.extend_from_slice(&bytes);
        }
    }

    /// The next event, or that one was too long; none until more bytes come.
    pub fn next_event(&mut self) -> Option<Result<ServerSentEvent<'_>, EventTooLong>> {
        let event = self.next_bytes()?;
        Some(event.map(|EventBytes { name, data }| ServerSentEvent {
            name: text(name),
            data: match data {
                Cow::Borrowed(data) => text(data),
                Cow::Owned(data) => Cow::Owned(text(&data).into_owned()),
            },
        }))
    }

    /// The next event likewise, as it came.
    pub(super) fn next_bytes(&mut self) -> Option<Result<EventBytes<'_>, EventTooLong>> {
        if self.place == Place::Start && !self.skip_mark() {
            return None;
        }
        loop {
            let Some(line) = self.next_line() else { return self.wait().map(Err) };
            if let Place::LongEvent { within_line } = self.place {
                let ended = line.is_empty() && !within_line;
                self.place =
                    if ended { Place::Event } else { Place::LongEvent { within_line: false } };
                self.start = self.read;
            } else if line.end - self.start > self.limit {
                if !line.is_empty() {
                    self.place = Place::LongEvent { within_line: false };
                }
                return Some(Err(self.leave_out()));
            } else if !line.is_empty() {
                self.take_field(line);
            } else if let Some((fields, lines)) = self.end_event(line.end) {
                return Some(Ok(self.event(&fields, lines)));
            }
        }
    }

    /// The id of the last event that had one; empty before that.
    pub fn last_event_id(&self) -> &str {
        &self.last_id
    }

    /// How long the server asks to wait before connecting again, if it does.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn bytes(&self) -> &[u8] {
        if self.joined.is_empty() { &self.chunk } else { &self.joined }
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes().get(range).unwrap_or_default()
    }

    /// Skips a byte order mark; false while it cannot be told from something else.
    fn skip_mark(&mut self) -> bool {
        let bytes = self.bytes();
        if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) {
            return false;
        }
        if bytes.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
            self.read = self.start;
            self.scanned = self.start;
        }
        self.place = Place::Event;
        true
    }

    /// The next line without its end; none if that has not come.
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
            // The end of an event: no search is set up for it.
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
        let place = line.start + value.start..line.start + value.end;
        match name {
            b"data" => {
                if self.fields.data_lines == 0 {
                    self.fields.data = place;
                }
                self.fields.data_lines += 1;
            }
            b"event" => self.fields.name = Some(place),
            b"id" if !self.slice(place.clone()).contains(&0) => self.fields.id = Some(place),
            b"retry" => {
                let value = str::from_utf8(self.slice(place)).unwrap_or_default();
                if value.bytes().all(|byte| byte.is_ascii_digit()) {
                    self.retry = value.parse().map(Duration::from_millis).ok().or(self.retry);
                }
            }
            _ => {}
        }
        // Comments between events belong to none of them.
        if self.fields.is_empty() {
            self.start = self.read;
        }
    }

    /// Leaves an event behind: its fields and where its lines are, if it is one to be given.
    fn end_event(&mut self, end: usize) -> Option<(Fields, Range<usize>)> {
        let fields = std::mem::take(&mut self.fields);
        let lines = self.start..end;
        self.start = self.read;
        if let Some(id) = &fields.id {
            let mut last_id = std::mem::take(&mut self.last_id);
            last_id.clear();
            last_id.push_str(&text(self.slice(id.clone())));
            self.last_id = last_id;
        }
        (fields.data_lines > 0).then_some((fields, lines))
    }

    fn event(&self, fields: &Fields, lines: Range<usize>) -> EventBytes<'_> {
        let name = match &fields.name {
            Some(name) if !name.is_empty() => self.slice(name.clone()),
            _ => b"message",
        };
        let data = match fields.data_lines {
            1 => Cow::Borrowed(self.slice(fields.data.clone())),
            _ => Cow::Owned(joined_data(self.slice(lines))),
        };
        EventBytes { name, data }
    }

    /// What to do when the end of a line has not come.
    fn wait(&mut self) -> Option<EventTooLong> {
        let end = self.bytes().len();
        if let Place::LongEvent { within_line } = &mut self.place {
            *within_line |= self.read < end;
            self.start = end;
            self.read = end;
        } else if end - self.start > self.limit {
            self.place = Place::LongEvent { within_line: self.read < end };
            self.read = end;
            return Some(self.leave_out());
        }
        self.keep_unread();
        None
    }

    /// Throws away what was read of an event that is too long.
    fn leave_out(&mut self) -> EventTooLong {
        self.fields = Fields::default();
        self.start = self.read;
        self.scanned = self.read;
        self.keep_unread();
        EventTooLong { limit: self.limit }
    }

    /// Keeps what has not been read, and not the chunk that it came in, which may be a part of
    /// something far larger.
    fn keep_unread(&mut self) {
        if self.start == 0 && self.chunk.is_empty() {
            return;
        }
        let start = std::mem::take(&mut self.start);
        if !self.joined.is_empty() {
            self.joined.drain(..start);
        } else if start < self.chunk.len() {
            self.joined.extend_from_slice(self.chunk.get(start..).unwrap_or_default());
        }
        if self.joined.is_empty() && self.joined.capacity() > KEPT {
            self.joined = Vec::new();
        }
        self.chunk = Bytes::new();
        self.read -= start;
        self.scanned = self.scanned.saturating_sub(start);
        self.fields.shift(start);
    }
}

/// A field's name, and where its value is in the line. That of a comment is empty.
fn field(line: &[u8]) -> (&[u8], Range<usize>) {
    // A short walk most often, and a search would have to be set up.
    let colon = line.iter().position(|byte| *byte == b':');
    let Some(colon) = colon else { return (line, line.len()..line.len()) };
    let space = usize::from(line.get(colon + 1) == Some(&b' '));
    (line.get(..colon).unwrap_or_default(), colon + 1 + space..line.len())
}

/// The data of an event that has several lines of it.
fn joined_data(mut lines: &[u8]) -> Vec<u8> {
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

/// Text, with what is no UTF-8 replaced.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(String::from_utf8_lossy(bytes).into_owned()),
    }
}
