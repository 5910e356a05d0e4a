//! Reads server-sent events from a response body.

use axum::body::{Body, BodyDataStream};
use axum::http::Response;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::spec;

/// A server-sent event. The data of `done` is a string, because it is not valid JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    /// The `id` field; `None` for an event that is not part of the run.
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// An event or a comment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Event(Event),
    Comment,
}

/// The events of a response body.
pub(crate) struct EventStream {
    body: BodyDataStream,
    buffer: String,
}

impl EventStream {
    /// Checks the headers of a streamed response.
    #[track_caller]
    pub(crate) fn from_response(response: Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        Self { body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// Returns the next event or comment, or `None` at the end.
    pub(crate) async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            // A comment is a single line; an event ends with a blank line.
            let end_mark = if self.buffer.starts_with(':') { "\n" } else { "\n\n" };
            if let Some(end) = self.buffer.find(end_mark) {
                let frame = self.buffer[..end].to_owned();
                self.buffer.drain(..end + end_mark.len());
                return Some(parse_frame(&frame));
            }
            match self.body.next().await {
                Some(bytes) => self.buffer.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap()),
                None => {
                    assert_eq!(self.buffer, "", "the stream ends within an event");
                    return None;
                }
            }
        }
    }

    /// Returns the next event. Skips up to an hour of comments.
    pub(crate) async fn next_event(&mut self) -> Option<Event> {
        for _ in 0..240 {
            match self.next_frame().await {
                Some(Frame::Event(event)) => return Some(event),
                Some(Frame::Comment) => {}
                None => return None,
            }
        }
        panic!("received only comments");
    }

    /// Returns the events up to and including the first with this name.
    pub(crate) async fn read_until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await {
            let found = event.name == name;
            events.push(event);
            if found {
                return events;
            }
        }
        panic!("the stream ended without {name}: {:?}", event_names(&events));
    }

    /// Returns the remaining events.
    pub(crate) async fn read_to_end(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next_event().await {
            events.push(event);
        }
        events
    }
}

fn parse_frame(frame: &str) -> Frame {
    let (mut id, mut name, mut data) = (None, None, None);
    for line in frame.lines() {
        match line.split_once(':').expect("a line without colon") {
            ("", _) => {}
            ("id", value) => {
                assert_eq!(id.replace(value.trim_start().parse().expect("a numeric id")), None);
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
            Frame::Event(Event { id, name: name.to_owned(), data })
        }
        (name, data) => panic!("event without name or data: {name:?} {data:?}"),
    }
}

/// Event names without the `thread.` prefix.
pub(crate) fn event_names(events: &[Event]) -> Vec<&str> {
    let short = |name| str::strip_prefix(name, "thread.").unwrap_or(name);
    events.iter().map(|event| short(event.name.as_str())).collect()
}

/// The concatenated text of the message deltas.
pub(crate) fn delta_text(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "thread.message.delta");
    let texts = deltas.map(|event| {
        let part = &event.data["delta"]["content"][0];
        assert_eq!((part["index"].as_u64(), part["type"].as_str()), (Some(0), Some("text")));
        part["text"]["value"].as_str().unwrap().to_owned()
    });
    texts.collect()
}

/// The run in the last event before `done`. Checks that the stream has one final event.
#[track_caller]
pub(crate) fn final_run(events: &[Event]) -> Value {
    let statuses = ["completed", "incomplete", "failed", "cancelled", "expired", "requires_action"];
    let names = event_names(events);
    let is_terminal =
        |name: &str| name.strip_prefix("run.").is_some_and(|status| statuses.contains(&status));
    assert_eq!(names.iter().filter(|name| is_terminal(name)).count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "done").count(), 1, "{names:?}");
    let [.., run, done] = events else { panic!("{names:?}") };
    assert_eq!(done.data, "[DONE]");
    assert!(is_terminal(run.name.strip_prefix("thread.").unwrap()), "{names:?}");
    run.data.clone()
}
