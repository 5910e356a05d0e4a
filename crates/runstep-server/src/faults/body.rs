//! Bodies that break off, or have something wrong in them.

use std::io;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};

/// A body that breaks off after so many bytes.
pub(super) fn cut_after_bytes(body: Body, count: usize) -> Body {
    changed(body, count, |left, mut bytes| {
        if bytes.len() <= *left {
            *left -= bytes.len();
            return (bytes, false);
        }
        bytes.truncate(*left);
        (bytes, true)
    })
}

/// A stream that breaks off after so many events.
pub(super) fn cut_after_events(body: Body, count: usize) -> Body {
    changed(body, count, |left, bytes| {
        let mut passed = 0;
        for block in blocks(&bytes) {
            if is_event(block) {
                if *left == 0 {
                    return (bytes.slice(..passed), true);
                }
                *left -= 1;
            }
            passed += block.len();
        }
        (bytes, false)
    })
}

/// A stream in which the data of one event is no JSON.
pub(super) fn malform_event(body: Body, number: usize) -> Body {
    changed(body, number, |left, bytes| {
        let mut passed = Vec::with_capacity(bytes.len());
        for block in blocks(&bytes) {
            if is_event(block) {
                // It passes zero once: there are fewer events than numbers below zero.
                *left = left.wrapping_sub(1);
                if *left == 0 {
                    passed.extend_from_slice(block.trim_ascii_end());
                    passed.pop();
                    passed.extend_from_slice(b"\n\n");
                    continue;
                }
            }
            passed.extend_from_slice(block);
        }
        (passed.into(), false)
    })
}

/// A body whose chunks are changed, with what is left to count, until one is said to be the last.
fn changed(
    body: Body,
    count: usize,
    mut change: impl FnMut(&mut usize, Bytes) -> (Bytes, bool) + Send + 'static,
) -> Body {
    let mut left = count;
    let mut cut = false;
    let chunks = body.into_data_stream().flat_map(move |chunk| {
        let pieces = match chunk {
            _ if cut => vec![],
            Err(error) => vec![Err(error)],
            Ok(bytes) => {
                let (bytes, last) = change(&mut left, bytes);
                cut = last;
                let broken = last.then(|| Err(axum::Error::new(io::Error::other("cut"))));
                let whole = (!bytes.is_empty()).then_some(Ok(bytes));
                whole.into_iter().chain(broken).collect()
            }
        };
        stream::iter(pieces)
    });
    Body::from_stream(chunks.then(async |chunk| {
        // What came before must go out before the connection breaks.
        if chunk.is_err() {
            tokio::task::yield_now().await;
        }
        chunk
    }))
}

/// Comments, each a line, and events, each with a blank line after it. The server's chunks are made
/// of whole ones.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let mark: &[u8] = if is_event(bytes) { b"\n\n" } else { b"\n" };
        let found = bytes.windows(mark.len()).position(|window| window == mark);
        let end = found.map_or(bytes.len(), |position| position + mark.len());
        let (block, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        (!block.is_empty()).then_some(block)
    })
}

/// Whether a block, or the first of many, is no comment.
fn is_event(block: &[u8]) -> bool {
    !block.starts_with(b":")
}
