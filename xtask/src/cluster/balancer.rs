//! A reverse proxy that sends each request to the next node.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// A running proxy. Its threads end with the process.
pub(crate) struct Balancer {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Balancer {
    /// Starts a proxy for nodes with these base URLs.
    pub(crate) fn start(urls: &[String]) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let nodes: Vec<String> = urls.iter().map(|url| authority(url).to_owned()).collect();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let Some(node) = nodes.get(number % nodes.len().max(1)).cloned() else { return };
                thread::spawn(move || forward(client, &node));
            }
        });
        Ok(Self { url, requests })
    }

    /// Returns the number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Returns the host and port of a URL.
fn authority(url: &str) -> &str {
    let rest = url.trim_start_matches("http://");
    rest.split('/').next().unwrap_or(rest)
}

/// Forwards one request. The node closes the connection after its response, and so each request of
/// a client arrives on a connection of its own.
fn forward(mut client: TcpStream, node: &str) -> io::Result<()> {
    let (head, rest) = read_head(&mut client)?;
    let mut server = TcpStream::connect(node)?;
    server.write_all(&close_after(&head))?;
    server.write_all(&rest)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_server);
        // The client has closed its connection: so must the node notice.
        let _ = to_server.shutdown(if copied.is_ok() { Shutdown::Write } else { Shutdown::Both });
    });
    let copied = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    copied.map(drop)
}

/// Reads up to the end of the head. Returns the head without its last empty line, and what follows.
fn read_head(stream: &mut TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while bytes.len() < MAX_HEAD {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            bytes.truncate(end + 2);
            return Ok((bytes, rest));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Replaces the header `connection` of a request.
fn close_after(head: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(head.len() + 24);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(b"connection") {
            replaced.extend_from_slice(line);
        }
    }
    replaced.extend_from_slice(b"connection: close\r\n\r\n");
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_header_is_replaced() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n";
        let expected = b"GET / HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n";
        assert_eq!(close_after(head), expected);
    }

    #[test]
    fn authority_is_found() {
        assert_eq!(authority("http://127.0.0.1:80/v1"), "127.0.0.1:80");
    }
}
