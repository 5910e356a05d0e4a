//! Which web pages may ask the server.

use std::net::SocketAddr;

use crate::harness::Api;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use runstep_server::{Server, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PAGE: &str = "https://example.com";

fn server(origins: &[&str]) -> Api {
    Api::built(Server::builder().allowed_origins(origins.iter().copied()).api_keys(["sk-key"]))
}

/// What a browser is told that asks before it lets a page create a run.
async fn preflight(api: &Api, origin: &str) -> (u16, HeaderMap) {
    let api = api
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization,openai-beta");
    let request = axum::http::Request::builder().method(Method::OPTIONS).uri("/v1/threads/runs");
    let reply = api.send_bare(request.body(Body::empty()).unwrap()).await;
    (reply.status().as_u16(), reply.headers().clone())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn no_page_may_ask_unless_told() {
    let (status, headers) = preflight(&server(&[]), PAGE).await;
    assert_eq!(status, 405);
    assert_eq!(header(&headers, "access-control-allow-origin"), None);
    let reply = server(&[]).with("origin", PAGE).get("/assistants").await;
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_ask_with_what_clients_send() {
    let api = server(&["https://other.example:8443", PAGE]);
    for origin in [PAGE, "https://other.example:8443"] {
        let (status, headers) = preflight(&api, origin).await;
        assert_eq!(status, 200, "without a key");
        assert_eq!(header(&headers, "access-control-allow-origin"), Some(origin));
        assert_eq!(header(&headers, "access-control-allow-methods"), Some("GET,POST,DELETE"));
        let allowed = header(&headers, "access-control-allow-headers");
        assert_eq!(allowed, Some("authorization,openai-beta"));
    }
    let reply = api.with("origin", PAGE).get("/assistants").await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(PAGE));
    let exposed = "x-request-id,openai-poll-after-ms,retry-after,content-location";
    assert_eq!(reply.header("access-control-expose-headers"), Some(exposed));
    reply.refused(401);
}

#[tokio::test]
async fn pages_of_other_origins_may_not() {
    let api = server(&[PAGE]);
    for origin in ["https://example.org", "http://example.com", "https://example.com:444", "null"] {
        let (_, headers) = preflight(&api, origin).await;
        assert_eq!(header(&headers, "access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test]
async fn a_star_lets_all_ask() {
    let (_, headers) = preflight(&server(&[PAGE, "*"]), "https://example.org").await;
    assert_eq!(header(&headers, "access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn without_keys_only_pages_of_allowed_origins_may_ask() {
    let api = Api::built(Server::builder().allowed_origins([PAGE]));
    api.get("/assistants").await.ok();
    api.with("origin", PAGE).get("/assistants").await.ok();
    for origin in ["https://example.org", "null", "http://127.0.0.1:8080"] {
        for path in ["/assistants", "/metrics", "/nothing"] {
            let error = api.with("origin", origin).get(path).await.refused(403);
            assert_eq!(error["code"], "forbidden");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&format!("'{origin}', start it with")), "{message}");
        }
    }
    let any = Api::built(Server::builder().allowed_origins(["*"]));
    any.with("origin", "https://example.org").get("/assistants").await.ok();
}

/// The status of the reply to a request for a host.
async fn asked_as(address: SocketAddr, target: &str, host: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    socket.read_to_string(&mut reply).await.unwrap();
    reply.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn without_keys_a_page_cannot_ask_under_a_name_of_its_own() {
    let server = Server::builder().spawn().await.unwrap();
    let address = server.address();
    let own = address.to_string();
    for host in [&own, "localhost", "LOCALHOST:8080", "127.0.0.2", "[::1]:80", "[::1]"] {
        assert_eq!(asked_as(address, "/assistants", host).await, "200", "{host}");
    }
    for host in
        ["evil.example", "evil.example:80", "192.168.0.1", "localhost.evil.example", "", "a b"]
    {
        assert_eq!(asked_as(address, "/assistants", host).await, "403", "{host}");
    }
    let target = "http://evil.example/assistants";
    assert_eq!(asked_as(address, target, "localhost").await, "403");
    let server = Server::builder().api_keys(["sk-key"]).spawn().await.unwrap();
    assert_eq!(asked_as(server.address(), "/healthz", "api.example.com").await, "200");
}

#[test]
fn what_is_no_origin_is_refused() {
    for origin in ["", "example.com", "https://", "https://example.com/", "https://a.b/c", "a b"] {
        let error = Server::builder().allowed_origins([PAGE, origin]).app().unwrap_err();
        assert!(matches!(&error, StartError::Origin(told) if told == origin), "{error}");
    }
    for origin in
        ["http://localhost:3000", "https://EXAMPLE.com", "http://[::1]:80", "tauri://localhost"]
    {
        assert!(Server::builder().allowed_origins([origin]).app().is_ok(), "{origin}");
    }
}
