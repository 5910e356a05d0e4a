//! The socket of a connection, which keeps back the error responses of the HTTP library.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutWriter;

/// The length in bytes of the longest automatic response.
const MAX_AUTOMATIC_BYTES: usize = 256;

/// A socket that a client must read from in time. It does not send the empty responses with which
/// hyper refuses malformed heads, so that the server can send others in the API's format.
pub(super) struct Socket {
    stream: Pin<Box<TimeoutWriter<TcpStream>>>,
    refused: Option<StatusCode>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        // While a client does not read, hyper does not poll the body, which so could not time out.
        stream.set_timeout(Some(write_timeout));
        Self { stream: Box::pin(stream), refused: None }
    }

    /// Returns the status of the response that was kept back.
    pub(super) fn refused(&self) -> Option<StatusCode> {
        self.refused
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match automatic_response(bytes) {
            Some(([], status)) => {
                self.refused = Some(status);
                Poll::Ready(Ok(bytes.len()))
            }
            // The rest follows in another call.
            Some((before, _)) => self.stream.as_mut().poll_write(context, before),
            None => self.stream.as_mut().poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An automatic response has no body, so it is never divided.
        match slices {
            [bytes] => self.poll_write(context, bytes),
            _ => self.stream.as_mut().poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

/// Splits off the response with which hyper refuses a malformed head. The server's own responses
/// have more headers than that one.
fn automatic_response(bytes: &[u8]) -> Option<(&[u8], StatusCode)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let tail_start = bytes.len().saturating_sub(MAX_AUTOMATIC_BYTES);
    let start = tail_start
        + bytes.get(tail_start..)?.windows(10).rposition(|window| window == b"HTTP/1.1 4")?;
    let (before, head) = bytes.split_at_checked(start)?;
    let mut lines = std::str::from_utf8(head).ok()?.trim_end().split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let is_automatic = |line: &str| match line.split_once(':') {
        Some((name, _)) => ["connection", "content-length", "date"].contains(&name),
        None => false,
    };
    lines.all(is_automatic).then_some((before, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTOMATIC: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
        content-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";

    #[test]
    fn automatic_responses_are_found_after_other_responses() {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(automatic_response(AUTOMATIC.as_bytes()), Some((&b""[..], status)));
        let pipelined = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}{AUTOMATIC}");
        let before = &pipelined.as_bytes()[..pipelined.len() - AUTOMATIC.len()];
        assert_eq!(automatic_response(pipelined.as_bytes()), Some((before, status)));
    }

    #[test]
    fn own_responses_and_bodies_are_not_automatic() {
        for response in [
            "HTTP/1.1 404 Not Found\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "0\r\n\r\n",
        ] {
            assert_eq!(automatic_response(response.as_bytes()), None, "{response}");
        }
    }
}
