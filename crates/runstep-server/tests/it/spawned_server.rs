//! Servers on a socket: start, connections and shutdown.

use std::net::SocketAddr;
use std::time::Duration;

use runstep_server::model::{Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, RunningServer, Server, StartError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A test that waits this long has failed.
const DEADLINE: Duration = Duration::from_secs(10);

/// A connection on which a request was sent.
struct Connection(TcpStream);

impl Connection {
    async fn post(address: SocketAddr, path: &str, body: &Value) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        Self(socket)
    }

    /// Reads until `expected` has been received; returns everything read.
    async fn read_until(&mut self, expected: &str) -> String {
        let mut text = String::new();
        while !text.contains(expected) {
            let mut bytes = [0; 4096];
            let read = timeout(DEADLINE, self.0.read(&mut bytes))
                .await
                .expect("the text is not received")
                .unwrap();
            assert_ne!(read, 0, "the connection was closed: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        text
    }

    async fn read_to_end(mut self) -> String {
        let mut text = String::new();
        timeout(DEADLINE, self.0.read_to_string(&mut text))
            .await
            .expect("the connection stays open")
            .unwrap();
        text
    }

    /// Reads a successful response; returns the id of its object.
    async fn object_id(self) -> String {
        let response = self.read_to_end().await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
    }
}

/// Creates an assistant, and a run with a stream that is not read yet.
async fn stream_run(server: &RunningServer) -> Connection {
    let post = async |path, body| Connection::post(server.address(), path, &body).await;
    let assistant = post("/v1/assistants", json!({"model": "m"})).await.object_id().await;
    post("/v1/threads/runs", json!({"assistant_id": assistant, "stream": true})).await
}

/// A server and the open stream of a run whose model stalls.
async fn stalled_stream() -> (RunningServer, Connection) {
    open_stream(Turn::text("It").and_stall()).await
}

/// A server with a short shutdown timeout, and the stream of a run whose model plays this turn.
async fn open_stream(turn: Turn) -> (RunningServer, Connection) {
    let builder = Server::builder().model(Scripted::new([turn]));
    let server = builder.shutdown_timeout(Duration::from_millis(300)).spawn().await.unwrap();
    let mut stream = stream_run(&server).await;
    stream.read_until("event: thread.message.delta").await;
    (server, stream)
}

async fn refuses_connections(address: SocketAddr) -> bool {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_err() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn spawned_server_is_reachable_at_its_base_url() {
    let server = Server::builder().spawn().await.unwrap();
    let address = server.address();
    assert!(address.ip().is_loopback());
    assert_ne!(address.port(), 0);
    assert_eq!(server.base_url(), format!("http://{address}/v1"));
    for path in ["/v1/threads", "/threads"] {
        let id = Connection::post(address, path, &json!({})).await.object_id().await;
        assert!(id.starts_with("thread_"));
    }
}

#[tokio::test]
async fn spawned_servers_do_not_share_objects() {
    let first = Server::builder().spawn().await.unwrap();
    let second = Server::builder().spawn().await.unwrap();
    assert_ne!(first.base_url(), second.base_url());
    let thread = Connection::post(first.address(), "/threads", &json!({})).await.object_id().await;
    let message = json!({"role": "user", "content": "Hi"});
    let path = format!("/threads/{thread}/messages");
    let response = Connection::post(second.address(), &path, &message).await.read_to_end().await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[tokio::test]
async fn server_can_be_bound_to_a_given_address() {
    let server = Server::builder().spawn_on("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = Server::builder().spawn_on(server.address()).await.unwrap_err();
    assert!(matches!(&error, StartError::Listen { address, .. } if *address == server.address()));
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", server.address())));
}

#[tokio::test]
async fn shutdown_ends_stalled_streams_and_refuses_connections() {
    let (server, stream) = stalled_stream().await;
    let address = server.address();
    // The shutdown waits until responses are written, so the client must read.
    let rest = tokio::spawn(stream.read_to_end());
    timeout(DEADLINE, server.shutdown()).await.expect("the shutdown does not end").unwrap();
    let rest = rest.await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the response is cut: {rest}");
    let (_, end) = rest.split_once("event: error\ndata: ").expect("no error event");
    let (error, end) = end.split_once('\n').unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(error).unwrap(),
        json!({"error": {
            "code": null,
            "message": "The server is shutting down.",
            "param": null,
            "type": "server_error",
        }})
    );
    assert!(end.contains("event: done\ndata: [DONE]\n"), "{end}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_waits_for_a_stream_to_finish() {
    let turn = Turn::chunks(["It ", "is ", "sunny."]).chunk_interval(Duration::from_millis(50));
    let (server, stream) = open_stream(turn).await;
    let rest = tokio::spawn(stream.read_to_end());
    timeout(DEADLINE, server.shutdown()).await.expect("the shutdown does not end").unwrap();
    let rest = rest.await.unwrap();
    assert!(!rest.contains("event: error"), "{rest}");
    let (_, end) = rest.split_once("event: thread.run.completed\n").expect("no completed event");
    assert!(end.contains("event: done\ndata: [DONE]\n"), "{end}");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_idle_connections() {
    let server = Server::builder().spawn().await.unwrap();
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";
    idle.write_all(request).await.unwrap();
    let mut idle = Connection(idle);
    assert!(idle.read_until("unknown_url").await.starts_with("HTTP/1.1 404 "));
    timeout(DEADLINE, server.shutdown()).await.expect("the shutdown does not end").unwrap();
    assert_eq!(idle.read_to_end().await, "");
}

/// A server with a short shutdown timeout, and a connection that would delay the shutdown.
async fn blocked(kind: &str) -> (RunningServer, TcpStream) {
    let mebibyte = "x".repeat(1024 * 1024);
    let model = Scripted::new([Turn::chunks(vec![mebibyte; 64])]);
    let builder = Server::builder().model(model).shutdown_timeout(Duration::from_millis(200));
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let socket = match kind {
        "half a request head" => {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").await.unwrap();
            socket
        }
        "half a request body" => {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let request =
                b"POST /v1/threads HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
            socket.write_all(request).await.unwrap();
            socket
        }
        _ => {
            let mut stream = stream_run(&server).await;
            stream.read_until("event: thread.message.delta").await;
            stream.0
        }
    };
    // Lets the server read what was written.
    tokio::time::sleep(Duration::from_millis(100)).await;
    (server, socket)
}

const BLOCKERS: [&str; 3] = ["half a request head", "half a request body", "an unread stream"];

/// Whether the server closes the connection.
async fn is_closed(mut socket: TcpStream) -> bool {
    let mut bytes = vec![0; 1024 * 1024];
    let closed = async {
        // The server may close or reset the connection.
        while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    };
    timeout(DEADLINE, closed).await.is_ok()
}

#[tokio::test]
async fn shutdown_timeout_bounds_the_wait_for_clients() {
    for kind in BLOCKERS {
        let (server, socket) = blocked(kind).await;
        let stopped = timeout(DEADLINE, server.shutdown()).await;
        stopped.unwrap_or_else(|_| panic!("{kind} delays the shutdown")).unwrap();
        assert!(is_closed(socket).await, "{kind} is still connected");
    }
}

#[tokio::test]
async fn stream_of_a_client_that_does_not_read_is_dropped() {
    let mebibyte = "x".repeat(1024 * 1024);
    let model = Scripted::new([Turn::chunks(vec![mebibyte; 64])]);
    let builder = Server::builder().model(model).request_timeout(Duration::from_millis(500));
    let server = builder.spawn().await.unwrap();
    let mut stream = stream_run(&server).await;
    stream.read_until("event: thread.message.delta").await;
    let stream_closed = async {
        loop {
            let mut connection = Connection(TcpStream::connect(server.address()).await.unwrap());
            let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            connection.0.write_all(request).await.unwrap();
            if connection.read_to_end().await.contains("\nrunstep_open_streams 0\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, stream_closed).await.expect("the stream is still open");
}

#[tokio::test]
async fn dropping_the_handle_closes_connections() {
    for kind in BLOCKERS {
        let (server, socket) = blocked(kind).await;
        drop(server);
        assert!(is_closed(socket).await, "{kind} is still connected");
    }
}

#[tokio::test]
async fn shutdown_waits_for_a_request_to_finish() {
    let builder = Server::builder().shutdown_timeout(Duration::MAX);
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = b"POST /v1/threads HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{";
    socket.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let shutdown = tokio::spawn(server.shutdown());
    assert!(refuses_connections(address).await, "the server still accepts connections");
    socket.write_all(b"}").await.unwrap();
    assert!(Connection(socket).object_id().await.starts_with("thread_"));
    timeout(DEADLINE, shutdown).await.expect("the shutdown does not end").unwrap().unwrap();
}

#[tokio::test]
async fn dropping_the_handle_stops_the_server() {
    let (server, stream) = stalled_stream().await;
    let address = server.address();
    drop(server);
    assert!(refuses_connections(address).await, "the server still accepts connections");
    stream.read_to_end().await;
}

#[tokio::test]
async fn connection_above_the_limit_waits_until_another_closes() {
    let server = Server::builder().max_connections(1).spawn().await.unwrap();
    let address = server.address();
    let first = TcpStream::connect(address).await.unwrap();
    // Lets the server accept the first connection before the second.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = Connection::post(address, "/threads", &json!({})).await;
    let id = tokio::spawn(second.object_id());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!id.is_finished());
    drop(first);
    let id = timeout(DEADLINE, id).await.expect("the connection is not accepted").unwrap();
    assert!(id.starts_with("thread_"));
}

#[tokio::test]
async fn unfinished_request_head_times_out() {
    let timeout = Duration::from_millis(200);
    let server = Server::builder().request_timeout(timeout).spawn().await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").await.unwrap();
    assert!(is_closed(socket).await);
}

#[tokio::test]
async fn injected_cut_closes_the_socket_without_a_final_chunk() {
    let faults = Faults::new([Fault::cut_after_events(4).on(Operation::CreateThreadAndRun)]);
    let builder = Server::builder().model(Scripted::new([Turn::text("Hi.")])).faults(faults);
    let server = builder.spawn().await.unwrap();
    let mut stream = stream_run(&server).await;
    let mut text = Vec::new();
    // The connection ends without the final empty chunk.
    let _ = timeout(DEADLINE, stream.0.read_to_end(&mut text))
        .await
        .expect("the connection stays open");
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("event: ").count(), 4, "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}
