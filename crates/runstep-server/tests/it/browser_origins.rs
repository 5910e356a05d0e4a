//! CORS, and protection of servers without keys against other web pages.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, Method};
use runstep_server::{Server, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::TestClient;

const PAGE: &str = "https://example.com";

fn client_of_server_allowing(origins: &[&str]) -> TestClient {
    TestClient::from_builder(
        Server::builder().allowed_origins(origins.iter().copied()).api_keys(["sk-key"]),
    )
}

/// Sends the preflight request of a page that creates a run; returns its status and headers.
async fn preflight(client: &TestClient, origin: &str) -> (u16, HeaderMap) {
    let client = client
        .with_header("origin", origin)
        .with_header("access-control-request-method", "POST")
        .with_header("access-control-request-headers", "authorization,openai-beta");
    let request = axum::http::Request::builder().method(Method::OPTIONS).uri("/v1/threads/runs");
    let response = client.send_request(request.body(Body::empty()).unwrap()).await;
    (response.status().as_u16(), response.headers().clone())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
    let (status, headers) = preflight(&client_of_server_allowing(&[]), PAGE).await;
    assert_eq!(status, 405);
    assert_eq!(header(&headers, "access-control-allow-origin"), None);
    let response =
        client_of_server_allowing(&[]).with_header("origin", PAGE).get("/assistants").await;
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn allowed_origin_may_send_client_headers() {
    let client = client_of_server_allowing(&["https://other.example:8443", PAGE]);
    for origin in [PAGE, "https://other.example:8443"] {
        let (status, headers) = preflight(&client, origin).await;
        assert_eq!(status, 200, "without a key");
        assert_eq!(header(&headers, "access-control-allow-origin"), Some(origin));
        assert_eq!(header(&headers, "access-control-allow-methods"), Some("GET,POST,DELETE"));
        let allowed = header(&headers, "access-control-allow-headers");
        assert_eq!(allowed, Some("authorization,openai-beta"));
    }
    let response = client.with_header("origin", PAGE).get("/assistants").await;
    assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
    let exposed = "x-request-id,openai-poll-after-ms,retry-after,content-location";
    assert_eq!(response.header("access-control-expose-headers"), Some(exposed));
    response.expect_error(401);
}

#[tokio::test]
async fn other_origins_are_not_allowed() {
    let client = client_of_server_allowing(&[PAGE]);
    for origin in ["https://example.org", "http://example.com", "https://example.com:444", "null"] {
        let (_, headers) = preflight(&client, origin).await;
        assert_eq!(header(&headers, "access-control-allow-origin"), None, "{origin}");
    }
}

#[tokio::test]
async fn wildcard_allows_every_origin() {
    let (_, headers) =
        preflight(&client_of_server_allowing(&[PAGE, "*"]), "https://example.org").await;
    assert_eq!(header(&headers, "access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn without_keys_other_origins_are_forbidden() {
    let client = TestClient::from_builder(Server::builder().allowed_origins([PAGE]));
    client.get("/assistants").await.ok();
    client.with_header("origin", PAGE).get("/assistants").await.ok();
    for origin in ["https://example.org", "null", "http://127.0.0.1:8080"] {
        for path in ["/assistants", "/metrics", "/nothing"] {
            let error = client.with_header("origin", origin).get(path).await.expect_error(403);
            assert_eq!(error["code"], "forbidden");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&format!("'{origin}', start it with")), "{message}");
        }
    }
    let client = TestClient::from_builder(Server::builder().allowed_origins(["*"]));
    client.with_header("origin", "https://example.org").get("/assistants").await.ok();
}

/// Sends a request with this target and `Host` header; returns the status.
async fn status_for_host(address: SocketAddr, target: &str, host: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).await.unwrap();
    response.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn without_keys_only_local_host_names_are_served() {
    let server = Server::builder().spawn().await.unwrap();
    let address = server.address();
    let own_address = address.to_string();
    for host in [&own_address, "localhost", "LOCALHOST:8080", "127.0.0.2", "[::1]:80", "[::1]"] {
        assert_eq!(status_for_host(address, "/assistants", host).await, "200", "{host}");
    }
    for host in
        ["evil.example", "evil.example:80", "192.168.0.1", "localhost.evil.example", "", "a b"]
    {
        assert_eq!(status_for_host(address, "/assistants", host).await, "403", "{host}");
    }
    let target = "http://evil.example/assistants";
    assert_eq!(status_for_host(address, target, "localhost").await, "403");
    let server = Server::builder().api_keys(["sk-key"]).spawn().await.unwrap();
    assert_eq!(status_for_host(server.address(), "/healthz", "api.example.com").await, "200");
}

#[test]
fn malformed_origins_are_rejected() {
    for origin in ["", "example.com", "https://", "https://example.com/", "https://a.b/c", "a b"] {
        let error = Server::builder().allowed_origins([PAGE, origin]).app().unwrap_err();
        assert!(matches!(&error, StartError::Origin(rejected) if rejected == origin), "{error}");
    }
    for origin in
        ["http://localhost:3000", "https://EXAMPLE.com", "http://[::1]:80", "tauri://localhost"]
    {
        assert!(Server::builder().allowed_origins([origin]).app().is_ok(), "{origin}");
    }
}
