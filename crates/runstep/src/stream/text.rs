//! The text of a stream alone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{MessageContentDelta, MessageDelta, StreamEvent as RunEvent};

use super::RunStream;
use crate::error::Result;

/// The text of messages, piece by piece; see [`RunStream::text_deltas`].
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct TextDeltas<'a>(&'a mut RunStream);

impl<'a> TextDeltas<'a> {
    pub(super) fn new(stream: &'a mut RunStream) -> Self {
        Self(stream)
    }

    /// The next piece of text; none when the run has ended or requires action.
    ///
    /// # Errors
    ///
    /// As with [`RunStream::try_next`].
    pub async fn try_next(&mut self) -> Result<Option<String>> {
        self.next().await.transpose()
    }
}

impl Stream for TextDeltas<'_> {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut *self.0).poll_next(context)) {
                Some(Ok(RunEvent::MessageDelta(delta))) => {
                    if let Some(text) = into_text(delta) {
                        return Poll::Ready(Some(Ok(text)));
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The text of a piece, if it has any.
fn into_text(delta: MessageDelta) -> Option<String> {
    let parts = delta.delta.content.into_iter().flatten().filter_map(|part| match part {
        MessageContentDelta::Text(part) => part.text.and_then(|text| text.value),
        _ => None,
    });
    parts.reduce(|text, more| text + &more).filter(|text| !text.is_empty())
}
