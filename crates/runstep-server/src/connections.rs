//! Connections that end when their time is up, whatever their clients do.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Takes connections that outlive the closing of the server by so long and no longer.
pub(crate) struct Connections {
    listener: TcpListener,
    closing: CancellationToken,
    grace: Duration,
}

impl Connections {
    pub(crate) fn new(listener: TcpListener, closing: CancellationToken, grace: Duration) -> Self {
        Self { listener, closing, grace }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (socket, address) = Listener::accept(&mut self.listener).await;
        // One of its own, so that connections do not wait for each other's locks.
        let (closing, grace) = (self.closing.child_token(), self.grace);
        let end = async move {
            closing.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        (Connection { socket, end: Some(Box::pin(end)) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection; reading and writing fail from its end on.
pub(crate) struct Connection {
    socket: TcpStream,
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    /// Looks whether it has ended, and wakes the task when it does: there is one for each
    /// connection, be it reading or writing.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(end) = &mut self.end {
            if end.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            self.end = None;
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server has shut down"))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
