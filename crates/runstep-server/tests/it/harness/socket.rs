//! A client on a socket, which controls when it writes and reads.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(30);

/// A response, as it was received.
#[derive(Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawResponse {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
    }

    /// Returns the API's error in the body of a response with a request id.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(self.header("x-request-id").unwrap().starts_with("req_"), "{self:?}");
        serde_json::from_str::<Value>(&self.body).unwrap()["error"].clone()
    }
}

/// Connects, sends bytes, and then reads a response whose length is declared.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> RawResponse {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // Many clients do not read a response after they failed to send the request.
    socket.write_all(request).await.expect("the server closed the connection");
    read_response(&mut socket).await
}

/// Reads one response whose length is declared.
pub(crate) async fn read_response(socket: &mut TcpStream) -> RawResponse {
    let mut text = String::new();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = timeout(DEADLINE, socket.read(&mut bytes)).await.expect("no response");
        let read = read.unwrap_or_else(|error| panic!("{error} after: {text}"));
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        if text.contains("\r\n\r\n") {
            let response = RawResponse::parse(&text);
            let length = response.header("content-length").map_or(0, |text| text.parse().unwrap());
            if response.body.len() >= length {
                return response;
            }
        }
        assert_ne!(read, 0, "the connection was closed: {text}");
    }
}

/// The head of a request, with these headers, each with its line break.
pub(crate) fn request_head(method: &str, path: &str, headers: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").into_bytes()
}

/// A request with a body.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("{headers}content-length: {}\r\n", body.len());
    [request_head(method, path, &headers), body.to_vec()].concat()
}
