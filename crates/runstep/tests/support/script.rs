//! A server that does to each connection what a script says, down to breaking it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use runstep::{Backoff, Client, ClientBuilder, RetryPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{KEY, Recorded};

/// What is done once a request has been read.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A reply.
    Reply { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// The connection is reset before any reply.
    Reset,
    /// The connection is reset in the middle of the reply's headers.
    ResetInHeaders,
    /// The connection is reset in the middle of the reply's body, with these headers before it.
    ResetInBody(Vec<(&'static str, String)>),
    /// The connection is closed in the middle of the reply's body.
    CloseInBody,
    /// A reply of success comes after this time.
    Late(std::time::Duration, String),
    /// Nothing comes.
    Hang,
}

impl Act {
    pub(crate) fn status(status: u16) -> Self {
        let body = format!(r#"{{"error": {{"message": "status {status}"}}}}"#);
        Self::Reply { status, headers: Vec::new(), body }
    }

    pub(crate) fn ok(body: impl ToString) -> Self {
        Self::Reply { status: 200, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } | Self::ResetInBody(headers) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// The server; it stops when this is dropped.
pub(crate) struct Script {
    address: SocketAddr,
    played: Arc<Mutex<Played>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Played {
    acts: Vec<Act>,
    seen: Vec<Recorded>,
}

impl Script {
    /// Takes these acts in their order, and the last of them for ever.
    pub(crate) async fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), acts)
    }

    pub(crate) fn on(listener: TcpListener, acts: impl IntoIterator<Item = Act>) -> Self {
        let address = listener.local_addr().unwrap();
        let acts = acts.into_iter().collect();
        let played = Arc::new(Mutex::new(Played { acts, seen: Vec::new() }));
        let play = Arc::clone(&played);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&play)));
            }
        });
        Self { address, played, serving }
    }

    /// Forgets what was asked, and begins with these acts.
    pub(crate) fn again(&self, acts: impl IntoIterator<Item = Act>) {
        let acts = acts.into_iter().collect();
        *self.played.lock().unwrap() = Played { acts, seen: Vec::new() };
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A client that pauses for a moment only before it sends something again.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(self.url()).api_key(KEY).retry_policy(quick())
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.played.lock().unwrap().seen.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.played.lock().unwrap().seen.len()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The usual policy, with pauses of a millisecond.
pub(crate) fn quick() -> RetryPolicy {
    let moment = std::time::Duration::from_millis(1);
    RetryPolicy::default().backoff(Backoff::new(moment, moment))
}

async fn serve(mut stream: TcpStream, played: Arc<Mutex<Played>>) {
    let Some(request) = read(&mut stream).await else { return };
    let mut act = {
        let mut played = played.lock().unwrap();
        let number = played.seen.len().min(played.acts.len() - 1);
        played.seen.push(request);
        played.acts[number].clone()
    };
    let reset = |stream: TcpStream| {
        stream.set_zero_linger().unwrap();
        drop(stream);
    };
    if let Act::Late(wait, body) = act {
        tokio::time::sleep(wait).await;
        act = Act::ok(body);
    }
    match act {
        Act::Reply { status, headers, body } => {
            let length = body.len();
            let text = format!("{}content-length: {length}\r\n\r\n{body}", head(status, &headers));
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Act::Reset => reset(stream),
        Act::ResetInHeaders => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty").await;
            pass_on().await;
            reset(stream);
        }
        Act::ResetInBody(headers) => {
            let text = format!("{}content-length: 999\r\n\r\n{{\"id\": ", head(200, &headers));
            let _ = stream.write_all(text.as_bytes()).await;
            pass_on().await;
            reset(stream);
        }
        Act::CloseInBody => {
            let text = format!("{}content-length: 999\r\n\r\n{{\"id\": ", head(200, &[]));
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Act::Hang | Act::Late(..) => std::future::pending().await,
    }
}

/// Lets the client read what came before the reset, which would throw it away.
async fn pass_on() {
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
}

fn head(status: u16, headers: &[(&'static str, String)]) -> String {
    let mut text = format!("HTTP/1.1 {status} Told\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text
}

/// A request; none when the connection ends before it does.
async fn read(stream: &mut TcpStream) -> Option<Recorded> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let method = first.next().unwrap().parse().unwrap();
    let target = first.next().unwrap().to_owned();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let length = headers.get("content-length");
    let length: usize = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Recorded { method, target, headers, body: Bytes::from(body) })
}
