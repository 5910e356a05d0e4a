//! Fuzzing: the model's stream ends for any provider response, and only its last item is an error.

use std::ops::Range;

use serde_json::json;

use crate::harness::upstream::{
    MockResponse, delta_chunk, finish_chunk, model_events, text_delta, usage_chunk,
};

fn valid_stream() -> Vec<u8> {
    let call = json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let chunks = [
        delta_chunk(json!({"role": "assistant", "content": null, "refusal": null})),
        text_delta("Hello 🌍"),
        delta_chunk(json!({"tool_calls": [call]})),
        finish_chunk("tool_calls"),
        usage_chunk(9, 3),
    ];
    let lines = chunks.map(|chunk| format!("data: {chunk}\n\n")).concat();
    format!("{lines}data: [DONE]\n\n").into_bytes()
}

/// Changes, removes, duplicates, replaces or reverses random pieces.
fn damage(random: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..3) {
        if bytes.is_empty() {
            return;
        }
        let piece: Range<usize> = {
            let start = random.usize(0..bytes.len());
            start..random.usize(start..bytes.len().min(start + 40)) + 1
        };
        match random.u8(0..6) {
            0 => bytes[piece.start] = random.u8(..),
            1 => drop(bytes.drain(piece)),
            2 => {
                let copy = bytes[piece.clone()].to_vec();
                drop(bytes.splice(piece.start..piece.start, copy));
            }
            3 => bytes.truncate(piece.start),
            4 => {
                let values: [&[u8]; 8] =
                    [b"null", b"{}", b"[]", b"\"\"", b"-1", b"1e999", b"\n\n", b"\r"];
                let value = values[random.usize(0..values.len())];
                drop(bytes.splice(piece, value.iter().copied()));
            }
            _ => bytes[piece].reverse(),
        }
    }
}

#[tokio::test]
async fn damaged_streams_cause_neither_panic_nor_hang() {
    let (mut failed, mut succeeded) = (0, 0);
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = valid_stream();
        damage(&mut random, &mut bytes);
        let media_type =
            if random.u8(0..8) == 0 { "application/json" } else { "text/event-stream" };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n\r\n");
        let events = model_events(MockResponse::raw([head.as_bytes(), &bytes].concat())).await;
        let failures = events.iter().filter(|event| event.is_err()).count();
        let before = events.split_last().map_or(&[][..], |(_, before)| before);
        assert!(before.iter().all(Result::is_ok), "{seed}: {events:?}");
        if failures == 0 { succeeded += 1 } else { failed += 1 }
    }
    // The damage must neither always nor never matter.
    assert!(failed > 50 && succeeded > 50, "{failed} failed, {succeeded} succeeded");
}

#[tokio::test]
async fn random_bytes_cause_neither_panic_nor_hang() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let status = [200, 400, 429, 500][random.usize(0..4)];
        let mut bytes = format!("HTTP/1.1 {status} OK\r\n\r\ndata: ").into_bytes();
        if random.bool() {
            damage(&mut random, &mut bytes);
        }
        bytes.extend((0..random.usize(0..300)).map(|_| random.u8(..)));
        let events = model_events(MockResponse::raw(bytes)).await;
        assert!(events.last().is_some_and(Result::is_err), "{seed}: {events:?}");
    }
}
