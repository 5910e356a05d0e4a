//! A TCP server that follows a script for each connection, including resets and truncated
//! responses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use runstep::{Backoff, Client, ClientBuilder, RetryPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{API_KEY, RecordedRequest};

/// What the server does after it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Behavior {
    /// Sends a response.
    Respond { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Resets the connection before the response.
    Reset,
    /// Resets the connection within the response's headers.
    ResetInHeaders,
    /// Sends these headers, and resets the connection within the response's body.
    ResetInBody(Vec<(&'static str, String)>),
    /// Closes the connection within the response's body.
    CloseInBody,
    /// Sends a response with status 200 and this body after a delay.
    Delay(Duration, String),
    /// Keeps the connection open and sends nothing.
    Hang,
}

impl Behavior {
    pub(crate) fn status(status: u16) -> Self {
        let body = format!(r#"{{"error": {{"message": "status {status}"}}}}"#);
        Self::Respond { status, headers: Vec::new(), body }
    }

    pub(crate) fn ok(body: impl ToString) -> Self {
        Self::Respond { status: 200, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Respond { headers, .. } | Self::ResetInBody(headers) = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// The server. It stops when it is dropped.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

struct Script {
    behaviors: Vec<Behavior>,
    requests: Vec<RecordedRequest>,
}

impl ScriptedServer {
    /// Starts a server that follows these behaviors in order and repeats the last one.
    pub(crate) async fn start(behaviors: impl IntoIterator<Item = Behavior>) -> Self {
        Self::on_listener(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), behaviors)
    }

    pub(crate) fn on_listener(
        listener: TcpListener,
        behaviors: impl IntoIterator<Item = Behavior>,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let behaviors = behaviors.into_iter().collect();
        let script = Arc::new(Mutex::new(Script { behaviors, requests: Vec::new() }));
        let connection_script = Arc::clone(&script);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&connection_script)));
            }
        });
        Self { address, script, task }
    }

    /// Replaces the script and clears the recorded requests.
    pub(crate) fn restart(&self, behaviors: impl IntoIterator<Item = Behavior>) {
        let behaviors = behaviors.into_iter().collect();
        *self.script.lock().unwrap() = Script { behaviors, requests: Vec::new() };
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// A client whose retries are a millisecond apart.
    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(self.base_url()).api_key(API_KEY).retry_policy(fast_retries())
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.script.lock().unwrap().requests.clone()
    }

    /// The number of requests so far.
    pub(crate) fn count(&self) -> usize {
        self.script.lock().unwrap().requests.len()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The default retry policy with delays of one millisecond.
pub(crate) fn fast_retries() -> RetryPolicy {
    let delay = Duration::from_millis(1);
    RetryPolicy::default().backoff(Backoff::new(delay, delay))
}

async fn serve(mut stream: TcpStream, script: Arc<Mutex<Script>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let mut behavior = {
        let mut script = script.lock().unwrap();
        let number = script.requests.len().min(script.behaviors.len() - 1);
        script.requests.push(request);
        script.behaviors[number].clone()
    };
    if let Behavior::Delay(delay, body) = behavior {
        tokio::time::sleep(delay).await;
        behavior = Behavior::ok(body);
    }
    let reset = |stream: TcpStream| {
        stream.set_zero_linger().unwrap();
        drop(stream);
    };
    match behavior {
        Behavior::Respond { status, headers, body } => {
            let head = response_head(status, &headers);
            let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Behavior::Reset => reset(stream),
        Behavior::ResetInHeaders => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty").await;
            wait_for_delivery().await;
            reset(stream);
        }
        Behavior::ResetInBody(headers) => {
            let _ = stream.write_all(truncated_response(&headers).as_bytes()).await;
            wait_for_delivery().await;
            reset(stream);
        }
        Behavior::CloseInBody => {
            let _ = stream.write_all(truncated_response(&[]).as_bytes()).await;
        }
        Behavior::Hang | Behavior::Delay(..) => std::future::pending().await,
    }
}

/// Gives the client time to read what was sent: a reset discards unread bytes.
async fn wait_for_delivery() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

fn response_head(status: u16, headers: &[(&'static str, String)]) -> String {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head
}

/// A response with fewer bytes than its content-length.
fn truncated_response(headers: &[(&'static str, String)]) -> String {
    format!("{}content-length: 999\r\n\r\n{{\"id\": ", response_head(200, headers))
}

/// Reads one request. Returns `None` if the connection ends before the request is complete.
async fn read_request(stream: &mut TcpStream) -> Option<RecordedRequest> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut request_line = lines.next().unwrap().split(' ');
    let method = request_line.next().unwrap().parse().unwrap();
    let target = request_line.next().unwrap().to_owned();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let length = headers.get("content-length");
    let length: usize = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(RecordedRequest { method, target, headers, body: Bytes::from(body) })
}
