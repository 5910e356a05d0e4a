//! Compares the decoder of server-sent events with the reference decoder, for any bytes and chunks.
//!
//! The first byte of an input is the length of the chunks less one, the second byte sets the maximum
//! length of an event, and the rest is the stream, so that seeds are readable text. `fuzz/README.md`
//! explains how to run it.

#![no_main]

#[path = "../../crates/runstep/src/streaming/tests/reference_decoder.rs"]
mod reference_decoder;
#[allow(dead_code, reason = "the target uses a part of the decoder")]
#[path = "../../crates/runstep/src/streaming/sse.rs"]
mod sse;

/// The path of the decoder in its own crate.
mod streaming {
    pub(crate) use super::sse;
}

use libfuzzer_sys::fuzz_target;
use reference_decoder::{decode, reference};

fuzz_target!(|input: &[u8]| {
    let [size, limit, stream @ ..] = input else { return };
    // From limits that most events exceed to one that none exceeds.
    let limit = if *limit == u8::MAX { usize::MAX / 2 } else { 12 + usize::from(*limit) };
    let expected = reference(stream, limit);
    assert_eq!(decode([stream], limit), expected);
    let chunks = stream.chunks(usize::from(*size) + 1);
    assert_eq!(decode(chunks, limit), expected);
});
