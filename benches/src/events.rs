//! A server that answers every request with the same stream of events.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// How a stream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Each event in a chunk of its own, which is flushed, as servers do.
    EachEvent,
    /// Each event in a chunk of its own, and as many as fit in each write: what a client gets that
    /// is slower than the server.
    ManyEvents,
    /// So many events in each chunk, as a server does that tells at once what came at once.
    Together(usize),
    /// Chunks of so many bytes, wherever events end, as a proxy may make them.
    Chunks(usize),
    /// Each event in a chunk of its own, and after them nothing more, not even the end.
    Held,
}

/// A server on a free port of this machine, on a thread of its own.
pub struct EventServer {
    address: SocketAddr,
}

impl EventServer {
    /// Starts it. The thread ends with the program.
    ///
    /// # Errors
    ///
    /// When there is no port to listen on.
    pub fn start(events: &[String], sending: Sending) -> io::Result<Self> {
        let writes: Arc<[Vec<u8>]> = writes(events, sending).into();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let writes = Arc::clone(&writes);
                // A client that goes away ends its connection, and nothing else.
                thread::spawn(move || serve(connection, &writes));
            }
        });
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn writes(events: &[String], sending: Sending) -> Vec<Vec<u8>> {
    let chunk = |bytes: &[u8]| {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        chunk
    };
    let together = |bytes: Vec<u8>| bytes.chunks(64 * 1024).map(<[u8]>::to_vec).collect();
    let mut writes: Vec<Vec<u8>> = match sending {
        Sending::EachEvent | Sending::Held => {
            events.iter().map(|event| chunk(event.as_bytes())).collect()
        }
        Sending::ManyEvents => {
            together(events.iter().flat_map(|event| chunk(event.as_bytes())).collect())
        }
        Sending::Together(count) => together(
            events.chunks(count).flat_map(|events| chunk(events.concat().as_bytes())).collect(),
        ),
        Sending::Chunks(bytes) => {
            together(events.concat().as_bytes().chunks(bytes).flat_map(chunk).collect())
        }
    };
    if sending != Sending::Held {
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
        if !is_whole(&request) {
            continue;
        }
        request.clear();
        connection.write_all(head.as_bytes())?;
        for write in writes {
            connection.write_all(write)?;
        }
    }
}

/// Whether a request is there with its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or_default()
}
