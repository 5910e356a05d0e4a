//! Reads what a handler has left of a request body.
//!
//! Many clients send a whole request before they read the response. If the server closes a
//! connection with unread data, the operating system resets it, and such a client loses the
//! response. So the server discards the rest of the body, up to a limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;

use http_body_util::BodyExt as _;

/// How much of a body is discarded, in bytes.
pub(super) const MAX_DISCARDED_BYTES: u64 = 64 * 1024 * 1024;
/// How long the rest of a body is discarded.
pub(super) const DISCARD_TIMEOUT: Duration = Duration::from_secs(10);

/// The rest of a request body.
pub(super) struct UnreadBody {
    body: Incoming,
    /// Whether a part of it was requested, to which hyper responds with `100 Continue`.
    is_started: bool,
}

/// A request body. When it is dropped before its end, its rest goes to the receiver.
struct ObservedBody {
    rest: Option<UnreadBody>,
    sender: Option<oneshot::Sender<UnreadBody>>,
}

/// Returns a body, and a receiver of what is left of it.
pub(super) fn observe(body: Incoming) -> (Body, oneshot::Receiver<UnreadBody>) {
    let (sender, receiver) = oneshot::channel();
    let rest = Some(UnreadBody { body, is_started: false });
    (Body::new(ObservedBody { rest, sender: Some(sender) }), receiver)
}

impl UnreadBody {
    /// Returns whether a part of the body was requested.
    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Returns whether the body is longer than what would be discarded.
    pub(super) fn is_too_long(&self) -> bool {
        self.body.size_hint().lower() > MAX_DISCARDED_BYTES
    }

    /// Discards the rest.
    pub(super) async fn discard(mut self) {
        let mut length = 0;
        let discard = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                length += frame.data_ref().map_or(0, |data| data.len() as u64);
                if length > MAX_DISCARDED_BYTES {
                    return;
                }
            }
        };
        // After the timeout hyper closes the connection, because the body is dropped.
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard).await;
    }
}

impl HttpBody for ObservedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        rest.is_started = true;
        let frame = Pin::new(&mut rest.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.rest = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.body.size_hint())
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|rest| !rest.body.is_end_stream());
        if let (Some(rest), Some(sender)) = (rest, self.sender.take()) {
            // Without a receiver, the connection has ended.
            let _ = sender.send(rest);
        }
    }
}
