//! A minimal HTTP client, so that the benchmark measures the server.

use runstep_benches::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A persistent connection.
pub(crate) struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// The head of a response.
struct Head {
    status: u16,
    /// Length of the head, in bytes.
    length: usize,
    /// Length of the body, in bytes. `None` for a chunked body.
    body_length: Option<usize>,
}

impl Connection {
    pub(crate) async fn open(address: std::net::SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and returns the body of its response. A chunked body is returned as it was sent.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<&str> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let end = match head.body_length {
            Some(length) => {
                while self.buffer.len() < head.length + length {
                    self.read().await?;
                }
                head.length + length
            }
            None => {
                while !self.buffer.ends_with(b"0\r\n\r\n") {
                    self.read().await?;
                }
                self.buffer.len()
            }
        };
        let body = self.buffer.get(head.length..end).ok_or("the response is incomplete")?;
        let body = std::str::from_utf8(body)?;
        if head.status != 200 {
            return Err(format!("status {}: {body}", head.status).into());
        }
        Ok(body)
    }

    /// Sends a request and calls `is_last` with the complete events of its response as they arrive, until
    /// it returns `true`.
    pub(crate) async fn read_events(
        &mut self,
        request: &[u8],
        mut is_last: impl FnMut(&[u8]) -> bool,
    ) -> Result<()> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            self.read().await?;
            let Some(end) = self.buffer.windows(2).rposition(|pair| pair == b"\n\n") else {
                continue;
            };
            let events: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if is_last(&events) {
                return Ok(());
            }
        }
    }

    async fn read(&mut self) -> Result<()> {
        if self.socket.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let status = text.get(9..12).ok_or("the response has no status")?.parse()?;
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body_length = length.map(str::parse).transpose()?;
    Ok(Some(Head { status, length: end + 4, body_length }))
}

/// Returns a `POST` request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         openai-beta: assistants=v2\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns a `GET` request.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nopenai-beta: assistants=v2\r\n\r\n")
        .into_bytes()
}

/// Returns the first string property with a name.
pub(crate) fn string_property<'a>(body: &'a str, name: &str) -> Result<&'a str> {
    let prefix = format!("\"{name}\":\"");
    let (_, rest) =
        body.split_once(&prefix).ok_or_else(|| format!("no property `{name}` in {body}"))?;
    Ok(rest.split_once('"').ok_or("the string is not terminated")?.0)
}
