//! Limits on the memory of request bodies, and their compression.

use std::io::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use runstep_server::Server;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{TestClient, run_pending_tasks};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn compressed_client(encoding: &str) -> TestClient {
    TestClient::with_turns([]).with_header("content-encoding", encoding)
}

#[tokio::test(start_paused = true)]
async fn gzip_bodies_are_decompressed() {
    let body = json!({"metadata": {"city": "Paris"}}).to_string();
    for encoding in ["gzip", "x-gzip", "GZIP", "identity, gzip"] {
        let client = compressed_client(encoding);
        let thread = client.post_raw("/threads", gzip(body.as_bytes())).await.ok();
        assert_eq!(thread["metadata"]["city"], "Paris", "{encoding}");
        let (first, second) = body.as_bytes().split_at(9);
        let members = [gzip(first), gzip(second)].concat();
        client.post_raw("/threads", members).await.ok();
    }
    compressed_client("identity").post_raw("/threads", body).await.ok();
    compressed_client("gzip").post_raw("/threads", "").await.ok();
}

#[tokio::test(start_paused = true)]
async fn decompressed_length_is_limited() {
    let client = compressed_client("gzip");
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    let error = client.post_raw("/threads", bomb).await.expect_error(413);
    assert_eq!(error["code"], "request_too_large");
}

#[tokio::test(start_paused = true)]
async fn other_encodings_are_refused() {
    for encoding in ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "zip\u{fc}"] {
        let response = compressed_client(encoding).post_raw("/threads", "{}").await;
        assert_eq!(response.header("accept-encoding"), Some("gzip"));
        let error = response.expect_error(415);
        assert_eq!(error["code"], "unsupported_encoding", "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_gzip_is_refused() {
    let whole = gzip(b"{}");
    for body in [b"{}".to_vec(), whole[..whole.len() - 4].to_vec(), vec![0x1f, 0x8b]] {
        let error = compressed_client("gzip").post_raw("/threads", body).await.expect_error(400);
        assert_eq!(error["code"], "invalid_encoding");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_too_many_values_are_refused() {
    let client = TestClient::with_turns([]);
    let assistant = |items: &str, count: usize| {
        let parameters = format!(r#"{{"enum":[{}0]}}"#, items.repeat(count));
        format!(
            r#"{{"model":"m","tools":[{{"type":"function",
                "function":{{"name":"f","parameters":{parameters}}}}}]}}"#
        )
    };
    for item in ["0,", "{},", r#"{"":0},"#, "[[]],", r#""","#] {
        client.post_raw("/assistants", assistant(item, 1000)).await.ok();
        let error = client.post_raw("/assistants", assistant(item, 1_000_000)).await;
        assert_eq!(error.expect_error(400)["code"], "too_many_values", "{item}");
    }
    // Texts of any length up to that of the body are accepted.
    let text = "[{,".repeat(1_000_000);
    let metadata = json!({"model": "m", "tools": [{"type": "function",
        "function": {"name": "f", "description": text}}]});
    client.post("/assistants", metadata).await.ok();
}

/// A body that declares no length, sends this many bytes, and then nothing more.
fn stalled_body(length: usize) -> Body {
    let start =
        stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(vec![b' '; length])) });
    Body::from_stream(start.chain(stream::pending()))
}

#[tokio::test(start_paused = true)]
async fn long_bodies_share_a_limit_and_short_ones_are_exempt() {
    let limit = 1024 * 1024;
    let builder = Server::builder().max_body_bytes(limit).max_buffered_body_bytes(limit);
    let client = TestClient::from_builder(builder);
    let long = format!(r#"{{"metadata": {{}}{}}}"#, " ".repeat(100 * 1024));
    client.post_raw("/threads", long.clone()).await.ok();

    let holder = tokio::spawn({
        let client = client.clone();
        async move { client.send(Method::POST, "/threads", stalled_body(100 * 1024)).await }
    });
    run_pending_tasks().await;
    let started = Instant::now();
    let response = client.send(Method::POST, "/threads", long.clone().into()).await;
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let error = &serde_json::from_slice::<Value>(&bytes).unwrap()["error"];
    assert_eq!((&error["code"], &error["type"]), (&"server_busy".into(), &"server_error".into()));
    client.post("/threads", json!({})).await.ok();

    // A long body waits for another one to end.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.post_raw("/threads", long).await }
    });
    run_pending_tasks().await;
    holder.abort();
    waiting.await.unwrap().ok();
}

#[tokio::test(start_paused = true)]
async fn idle_bodies_do_not_reserve_memory() {
    let limit = 1024 * 1024;
    let builder = Server::builder().max_body_bytes(limit).max_buffered_body_bytes(limit);
    let client = TestClient::from_builder(builder);
    for _ in 0..20 {
        let client = client.clone();
        tokio::spawn(
            async move { client.send(Method::POST, "/threads", stalled_body(1024)).await },
        );
    }
    run_pending_tasks().await;
    let long = format!(r#"{{"metadata": {{}}{}}}"#, " ".repeat(100 * 1024));
    client.post_raw("/threads", long).await.ok();
}
