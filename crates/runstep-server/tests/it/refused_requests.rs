//! Requests that are refused before they were read: the client receives the response.

use std::fmt::Write as _;
use std::time::Duration;

use runstep_server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::socket::{exchange, read_response, request, request_head};

/// Longer than the buffers of the sockets and of the server.
const BODY_BYTES: usize = 6 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_reaches_clients_that_send_the_whole_body_first() {
    let keyed = Server::builder().api_keys(["key"]).spawn().await.unwrap();
    let open = Server::builder().max_body_bytes(1024).spawn().await.unwrap();
    let cases = [
        (&keyed, 401, "POST", "/v1/threads", ""),
        (&open, 403, "POST", "/v1/threads", "origin: https://evil.example\r\n"),
        (&open, 404, "POST", "/v1/files", ""),
        (&open, 404, "DELETE", "/v1/threads/thread_x", ""),
        (&open, 405, "PUT", "/v1/threads", ""),
        (&open, 413, "POST", "/v1/threads", ""),
        (&keyed, 415, "POST", "/v1/threads", "api-key: key\r\ncontent-encoding: br\r\n"),
    ];
    let body = vec![b' '; BODY_BYTES];
    for (server, status, method, path, headers) in cases {
        for _ in 0..5 {
            let response = exchange(server.address(), &request(method, path, headers, &body)).await;
            assert_eq!(response.status, status, "{response:?}");
            response.error();
        }
    }
}

#[tokio::test]
async fn connection_is_kept_after_an_unread_body() {
    let server = Server::builder().spawn().await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let body = vec![b' '; 100 * 1024];
    for _ in 0..3 {
        socket.write_all(&request("POST", "/v1/files", "", &body)).await.unwrap();
        assert_eq!(read_response(&mut socket).await.status, 404);
    }
    let chunked = request_head("POST", "/v1/files", "transfer-encoding: chunked\r\n");
    socket.write_all(&chunked).await.unwrap();
    assert_eq!(read_response(&mut socket).await.status, 404);
    socket.write_all(b"4\r\nlate\r\n0\r\n\r\n").await.unwrap();
    socket.write_all(&request_head("GET", "/healthz", "")).await.unwrap();
    assert_eq!(read_response(&mut socket).await.status, 200);
}

#[tokio::test]
async fn client_that_expects_100_continue_is_refused_at_once() {
    let server = Server::builder().max_body_bytes(1024).spawn().await.unwrap();
    let expect = |length: usize| format!("expect: 100-continue\r\ncontent-length: {length}\r\n");
    for (path, length, status) in [("/v1/threads", 1025, 413), ("/v1/files", 2, 404)] {
        let head = request_head("POST", path, &expect(length));
        let response = exchange(server.address(), &head).await;
        assert_eq!(response.status, status, "{response:?}");
        // Whether the client sends the body is unknown, so the connection cannot be reused.
        assert_eq!(response.header("connection"), Some("close"));
        response.error();
    }
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    socket.write_all(&request_head("POST", "/v1/threads", &expect(2))).await.unwrap();
    assert_eq!(read_response(&mut socket).await.head, "HTTP/1.1 100 Continue");
    socket.write_all(b"{}").await.unwrap();
    assert_eq!(read_response(&mut socket).await.status, 200);
}

#[tokio::test]
async fn malformed_heads_get_errors_of_the_api() {
    let server = Server::builder().spawn().await.unwrap();
    let long = "x".repeat(600_000);
    let cases = [
        (400, b"hello?\r\n\r\n".to_vec()),
        (400, request_head("GET", "/healthz", "no colon\r\n")),
        (400, request_head("POST", "/v1/threads", "content-length: many\r\n")),
        (400, b"GET /healthz HTTP/9.9\r\n\r\n".to_vec()),
        (414, request_head("GET", &format!("/{}", "x".repeat(70_000)), "")),
        (431, request_head("GET", "/healthz", &format!("a: {long}\r\n"))),
        (431, request_head("GET", "/healthz", &"a: b\r\n".repeat(200))),
    ];
    let mut report = String::new();
    for (status, request) in cases {
        let response = exchange(server.address(), &request).await;
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(response.header("connection"), Some("close"));
        writeln!(report, "{status}: {}", response.error()["message"]).unwrap();
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn malformed_head_after_a_request_is_refused_after_its_response() {
    let server = Server::builder().spawn().await.unwrap();
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let pipelined = [request_head("GET", "/healthz", ""), b"hello?\r\n\r\n".to_vec()].concat();
    socket.write_all(&pipelined).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let statuses: Vec<&str> =
        text.matches("HTTP/1.1 200 OK").chain(text.matches("HTTP/1.1 400 Bad Request")).collect();
    assert_eq!(statuses, ["HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request"], "{text}");
    assert!(text.ends_with("\"code\":\"invalid_request_head\"}}"), "{text}");
}

#[tokio::test]
async fn slow_head_and_slow_body_get_a_408_and_an_idle_connection_is_closed() {
    let time = Duration::from_millis(300);
    let server = Server::builder().request_timeout(time).spawn().await.unwrap();
    let slow_head = exchange(server.address(), b"POST /v1/threads HTTP/1.1\r\nhost: local").await;
    assert_eq!(slow_head.status, 408);
    assert_eq!(slow_head.error()["code"], "invalid_request_head");
    let head = request_head("POST", "/v1/threads", "content-length: 9\r\n");
    let slow_body = exchange(server.address(), &[head, b"{".to_vec()].concat()).await;
    assert_eq!(slow_body.status, 408);
    assert_eq!(slow_body.error()["code"], "request_timeout");
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    assert_eq!(idle.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn request_that_ends_early_gets_a_400() {
    let server = Server::builder().spawn().await.unwrap();
    let head = request_head("POST", "/v1/threads", "content-length: 9\r\n");
    for request in [b"POST /v1/thr".to_vec(), [head, b"{".to_vec()].concat()] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(&request).await.unwrap();
        socket.shutdown().await.unwrap();
        let response = read_response(&mut socket).await;
        assert_eq!(response.status, 400, "{response:?}");
        response.error();
    }
}
