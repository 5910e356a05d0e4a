//! A server that responds to every request with the same events.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Maximum size of a write that contains several chunks, in bytes.
const MAX_WRITE: usize = 64 * 1024;

/// How the events are divided into HTTP chunks and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// One event per chunk, and one chunk per write: a server that flushes each event.
    FlushedEvents,
    /// One event per chunk, and as many chunks per write as fit: the client is slower than the
    /// server.
    BufferedEvents,
    /// This many events per chunk: a server that combines events of the same moment.
    EventsPerChunk(usize),
    /// This many bytes per chunk, regardless of events: a proxy between client and server.
    BytesPerChunk(usize),
    /// Like `FlushedEvents`, but the response does not end after the last event.
    Unterminated,
}

/// A server on a free loopback port, on a thread of its own.
pub struct EventServer {
    address: SocketAddr,
}

impl EventServer {
    /// Starts the server. It runs until the process ends.
    ///
    /// # Errors
    ///
    /// Returns an error if no port is available.
    pub fn start(events: &[String], chunking: Chunking) -> io::Result<Self> {
        let writes: Arc<[Vec<u8>]> = writes(events, chunking).into();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let writes = Arc::clone(&writes);
                // An error means that the client has disconnected.
                thread::spawn(move || serve(connection, &writes));
            }
        });
        Ok(Self { address })
    }

    /// Returns the base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn writes(events: &[String], chunking: Chunking) -> Vec<Vec<u8>> {
    let chunk = |bytes: &[u8]| {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        chunk
    };
    let buffered = |bytes: Vec<u8>| bytes.chunks(MAX_WRITE).map(<[u8]>::to_vec).collect();
    let mut writes: Vec<Vec<u8>> = match chunking {
        Chunking::FlushedEvents | Chunking::Unterminated => {
            events.iter().map(|event| chunk(event.as_bytes())).collect()
        }
        Chunking::BufferedEvents => {
            buffered(events.iter().flat_map(|event| chunk(event.as_bytes())).collect())
        }
        Chunking::EventsPerChunk(count) => buffered(
            events.chunks(count).flat_map(|events| chunk(events.concat().as_bytes())).collect(),
        ),
        Chunking::BytesPerChunk(size) => {
            buffered(events.concat().as_bytes().chunks(size).flat_map(chunk).collect())
        }
    };
    if chunking != Chunking::Unterminated {
        writes.push(chunk(b""));
    }
    writes
}

fn serve(mut connection: TcpStream, writes: &[Vec<u8>]) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = connection.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if !is_complete(&request) {
            continue;
        }
        request.clear();
        connection.write_all(head.as_bytes())?;
        for write in writes {
            connection.write_all(write)?;
        }
    }
}

/// Returns whether a request was received with its whole body.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or_default()
}
