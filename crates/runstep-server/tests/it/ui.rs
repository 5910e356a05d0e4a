//! The page `/ui`. Its behavior in a browser is tested by `cargo xtask ui`.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Response};
use runstep_server::Server;
use serde_json::json;

use crate::harness::TestClient;

const FILES: [(&str, &str); 4] = [
    ("/ui/", "text/html; charset=utf-8"),
    ("/ui/app.js", "text/javascript; charset=utf-8"),
    ("/ui/app.css", "text/css; charset=utf-8"),
    ("/ui/icon.svg", "image/svg+xml"),
];

fn client_with_page() -> TestClient {
    TestClient::from_builder(Server::builder().ui(true))
}

async fn get(client: &TestClient, path: &str) -> Response<Body> {
    client.send(Method::GET, path, Body::empty()).await
}

#[tokio::test]
async fn files_have_a_strict_policy_and_a_tag() {
    let client = client_with_page();
    for (path, media_type) in FILES {
        let response = get(&client, path).await;
        let headers = response.headers().clone();
        assert_eq!(
            (response.status().as_u16(), &headers["content-type"]),
            (200, &media_type.parse().unwrap())
        );
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let content = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(content.len() > 100, "{path} is empty");

        let tag = headers["etag"].to_str().unwrap();
        let unchanged = get(&client.with_header("if-none-match", tag), path).await;
        assert_eq!(
            (unchanged.status().as_u16(), &unchanged.headers()["etag"]),
            (304, &headers["etag"])
        );
        let changed = get(&client.with_header("if-none-match", "\"other\""), path).await;
        assert_eq!(changed.status(), 200);
    }
}

#[tokio::test]
async fn address_without_a_slash_leads_to_the_page() {
    let response = get(&client_with_page(), "/ui").await;
    // The address is relative to that of the request, which may be behind a path of a proxy.
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (308, &"ui/".parse().unwrap())
    );
}

#[tokio::test]
async fn page_needs_no_key_and_its_data_does() {
    let builder = Server::builder().ui(true).api_keys(["sk-key"]);
    let client = TestClient::from_builder(builder);
    for (path, _) in FILES {
        assert_eq!(get(&client, path).await.status(), 200, "{path}");
    }
    client.get("/assistants").await.expect_error(401);
}

#[tokio::test]
async fn page_is_absent_by_default() {
    let client = TestClient::from_builder(Server::builder());
    for path in ["/ui", "/ui/", "/ui/app.js", "/v1/ui/"] {
        client.get(path).await.expect_error(404);
    }
    client_with_page().get("/ui/other.js").await.expect_error(404);
    client_with_page().post("/ui/", json!({})).await.expect_error(405);
}

/// Browsers send the origin of a page with its POST requests.
#[tokio::test]
async fn page_of_the_server_can_send_requests_and_other_pages_cannot() {
    let client = client_with_page();
    let post = async |origin: &str, host: &str| {
        let client = client.with_header("origin", origin).with_header("host", host);
        client.post("/v1/threads", json!({})).await
    };
    for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "192.168.1.7:80"] {
        post(&format!("http://{host}"), host).await.ok();
    }
    // The second is a page whose host name leads to this server.
    for (origin, host) in [
        ("http://127.0.0.1:8081", "127.0.0.1:8080"),
        ("http://example.com:8080", "example.com:8080"),
        ("http://example.com", "127.0.0.1:8080"),
        ("null", "127.0.0.1:8080"),
        ("ftp://127.0.0.1:8080", "127.0.0.1:8080"),
    ] {
        post(origin, host).await.expect_error(403);
    }
}
