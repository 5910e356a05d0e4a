//! The decoder of server-sent events against the reference, for any bytes, cut anywhere.
//!
//! `cargo +nightly fuzz run event_decoder`, from the folder of the repository.

#![no_main]

#[path = "../../crates/runstep/tests/stream/reference.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u8, u8)| {
    let (stream, size, limit) = input;
    // From limits that most events reach to none that any does.
    let limit = if limit == u8::MAX { usize::MAX / 2 } else { 12 + usize::from(limit) };
    let expected = reference::reference(stream, limit);
    assert_eq!(reference::decode([stream], limit), expected);
    let chunks = stream.chunks(usize::from(size) + 1);
    assert_eq!(reference::decode(chunks, limit), expected);
});
