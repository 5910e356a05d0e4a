//! The decoder of server-sent events against one that is written for reading, not for speed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "stream/reference.rs"]
mod reference;

use std::time::Duration;

use proptest::prelude::*;
use reference::{Given, decode, reference};
use runstep::EventDecoder;

fn event(name: &str, data: &str) -> Given {
    with_id(name, data, "")
}

fn with_id(name: &str, data: &str, id: &str) -> Given {
    Given::Event { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

/// Text that is made of what matters to the decoder.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
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
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn decodes_as_the_standard_says_however_it_is_cut(
        stream in streams(),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in prop_oneof![Just(usize::MAX / 2), 12_usize..80],
    ) {
        let expected = reference(&stream, limit);
        prop_assert_eq!(&decode([stream.as_slice()], limit), &expected, "whole");
        prop_assert_eq!(&decode(stream.chunks(1), limit), &expected, "byte by byte");
        let mut places: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let chunks = places.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(&decode(chunks, limit), &expected, "cut at {:?}", places);
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let all = |text: &str| decode([text.as_bytes()], 1000);
    assert_eq!(all("data: a\n\n"), [event("message", "a")]);
    assert_eq!(all("data:a\ndata: b\ndata:  c\n\n"), [event("message", "a\nb\n c")]);
    assert_eq!(all("data\n\n"), [event("message", "")]);
    assert_eq!(all("data\ndata\n\n"), [event("message", "\n")]);
    assert_eq!(all("event: x\n\ndata: a\n\n"), [event("message", "a")]);
    assert_eq!(all("event: x\revent: y\rdata: a\r\r"), [event("y", "a")]);
    assert_eq!(all(":a\r\ndata: a\r\n:b\r\n\r\n"), [event("message", "a")]);
    assert_eq!(all("\u{FEFF}data: a\n\n"), [event("message", "a")]);
    assert_eq!(all("\u{FEFF}\u{FEFF}data: a\n\n"), []);
    assert_eq!(all("Data: a\n data: b\ndata : c\n\n"), []);
    assert_eq!(all("data: a\n"), []);
    assert_eq!(
        all("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
        [with_id("message", "a", "1"), with_id("message", "b", "1"), event("message", "c")]
    );
    assert_eq!(decode([b"data: \xFF\n\n".as_slice()], 1000), [event("message", "\u{FFFD}")]);
}

#[test]
fn an_event_over_the_limit_is_left_out_and_the_next_one_is_not() {
    let long = format!("data: {}\n\ndata: b\n\n", "a".repeat(100));
    let expected = [Given::TooLong, event("message", "b")];
    assert_eq!(decode([long.as_bytes()], 50), expected);
    assert_eq!(decode(long.as_bytes().chunks(1), 50), expected);
    let lines = format!("{}\ndata: b\n\n", "data: aaaa\n".repeat(10));
    assert_eq!(decode(lines.as_bytes().chunks(7), 50), expected);
    // Comments between events can go on for ever.
    let silence = format!("{}data: b\n\n", ": still here\n".repeat(100));
    assert_eq!(decode(silence.as_bytes().chunks(7), 50), [event("message", "b")]);
}

#[test]
fn the_time_to_wait_before_connecting_again_is_kept() {
    let mut decoder = EventDecoder::new();
    decoder.push(&b"retry: 1500\nretry: soon\nretry:\nretry: +7\n\n"[..]);
    assert!(decoder.next_event().is_none());
    assert_eq!(decoder.retry(), Some(Duration::from_millis(1500)));
}
