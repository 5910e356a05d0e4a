//! A connection of a client that does as little as one can: what is measured is the server.

use runstep_benches::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that stays open.
pub(crate) struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// Where a reply's body is in what was read.
struct Head {
    status: u16,
    length: usize,
    /// None means that it comes in chunks.
    body: Option<usize>,
}

impl Connection {
    pub(crate) async fn open(address: std::net::SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads its reply to the end. The body of a stream is left in its chunks.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<&str> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        let end = match head.body {
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
        let body = self.buffer.get(head.length..end).ok_or("a reply is cut")?;
        let body = std::str::from_utf8(body)?;
        if head.status != 200 {
            return Err(format!("status {}: {body}", head.status).into());
        }
        Ok(body)
    }

    /// Sends a request and hands on the events as they come, whole ones, until that says that it is
    /// enough.
    pub(crate) async fn listen(
        &mut self,
        request: &[u8],
        mut hear: impl FnMut(&[u8]) -> bool,
    ) -> Result<()> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            self.read().await?;
            let Some(end) = self.buffer.windows(2).rposition(|pair| pair == b"\n\n") else {
                continue;
            };
            let events: Vec<u8> = self.buffer.drain(..end + 2).collect();
            if hear(&events) {
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

fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
    let status = text.get(9..12).ok_or("no status")?.parse()?;
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let body = length.map(str::parse).transpose()?;
    Ok(Some(Head { status, length: end + 4, body }))
}

/// A request as it is sent.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         openai-beta: assistants=v2\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nopenai-beta: assistants=v2\r\n\r\n")
        .into_bytes()
}

/// The value of the first member of this name, which is a string.
pub(crate) fn member<'a>(body: &'a str, name: &str) -> Result<&'a str> {
    let start = format!("\"{name}\":\"");
    let (_, rest) = body.split_once(&start).ok_or_else(|| format!("no {name} in {body}"))?;
    Ok(rest.split_once('"').ok_or("a string without end")?.0)
}
