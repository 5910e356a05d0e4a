//! A server that responds to every request with the same response.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server on a free loopback port, with persistent connections. It supports only requests without
/// a body.
///
/// It runs on the thread of the client, because the two never work at the same time. A thread of its
/// own would have to be woken for each request, which takes longer than the request and varies.
pub struct FixedResponseServer {
    address: SocketAddr,
}

impl FixedResponseServer {
    /// Starts the server on the current runtime. `headers` are complete lines with line ends;
    /// `content-length` is added.
    ///
    /// # Errors
    ///
    /// Returns an error if no port is available.
    pub async fn start(headers: &str, body: &str) -> io::Result<Self> {
        let length = body.len();
        let response = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n{body}");
        let response: Arc<[u8]> = response.into_bytes().into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, response.clone()));
            }
        });
        Ok(Self { address })
    }

    /// Returns the base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut connection: TcpStream, response: Arc<[u8]>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut request = Vec::with_capacity(4096);
    while connection.read_buf(&mut request).await? > 0 {
        if request.ends_with(b"\r\n\r\n") {
            connection.write_all(&response).await?;
            request.clear();
        }
    }
    Ok(())
}
