//! Response bodies that break off or contain a malformed event.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};

/// Breaks a body off after `count` bytes.
pub(super) fn cut_after_bytes(body: Body, count: usize) -> Body {
    transform(body, count, |remaining, mut bytes| {
        if bytes.len() <= *remaining {
            *remaining -= bytes.len();
            return (bytes, false);
        }
        bytes.truncate(*remaining);
        (bytes, true)
    })
}

/// Breaks a stream off after `count` events.
pub(super) fn cut_after_events(body: Body, count: usize) -> Body {
    transform(body, count, |remaining, bytes| {
        let mut length = 0;
        for block in blocks(&bytes) {
            if is_event(block) {
                if *remaining == 0 {
                    return (bytes.slice(..length), true);
                }
                *remaining -= 1;
            }
            length += block.len();
        }
        (bytes, false)
    })
}

/// Makes the data of one event of a stream invalid JSON.
pub(super) fn malform_event(body: Body, number: usize) -> Body {
    transform(body, number, |remaining, bytes| {
        let mut output = Vec::with_capacity(bytes.len());
        for block in blocks(&bytes) {
            if is_event(block) {
                // A stream has too few events for the counter to reach zero twice.
                *remaining = remaining.wrapping_sub(1);
                if *remaining == 0 {
                    output.extend_from_slice(block.trim_ascii_end());
                    output.pop();
                    output.extend_from_slice(b"\n\n");
                    continue;
                }
            }
            output.extend_from_slice(block);
        }
        (output.into(), false)
    })
}

/// Transforms the chunks of a body until `change` returns true, which breaks the body off. The
/// counter starts at `count`.
fn transform(
    body: Body,
    count: usize,
    mut change: impl FnMut(&mut usize, Bytes) -> (Bytes, bool) + Send + 'static,
) -> Body {
    let mut counter = count;
    let mut cut = false;
    let chunks = body.into_data_stream().flat_map(move |chunk| {
        let pieces = match chunk {
            _ if cut => vec![],
            Err(error) => vec![Err(error)],
            Ok(bytes) => {
                let (bytes, is_last) = change(&mut counter, bytes);
                cut = is_last;
                let broken = is_last.then(|| Err(axum::Error::new(io::Error::other("cut"))));
                let intact = (!bytes.is_empty()).then_some(Ok(bytes));
                intact.into_iter().chain(broken).collect()
            }
        };
        stream::iter(pieces)
    });
    Body::from_stream(chunks.then(async |chunk| {
        // Lets the connection send the previous chunks before it breaks.
        if chunk.is_err() {
            tokio::task::yield_now().await;
        }
        chunk
    }))
}

/// Splits a chunk into comments, which are one line each, and events, which end in a blank line.
/// The server's chunks contain complete blocks.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let terminator: &[u8] = if is_event(bytes) { b"\n\n" } else { b"\n" };
        let position = bytes.windows(terminator.len()).position(|window| window == terminator);
        let end = position.map_or(bytes.len(), |position| position + terminator.len());
        let (block, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        (!block.is_empty()).then_some(block)
    })
}

/// Returns whether the first block is an event and not a comment.
fn is_event(block: &[u8]) -> bool {
    !block.starts_with(b":")
}
