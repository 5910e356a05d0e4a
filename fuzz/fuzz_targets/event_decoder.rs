//! The decoder of server-sent events against the reference, for any bytes, cut anywhere.
//!
//! The first two bytes of an input say into how long pieces the stream is cut, and how long an event
//! may be; the rest is the stream. So the seeds can be read and written as text. How to run it is in
//! `fuzz/README.md`.

#![no_main]

#[path = "../../crates/runstep/tests/it/streaming/reference_decoder.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [size, limit, stream @ ..] = input else { return };
    // From limits that most events reach to none that any does.
    let limit = if *limit == u8::MAX { usize::MAX / 2 } else { 12 + usize::from(*limit) };
    let expected = reference::reference(stream, limit);
    assert_eq!(reference::decode([stream], limit), expected);
    let chunks = stream.chunks(usize::from(*size) + 1);
    assert_eq!(reference::decode(chunks, limit), expected);
});
