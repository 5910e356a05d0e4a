//! A proxy that cuts its first connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A TCP proxy that closes the first connection after a number of response bytes, and forwards
/// later connections completely. It stops when it is dropped.
pub(crate) struct CuttingProxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    pub(crate) async fn start(server: SocketAddr, first_connection_bytes: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
                let limit = if is_first { first_connection_bytes } else { usize::MAX };
                tokio::spawn(forward(client, server, limit));
            }
        });
        Self { address, connections, task }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards both directions until one ends or `limit` response bytes have been forwarded.
async fn forward(client: TcpStream, server: SocketAddr, limit: usize) {
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let responses = async {
        let (mut remaining, mut buffer) = (limit, [0; 1024]);
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let forwarded = count.min(remaining);
            to_client.write_all(&buffer[..forwarded]).await?;
            remaining -= forwarded;
            if remaining == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = requests => {}
        _ = responses => {}
    }
}
