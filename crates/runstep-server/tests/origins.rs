//! Which web pages may ask the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use axum::body::Body;
use axum::http::{HeaderMap, Method};
use runstep_server::{Server, StartError};
use support::Api;

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
    let exposed = "x-request-id,openai-poll-after-ms,retry-after";
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
