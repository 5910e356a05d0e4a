//! A line to a server that breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes everything on, but of the replies over the first connection only so many bytes, and then
/// closes it. It stops when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr, passed: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let first = count.fetch_add(1, Ordering::SeqCst) == 0;
                let limit = if first { passed } else { usize::MAX };
                tokio::spawn(pass(client, server, limit));
            }
        });
        Self { address, connections, serving }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, limit: usize) {
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let replies = async {
        let (mut left, mut buffer) = (limit, [0; 1024]);
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let passed = count.min(left);
            to_client.write_all(&buffer[..passed]).await?;
            left -= passed;
            if left == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = requests => {}
        _ = replies => {}
    }
}
