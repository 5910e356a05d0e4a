//! The server on a socket: it starts, it can be reached, and it stops when it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use runstep_server::model::{Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, RunningServer, Server, StartError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits this long unless it fails.
const SOON: Duration = Duration::from_secs(10);

/// A connection on which a request was sent.
struct Call(TcpStream);

impl Call {
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

    /// Reads until this has come.
    async fn until(&mut self, what: &str) -> String {
        let mut text = String::new();
        while !text.contains(what) {
            let mut bytes = [0; 4096];
            let read = timeout(SOON, self.0.read(&mut bytes)).await.expect("it comes").unwrap();
            assert_ne!(read, 0, "the connection ended: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        text
    }

    async fn rest(mut self) -> String {
        let mut text = String::new();
        timeout(SOON, self.0.read_to_string(&mut text)).await.expect("an end").unwrap();
        text
    }

    /// The id of the object in the reply.
    async fn id(self) -> String {
        let reply = self.rest().await;
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
    }
}

/// A stream of a run of a model that never answers.
async fn stalled() -> (RunningServer, Call) {
    streaming(Turn::say("It").and_stall()).await
}

/// A stream of a run of a model that takes this turn, on a server that does not wait for long.
async fn streaming(turn: Turn) -> (RunningServer, Call) {
    let builder = Server::builder().model(Scripted::new([turn]));
    let server = builder.shutdown_timeout(Duration::from_millis(300)).spawn().await.unwrap();
    let address = server.address();
    let assistant = Call::post(address, "/v1/assistants", &json!({"model": "m"})).await.id().await;
    let body = json!({"assistant_id": assistant, "stream": true});
    let mut stream = Call::post(address, "/v1/threads/runs", &body).await;
    stream.until("event: thread.message.delta").await;
    (server, stream)
}

async fn refuses(address: SocketAddr) -> bool {
    for _ in 0..500 {
        if TcpStream::connect(address).await.is_err() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_server_is_reached_at_its_base_url() {
    let server = Server::builder().spawn().await.unwrap();
    let address = server.address();
    assert!(address.ip().is_loopback());
    assert_ne!(address.port(), 0);
    assert_eq!(server.base_url(), format!("http://{address}/v1"));
    for path in ["/v1/threads", "/threads"] {
        let id = Call::post(address, path, &json!({})).await.id().await;
        assert!(id.starts_with("thread_"));
    }
}

#[tokio::test]
async fn servers_have_nothing_in_common() {
    let one = Server::builder().spawn().await.unwrap();
    let other = Server::builder().spawn().await.unwrap();
    assert_ne!(one.base_url(), other.base_url());
    let thread = Call::post(one.address(), "/threads", &json!({})).await.id().await;
    let message = json!({"role": "user", "content": "Hi"});
    let path = format!("/threads/{thread}/messages");
    let reply = Call::post(other.address(), &path, &message).await.rest().await;
    assert!(reply.starts_with("HTTP/1.1 404 "), "{reply}");
}

#[tokio::test]
async fn a_server_can_be_given_its_address() {
    let server = Server::builder().spawn_on("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let error = Server::builder().spawn_on(server.address()).await.unwrap_err();
    assert!(matches!(&error, StartError::Listen { address, .. } if *address == server.address()));
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", server.address())));
}

#[tokio::test]
async fn shutdown_ends_streams_and_takes_no_more_connections() {
    let (server, stream) = stalled().await;
    let address = server.address();
    // It waits until replies are out, so that somebody must read them.
    let rest = tokio::spawn(stream.rest());
    timeout(SOON, server.shutdown()).await.expect("an end").unwrap();
    let rest = rest.await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the reply is cut: {rest}");
    let (_, end) = rest.split_once("event: error\ndata: ").expect("an error");
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
async fn shutdown_lets_a_stream_come_to_its_end() {
    let turn = Turn::chunks(["It ", "is ", "sunny."]).every(Duration::from_millis(50));
    let (server, stream) = streaming(turn).await;
    let rest = tokio::spawn(stream.rest());
    timeout(SOON, server.shutdown()).await.expect("an end").unwrap();
    let rest = rest.await.unwrap();
    assert!(!rest.contains("event: error"), "{rest}");
    let (_, end) = rest.split_once("event: thread.run.completed\n").expect("an end");
    assert!(end.contains("event: done\ndata: [DONE]\n"), "{end}");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_connections_that_are_idle() {
    let server = Server::builder().spawn().await.unwrap();
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    let request = b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";
    idle.write_all(request).await.unwrap();
    let mut idle = Call(idle);
    assert!(idle.until("unknown_url").await.starts_with("HTTP/1.1 404 "));
    timeout(SOON, server.shutdown()).await.expect("an end").unwrap();
    assert_eq!(idle.rest().await, "");
}

/// A server that does not wait for long, and one connection that it would have to wait for.
async fn stuck(kind: &str) -> (RunningServer, TcpStream) {
    let mebibyte = "x".repeat(1024 * 1024);
    let model = Scripted::new([Turn::chunks(vec![mebibyte; 64])]);
    let builder = Server::builder().model(model).shutdown_timeout(Duration::from_millis(200));
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let socket = match kind {
        "half a head" => {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").await.unwrap();
            socket
        }
        "half a body" => {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let half =
                b"POST /v1/threads HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
            socket.write_all(half).await.unwrap();
            socket
        }
        _ => {
            let post = async |path, body| Call::post(address, path, &body).await;
            let assistant = post("/v1/assistants", json!({"model": "m"})).await.id().await;
            let body = json!({"assistant_id": assistant, "stream": true});
            let mut stream = post("/v1/threads/runs", body).await;
            stream.until("event: thread.message.delta").await;
            stream.0
        }
    };
    // The server has what was written.
    tokio::time::sleep(Duration::from_millis(100)).await;
    (server, socket)
}

const STUCK: [&str; 3] = ["half a head", "half a body", "a stream that nobody reads"];

/// Whether the other side closes the connection.
async fn ends(mut socket: TcpStream) -> bool {
    let mut bytes = vec![0; 1024 * 1024];
    let end = async {
        // Cut off without or with a word.
        while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    };
    timeout(SOON, end).await.is_ok()
}

#[tokio::test]
async fn shutdown_waits_only_so_long_for_clients() {
    for kind in STUCK {
        let (server, socket) = stuck(kind).await;
        let stopped = timeout(SOON, server.shutdown()).await;
        stopped.unwrap_or_else(|_| panic!("{kind} holds up the shutdown")).unwrap();
        assert!(ends(socket).await, "{kind} is still connected");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_stream() {
    let mebibyte = "x".repeat(1024 * 1024);
    let model = Scripted::new([Turn::chunks(vec![mebibyte; 64])]);
    let builder = Server::builder().model(model).request_timeout(Duration::from_millis(500));
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let assistant = Call::post(address, "/v1/assistants", &json!({"model": "m"})).await.id().await;
    let body = json!({"assistant_id": assistant, "stream": true});
    let mut stream = Call::post(address, "/v1/threads/runs", &body).await;
    stream.until("event: thread.message.delta").await;
    let freed = async {
        loop {
            let mut call = Call(TcpStream::connect(address).await.unwrap());
            let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
            call.0.write_all(request).await.unwrap();
            if call.rest().await.contains("\nrunstep_streams 0\n") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, freed).await.expect("its place is free again");
}

#[tokio::test]
async fn clients_do_not_keep_their_connections_when_the_handle_is_dropped() {
    for kind in STUCK {
        let (server, socket) = stuck(kind).await;
        drop(server);
        assert!(ends(socket).await, "{kind} is still connected");
    }
}

#[tokio::test]
async fn shutdown_lets_a_request_come_to_its_end() {
    let builder = Server::builder().shutdown_timeout(Duration::MAX);
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = b"POST /v1/threads HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{";
    socket.write_all(head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(server.shutdown());
    assert!(refuses(address).await, "it still takes connections");
    socket.write_all(b"}").await.unwrap();
    assert!(Call(socket).id().await.starts_with("thread_"));
    timeout(SOON, stopping).await.expect("an end").unwrap().unwrap();
}

#[tokio::test]
async fn a_server_stops_when_its_handle_is_dropped() {
    let (server, stream) = stalled().await;
    let address = server.address();
    drop(server);
    assert!(refuses(address).await, "it still takes connections");
    stream.rest().await;
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let server = Server::builder().max_connections(1).spawn().await.unwrap();
    let address = server.address();
    let first = TcpStream::connect(address).await.unwrap();
    // The first one is accepted before the second one asks.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = Call::post(address, "/threads", &json!({})).await;
    let id = tokio::spawn(second.id());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!id.is_finished());
    drop(first);
    assert!(timeout(SOON, id).await.expect("its turn").unwrap().starts_with("thread_"));
}

#[tokio::test]
async fn who_does_not_finish_the_head_of_a_request_is_cut_off() {
    let timeout = Duration::from_millis(200);
    let server = Server::builder().request_timeout(timeout).spawn().await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").await.unwrap();
    assert!(ends(socket).await);
}

#[tokio::test]
async fn a_cut_stream_is_cut_on_the_socket_too() {
    let faults = Faults::new([Fault::cut_after_events(4).on(Operation::CreateThreadAndRun)]);
    let builder = Server::builder().model(Scripted::new([Turn::say("Hi.")])).faults(faults);
    let server = builder.spawn().await.unwrap();
    let address = server.address();
    let assistant = Call::post(address, "/v1/assistants", &json!({"model": "m"})).await.id().await;
    let body = json!({"assistant_id": assistant, "stream": true});
    let mut stream = Call::post(address, "/v1/threads/runs", &body).await;
    let mut text = Vec::new();
    // It ends without the chunk that says that nothing comes.
    let _ = timeout(SOON, stream.0.read_to_end(&mut text)).await.expect("an end");
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.matches("event: ").count(), 4, "{text}");
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
}
