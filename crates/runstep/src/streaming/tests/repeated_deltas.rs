//! A connection yields the same events as the reference decoder and the general decoder of events, also
//! for deltas that are recognized by their bytes.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use runstep_api::types::StreamEvent as RunEvent;

use super::reference_decoder::{Decoded, reference};
use super::text_delta_decoder::{FORMS, PLAIN};
use crate::streaming::connection::{ConnectionItem, EventConnection};
use crate::streaming::event_ids::EventIds;
use crate::streaming::event_template::EventTemplate;
use crate::streaming::text_delta_decoder::TextDeltaDecoder;

const NAME: &str = "thread.message.delta";
const NO_LIMIT: usize = usize::MAX / 2;

/// An event with the last event id at that point, or `None` for a malformed event.
type Item = Option<(RunEvent, String)>;

/// Reads these chunks with a connection.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Vec<Item> {
    let chunks: Vec<_> =
        chunks.into_iter().map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    let mut connection = EventConnection::new(Box::pin(stream::iter(chunks)), limit, None);
    let mut items = Vec::new();
    while let Some(event) = next_item(&mut connection, &mut EventIds::default()) {
        items.push(event.map(|event| (event, connection.last_event_id().to_owned())));
    }
    items
}

fn next_item(connection: &mut EventConnection, ids: &mut EventIds) -> Option<Option<RunEvent>> {
    let mut context = Context::from_waker(Waker::noop());
    match connection.poll_item(ids, &mut context) {
        Poll::Ready(ConnectionItem::Event(event)) => Some(Some(event)),
        Poll::Ready(ConnectionItem::Malformed(_)) => Some(None),
        Poll::Ready(ConnectionItem::Closed(_)) | Poll::Pending => None,
    }
}

/// Decodes the same bytes without any cache.
fn expected(bytes: &[u8], limit: usize) -> Vec<Item> {
    let items = reference(bytes, limit).into_iter().map(|decoded| match decoded {
        Decoded::Event { name, data, id } => Some((RunEvent::decode(&name, &data).ok()?, id)),
        Decoded::TooLong => None,
    });
    items.collect()
}

/// Asserts that the stream is read as expected: whole, byte by byte, and cut at every position.
#[track_caller]
fn assert_read_as_expected(stream: &[u8], limit: usize) {
    let expected = expected(stream, limit);
    let text = String::from_utf8_lossy(stream);
    assert_eq!(read([stream], limit), expected, "{text}");
    assert_eq!(read(stream.chunks(1), limit), expected, "byte by byte: {text}");
    for at in 0..stream.len() {
        let (first, second) = stream.split_at(at);
        assert_eq!(read([first, second], limit), expected, "cut at {at}: {text}");
    }
}

fn delta(text: &str) -> String {
    PLAIN.replace("TEXT", text)
}

fn event(text: &str) -> String {
    format!("event: {NAME}\ndata: {}\n\n", delta(text))
}

