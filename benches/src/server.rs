//! A server that answers every request with the same reply, as fast as it can.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server on a free port of this machine. It keeps connections open, and knows only requests
/// without a body.
///
/// It runs on the thread of the client: the two never work at the same time anyway, and so nothing
/// waits until the system has woken a thread, which takes longer than the request, and never the
/// same time.
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Starts it on the current runtime. `headers` are whole lines, each with its end; the length
    /// is added.
    ///
    /// # Errors
    ///
    /// When there is no port to listen on.
    pub async fn start(headers: &str, body: &str) -> io::Result<Self> {
        let length = body.len();
        let reply = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}");
        let reply: Arc<[u8]> = reply.into_bytes().into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // It ends when the client goes away.
                tokio::spawn(serve(connection, reply.clone()));
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut connection: TcpStream, reply: Arc<[u8]>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut request = Vec::with_capacity(4096);
    while connection.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            connection.write_all(&reply).await?;
            request.clear();
        }
    }
    Ok(())
}
