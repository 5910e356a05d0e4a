//! Server-sent events, read from a reply's body.

use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::spec;

/// One event: its number, its name, and its data. The data of `done` is a string, as it is no JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// None if it is no part of its run.
    pub(crate) number: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Event(Event),
    Comment,
}

/// The body of a reply, as events.
pub(crate) struct EventStream {
    body: BodyDataStream,
    buffer: String,
}

impl EventStream {
    /// The events of a reply that is a stream.
    #[track_caller]
    pub(crate) fn of(reply: Response<Body>) -> Self {
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        assert_eq!(reply.headers()["cache-control"], "no-cache");
        Self { body: reply.into_body().into_data_stream(), buffer: String::new() }
    }

    /// The next event or comment.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            // A comment is a line by itself, an event ends in a blank one.
            let mark = if self.buffer.starts_with(':') { "\n" } else { "\n\n" };
            if let Some(end) = self.buffer.find(mark) {
                let frame = self.buffer[..end].to_owned();
                self.buffer.drain(..end + mark.len());
                return Some(parsed(&frame));
            }
            match self.body.next().await {
                Some(bytes) => self.buffer.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap()),
                None => {
                    assert_eq!(self.buffer, "", "an event was cut");
                    return None;
                }
            }
        }
    }

    /// The next event; comments are passed over, for an hour at most.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        for _ in 0..240 {
            match self.frame().await {
                Some(Frame::Event(event)) => return Some(event),
                Some(Frame::Comment) => {}
                None => return None,
            }
        }
        panic!("nothing but comments");
    }

    /// Events up to the first of this name, which is among them.
    pub(crate) async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            let found = event.name == name;
            events.push(event);
            if found {
                return events;
            }
        }
        panic!("there was no {name}: {:?}", names(&events));
    }

    /// All events that are left.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.event().await {
            events.push(event);
        }
        events
    }
}

fn parsed(frame: &str) -> Frame {
    let (mut number, mut name, mut data) = (None, None, None);
    for line in frame.lines() {
        match line.split_once(':').expect("a line has a colon") {
            ("", _) => {}
            ("id", value) => {
                assert_eq!(number.replace(value.trim_start().parse().expect("a number")), None);
            }
            ("event", value) => assert_eq!(name.replace(value.trim_start()), None),
            ("data", value) => assert_eq!(data.replace(value.trim_start()), None),
            (other, _) => panic!("unknown field {other}"),
        }
    }
    match (name, data) {
        (None, None) => Frame::Comment,
        (Some(name), Some(data)) => {
            let data = serde_json::from_str(data).unwrap_or_else(|_| data.into());
            spec::check_event(name, &data);
            Frame::Event(Event { number, name: name.to_owned(), data })
        }
        (name, data) => panic!("half an event: {name:?} {data:?}"),
    }
}

/// The names of events, without the `thread.` that most begin with.
pub(crate) fn names(events: &[Event]) -> Vec<&str> {
    let short = |name| str::strip_prefix(name, "thread.").unwrap_or(name);
    events.iter().map(|event| short(event.name.as_str())).collect()
}

/// What the texts in message deltas add up to.
pub(crate) fn told(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "thread.message.delta");
    let parts = deltas.map(|event| {
        let part = &event.data["delta"]["content"][0];
        assert_eq!((part["index"].as_u64(), part["type"].as_str()), (Some(0), Some("text")));
        part["text"]["value"].as_str().unwrap().to_owned()
    });
    parts.collect()
}

/// The run in the last event before `done`, after a check that the stream ends once.
#[track_caller]
pub(crate) fn last_run(events: &[Event]) -> Value {
    let ends = ["completed", "incomplete", "failed", "cancelled", "expired", "requires_action"];
    let names = names(events);
    let is_end = |name: &&str| name.strip_prefix("run.").is_some_and(|name| ends.contains(&name));
    assert_eq!(names.iter().copied().filter(|name| is_end(name)).count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "done").count(), 1, "{names:?}");
    let [.., run, done] = events else { panic!("{names:?}") };
    assert_eq!(done.data, "[DONE]");
    assert!(is_end(&run.name.strip_prefix("thread.").unwrap()), "{names:?}");
    run.data.clone()
}