/// Repairing a byte changes the positions after it.
#[test]
fn events_with_invalid_utf8_are_decoded_in_full() {
    for id in [&b"m\xFF"[..], b"m\xC3", b"m\xF0\x9F", "m\u{e9}".as_bytes()] {
        let text = |text: &str| {
            let (start, end) =
                (&br#"{"id":""#[..], br#"","delta":{"content":[{"index":0,"type":"text","#);
            let text = format!(r#""text":{{"value":"{text}","annotations":[]}}}}]}}}}"#);
            [b"event: thread.message.delta\ndata: ", start, id, end, text.as_bytes(), b"\n\n"]
                .concat()
        };
        assert_read_as_expected(&[text("h"), text("h"), text("hello")].concat(), NO_LIMIT);
    }
}

/// Pairs of events that differ in more than id and text, or whose id or text must not be copied.
#[test]
fn events_that_differ_elsewhere_are_decoded_in_full() {
    let plain = event("It ");
    let data = delta("is");
    let with_id = |id: &str| format!("id: {id}\n{}", event("is"));
    let others = [
        event("is"),
        event("").replace(r#""value":"""#, r#""value":"","annotations":[]"#),
        event("is").replace("msg_1", "msg_2"),
        event("is").replace(r#""index":0"#, r#""index":1"#),
        event("is").replace(r#""value":"is""#, r#""value":null"#),
        event("is").replace(r#""value":"is""#, r#""value":"is","new":true"#),
        event("is").replace(r#""type":"text","text""#, r#""text""#),
        event("is").replace("{\"id\":\"msg_1\",", "{").replace("]}}", "]},\"id\":\"msg_1\"}"),
        event("is").replace('\n', "\r\n"),
        event("is").replace('\n', "\r"),
        event("is").replace("\n\n", "\n\r\n"),
        event("is").replace("\n\n", "\n: comment\n\n"),
        event("is").replace("\n\n", "\ndata:\n\n"),
        event("is").replace("data: ", "data:"),
        event("is").replace(".delta\n", ".deltas\n"),
        event("is").replace("is", "i\ns"),
        event("is").replace("is", "i\\\ns"),
        event("is").replace("is", "i\rs"),
        event("is").replace("is", "i\ts"),
        event("is").replace("is", r"i\u00df \ud83d\ude00 \n \\"),
        event("is").replace("is", r"\ud83d"),
        event("is").replace("is", r"\x"),
        event("is").replace("is", r#"\""#),
        event("is").replace("is", &"long ".repeat(300)),
        event("is").replace("is", &r"\n\n".repeat(300)),
        format!(": comment\n\n{}", event("is")),
        format!("\n\n{}", event("is")),
        format!("data: {data}\nevent: {NAME}\n\n"),
        format!("event: {NAME}\ndata: {data}\nid: 7\n\n"),
        format!("event: {NAME}\nid: 7\ndata: {data}\n\n"),
        format!("id: 6\nid: 7\n{}", event("is")),
        format!("id\n{}", event("is")),
        format!("id:7\n{}", event("is")),
        with_id("7"),
        with_id("8"),
        with_id(" 7"),
        with_id(""),
        with_id("\0"),
        with_id("\u{f6}"),
        with_id("7\revent: message"),
        with_id(&"7".repeat(600)),
        with_id("9").replace('\n', "\r\n"),
    ];
    for first in &others {
        for second in &others {
            for events in [[first, second, first, &plain], [&plain, first, second, first]] {
                let stream = events.map(String::as_str).concat();
                let expected = expected(stream.as_bytes(), NO_LIMIT);
                assert_eq!(read([stream.as_bytes()], NO_LIMIT), expected, "{stream}");
            }
        }
        let stream = [&plain, first, &plain, first].map(String::as_str).concat();
        if stream.len() < 2000 {
            assert_read_as_expected(stream.as_bytes(), NO_LIMIT);
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    let event = event("TEXT");
    let (start, end) = event.split_once("TEXT").unwrap();
    let with_id = [b"id: \xFF\n", event.as_bytes(), b"id: \xFE\n", event.as_bytes()].concat();
    let with_text = [event.as_bytes(), start.as_bytes(), b"\xE2\x98", end.as_bytes()].concat();
    for stream in [with_id, with_text] {
        assert_read_as_expected(&stream, NO_LIMIT);
    }
}

#[test]
fn events_above_the_limit_are_skipped() {
    let stream = [event("It "), event("is hot"), event("!")].concat();
    let lengths: Vec<usize> = [event("It "), event("is hot")].iter().map(String::len).collect();
    for limit in lengths[0] - 3..lengths[1] + 3 {
        assert_read_as_expected(stream.as_bytes(), limit);
    }
    // An event that contains the lines of another one.
    let long = format!("other: {}\n", "x".repeat(lengths[1]));
    let stream = [&event("It "), &long, &event("is"), &event("hot")].map(String::as_str).concat();
    assert_read_as_expected(stream.as_bytes(), lengths[1]);
}

#[test]
fn byte_order_mark_is_skipped_once() {
    let stream = format!("\u{feff}{0}{0}\u{feff}{0}{0}", event("a"));
    assert_read_as_expected(stream.as_bytes(), NO_LIMIT);
}

#[test]
fn retry_field_within_a_delta_applies() {
    let line = event("a").replace("data", "retry: 100\ndata");
    let within_line = event("a").replace("\ndata", "\rretry: 300\ndata");
    let other = "event: other\nretry: 200\ndata: {}\n\n";
    let stream = [&line, other, &line, &line, &within_line, other, &within_line].concat();
    let body = Box::pin(stream::iter([Ok(Bytes::from(stream))]));
    let mut connection = EventConnection::new(body, NO_LIMIT, None);
    let mut delays = Vec::new();
    while next_item(&mut connection, &mut EventIds::default()).is_some() {
        delays.push(connection.retry_delay().unwrap());
    }
    assert_eq!(delays, [100, 200, 100, 100, 300, 200, 300].map(Duration::from_millis));
}

#[test]
fn repeated_deltas_that_are_sent_again_are_skipped() {
    let with_id = |id: u32| format!("id: {id}\n{}", event(&id.to_string()));
    let texts = |events: &[String], ids: &mut EventIds| {
        let body = Box::pin(stream::iter([Ok(Bytes::from(events.concat()))]));
        let mut connection = EventConnection::new(body, NO_LIMIT, None);
        let mut texts = Vec::new();
        while let Some(Some(RunEvent::MessageDelta(delta))) = next_item(&mut connection, ids) {
            texts.push(delta.text().into_owned());
        }
        texts
    };
    let mut ids = EventIds::default();
    let first: Vec<String> = (1..=5).map(with_id).collect();
    assert_eq!(texts(&first, &mut ids), ["1", "2", "3", "4", "5"]);
    ids.resume_after("5");
    let replayed: Vec<String> = (3..=7).map(with_id).collect();
    assert_eq!(texts(&replayed, &mut ids), ["6", "7"]);
    ids.resume_after("5");
    let partly_without_id =
        [event("a"), event("b"), with_id(4), event("c"), with_id(5), event("d"), event("e")];
    assert_eq!(texts(&partly_without_id, &mut ids), ["a", "b", "d", "e"]);
}

/// The events that are recognized by their bytes, so that the tests above do not compare the general
/// decoder with itself.
#[test]
fn repeated_deltas_are_recognized() {
    let recognizes = |first: &str, second: &str| {
        let mut decoder = TextDeltaDecoder::default();
        decoder.decode(delta("It ").as_bytes(), first.as_bytes()).unwrap();
        let delta = decoder.decode_repeated(second.as_bytes())?;
        let RunEvent::MessageDelta(event) = delta.into_event() else { return None };
        Some(event.text().into_owned())
    };
    let first = event("It ");
    for text in ["", "is", "w\u{f6}rld", "{}", &"x".repeat(500)] {
        assert_eq!(recognizes(&first, &event(text)).as_deref(), Some(text));
        let following = event(text) + &event("!");
        assert_eq!(recognizes(&first, &following).as_deref(), Some(text));
        let (first, second) = (format!("id: 1\n{first}"), format!("id: 12\n{}", event(text)));
        assert_eq!(recognizes(&first, &second).as_deref(), Some(text));
        let (first, second) = (first.replace('\n', "\r\n"), second.replace('\n', "\r\n"));
        assert_eq!(recognizes(&first, &second).as_deref(), Some(text));
    }
    assert_eq!(recognizes(&first, &event(r#"a \"b\"\n"#)).as_deref(), Some("a \"b\"\n"));
    for end in 0..event("is").len() {
        assert_eq!(recognizes(&first, &event("is")[..end]), None);
    }
    assert_eq!(recognizes(&first, &event("is").replace("msg_1", "msg_2")), None);
    for long in ["x".repeat(2000), r"\n".repeat(2000)] {
        assert_eq!(recognizes(&first, &event(&long)), None);
    }
}

#[test]
fn lines_of_later_events_are_recognized() {
    let mut decoder = TextDeltaDecoder::default();
    let first = format!(": comment\n{}", event("a"));
    decoder.decode(delta("a").as_bytes(), first.as_bytes()).unwrap();
    assert!(decoder.decode_repeated(event("b").as_bytes()).is_none());
    decoder.decode(delta("b").as_bytes(), event("b").as_bytes()).unwrap();
    assert!(decoder.decode_repeated(event("c").as_bytes()).is_some());
}

#[test]
fn template_reports_the_variable_parts_of_an_event() {
    let first = "id: 1\nevent: a\ndata: [\"x\"]\n\n";
    let template = EventTemplate::new(first.as_bytes(), &(1..4)).unwrap();
    let second = b"id: 23\nevent: a\ndata: [\"y\\\"z\"]\n\nid: 24";
    let parts = template.split(second).unwrap();
    assert_eq!(
        (parts.id, parts.quoted_text, parts.has_escapes),
        (Some(4..6), &br#""y\"z""#[..], true)
    );
    assert_eq!(&second[parts.length..], b"id: 24");
}

/// An event with a line end, an id line, other lines and a form of the data.
fn arbitrary_events() -> impl Strategy<Value = String> {
    let style = (
        select(&["\n", "\n", "\r\n", "\r"][..]),
        select(
            &[
                "EVENT|DATA",
                "EVENT|DATA",
                "ID|EVENT|DATA",
                "EVENT|ID|DATA",
                "EVENT|DATA|ID",
                ": note|EVENT|DATA",
                "EVENT|retry: 5|DATA",
                "other|ID|EVENT|DATA",
                "DATA",
            ][..],
        ),
        select(FORMS),
    );
    let variable = (
        select(&["id: 1", "id: 22", "id:3", "id: ", "id", "id: \0", "id:  4", "id: \u{f6}"][..]),
        prop_oneof![4 => ".{0,12}", 1 => "[ a]{500,530}"],
        any::<bool>(),
    );
    let events = prop::collection::vec(variable, 1..4);
    (style, events).prop_map(|((line_end, lines, form), events)| {
        let events = events.into_iter().map(|(id, text, is_escaped)| {
            let quoted = serde_json::to_string(&text).unwrap();
            let text = if is_escaped { &quoted[1..quoted.len() - 1] } else { &text };
            let fields = lines.replace("ID", id).replace("EVENT", &format!("event: {NAME}"));
            let fields = fields.replace('|', line_end);
            fields.replace("DATA", &format!("data: {}", form.replace("TEXT", text)))
                + line_end
                + line_end
        });
        events.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Any events with any byte changed, in any chunks.
    #[test]
    fn connection_reads_like_the_reference_decoder(
        events in prop::collection::vec(arbitrary_events(), 1..5),
        change in prop::option::weighted(0.3, (any::<Index>(), prop_oneof![any::<u8>(), select(&b"\n\r\"\\: \0"[..])])),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        limit in prop_oneof![3 => Just(NO_LIMIT), 1 => 100_usize..250],
    ) {
        let mut stream = events.concat().into_bytes();
        if let Some((at, byte)) = change {
            *at.get_mut(&mut stream) = byte;
        }
        let expected = expected(&stream, limit);
        prop_assert_eq!(&read([stream.as_slice()], limit), &expected, "whole");
        prop_assert_eq!(&read(stream.chunks(1), limit), &expected, "byte by byte");
        let mut positions: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        positions.extend([0, stream.len()]);
        positions.sort_unstable();
        let chunks = positions.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(&read(chunks, limit), &expected, "cut at {:?}", positions);
    }
}
