//! The decoder of server-sent events, compared with a reference decoder.

use std::time::Duration;

use proptest::prelude::*;

use super::reference_decoder::{Decoded, decode, reference};
use crate::streaming::sse::EventDecoder;

fn event(name: &str, data: &str) -> Decoded {
    with_id(name, data, "")
}

fn with_id(name: &str, data: &str, id: &str) -> Decoded {
    Decoded::Event { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

/// Streams made of fragments that the decoder treats specially.
fn arbitrary_streams() -> impl Strategy<Value = Vec<u8>> {
    let fragments = prop_oneof![
        Just(b"data".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b"data:\n".to_vec()),
        Just(b"event: a".to_vec()),
        Just(b"event:\r".to_vec()),
        Just(b"id: 7".to_vec()),
        Just(b"id: \0\n".to_vec()),
        Just(b"retry: 10\n".to_vec()),
        Just(b"other: x".to_vec()),
        Just(b": comment\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b" ".to_vec()),
        Just(b":".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just("\u{2600}".as_bytes().to_vec()),
        Just(b"\xE2\x98".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
        "[a-z]{0,12}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(fragments, 0..40).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn decodes_like_reference_for_any_chunking(
        stream in arbitrary_streams(),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in prop_oneof![Just(usize::MAX / 2), 12_usize..80],
    ) {
        let expected = reference(&stream, limit);
        prop_assert_eq!(&decode([stream.as_slice()], limit), &expected, "whole");
        prop_assert_eq!(&decode(stream.chunks(1), limit), &expected, "byte by byte");
        let mut positions: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len() + 1)).collect();
        positions.extend([0, stream.len()]);
        positions.sort_unstable();
        let chunks = positions.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(&decode(chunks, limit), &expected, "cut at {:?}", positions);
    }
}

#[test]
fn fields_are_parsed_according_to_the_standard() {
    let decode_text = |text: &str| decode([text.as_bytes()], 1000);
    assert_eq!(decode_text("data: a\n\n"), [event("message", "a")]);
    assert_eq!(decode_text("data:a\ndata: b\ndata:  c\n\n"), [event("message", "a\nb\n c")]);
    assert_eq!(decode_text("data\n\n"), [event("message", "")]);
    assert_eq!(decode_text("data\ndata\n\n"), [event("message", "\n")]);
    assert_eq!(decode_text("event: x\n\ndata: a\n\n"), [event("message", "a")]);
    assert_eq!(decode_text("event: x\revent: y\rdata: a\r\r"), [event("y", "a")]);
    assert_eq!(decode_text(":a\r\ndata: a\r\n:b\r\n\r\n"), [event("message", "a")]);
    assert_eq!(decode_text("\u{FEFF}data: a\n\n"), [event("message", "a")]);
    assert_eq!(decode_text("\u{FEFF}\u{FEFF}data: a\n\n"), []);
    assert_eq!(decode_text("Data: a\n data: b\ndata : c\n\n"), []);
    assert_eq!(decode_text("data: a\n"), []);
    assert_eq!(
        decode_text("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
        [with_id("message", "a", "1"), with_id("message", "b", "1"), event("message", "c")]
    );
    assert_eq!(decode([b"data: \xFF\n\n".as_slice()], 1000), [event("message", "\u{FFFD}")]);
}

#[test]
fn too_long_event_is_skipped_and_decoding_continues() {
    let long = format!("data: {}\n\ndata: b\n\n", "a".repeat(100));
    let expected = [Decoded::TooLong, event("message", "b")];
    assert_eq!(decode([long.as_bytes()], 50), expected);
    assert_eq!(decode(long.as_bytes().chunks(1), 50), expected);
    let lines = format!("{}\ndata: b\n\n", "data: aaaa\n".repeat(10));
    assert_eq!(decode(lines.as_bytes().chunks(7), 50), expected);
    // Comments between events have no limit.
    let comments = format!("{}data: b\n\n", ": keep-alive\n".repeat(100));
    assert_eq!(decode(comments.as_bytes().chunks(7), 50), [event("message", "b")]);
}

#[test]
fn last_valid_retry_field_is_kept() {
    let mut decoder = EventDecoder::new(1024);
    decoder.push(&b"retry: 1500\nretry: soon\nretry:\nretry: +7\n\n"[..]);
    assert!(decoder.next_event().is_none());
    assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
}
