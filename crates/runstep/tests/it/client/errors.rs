//! Errors: kinds, messages and details.

use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use axum::body::{Body, Bytes};
use runstep::{Client, ClientBuilder, Error, ErrorKind, RetryPolicy};

use crate::harness::{
    API_KEY, RecordingServer, example, hanging_body, http_response, retrieve_error, retrieve_run,
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json"), ("x-request-id", "req_42")];

/// Display and Debug output of an error, for snapshots.
fn text(error: &Error) -> String {
    let text = format!("{error}\n\n{error:#?}");
    assert!(!text.contains(API_KEY), "{text}");
    text
}

/// A client of a server that sends these bytes on its first connection and closes it.
fn client_of_raw_response(bytes: impl Into<Vec<u8>>) -> Client {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(&bytes).unwrap();
    });
    builder_without_retries(&url).build().unwrap()
}

/// A client without retries.
fn builder_without_retries(url: &str) -> ClientBuilder {
    Client::builder(url).api_key(API_KEY).retry_policy(RetryPolicy::none())
}

#[tokio::test]
async fn api_error_object_is_parsed() {
    let body = r#"{"error": {"message": "Invalid type for 'tools'.",
        "type": "invalid_request_error", "param": "tools", "code": "invalid_type"}}"#;
    let error = retrieve_error(&RecordingServer::with_response(400, JSON, body).await).await;
    assert_eq!(error.kind(), ErrorKind::Api);
    assert_eq!(error.status(), Some(400));
    assert_eq!(error.message(), "Invalid type for 'tools'.");
    assert_eq!(error.error_type(), Some("invalid_request_error"));
    assert_eq!(error.param(), Some("tools"));
    assert_eq!(error.code(), Some("invalid_type"));
    assert_eq!(error.request_id(), Some("req_42"));
    assert_eq!(error.body(), Some(body));
    assert!(error.run().is_none());
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn null_fields_of_api_error_are_none() {
    let body = r#"{"error": {"message": "No run found with id 'run_X'.",
        "type": "invalid_request_error", "param": null, "code": null}}"#;
    let error = retrieve_error(&RecordingServer::with_response(404, &[], body).await).await;
    assert!(error.is_not_found());
    assert_eq!((error.param(), error.code(), error.request_id()), (None, None, None));
    assert_eq!(error.to_string(), "No run found with id 'run_X'. (status 404)");
}

#[tokio::test]
async fn azure_error_may_have_numeric_code_and_no_type() {
    let body = r#"{"error": {"code": 429, "message": "Rate limit is exceeded."}}"#;
    let headers = &[("apim-request-id", "azure-7")];
    let error = retrieve_error(&RecordingServer::with_response(429, headers, body).await).await;
    assert!(error.is_rate_limited());
    assert_eq!((error.code(), error.error_type()), (Some("429"), None));
    assert_eq!(error.request_id(), Some("azure-7"));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn error_may_be_a_string() {
    let error = retrieve_error(
        &RecordingServer::with_response(503, JSON, r#"{"error": "overloaded"}"#).await,
    )
    .await;
    assert_eq!((error.message(), error.status()), ("overloaded", Some(503)));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn error_may_be_the_top_level_object() {
    let body = r#"{"code": "InvalidAuth", "message": "No such tenant."}"#;
    let error = retrieve_error(&RecordingServer::with_response(403, &[], body).await).await;
    assert!(error.is_authentication());
    assert_eq!((error.message(), error.code()), ("No such tenant.", Some("InvalidAuth")));
}

#[tokio::test]
async fn html_error_body_is_shown_truncated() {
    let body = format!(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\n{}</body></html>",
        "<p>nginx</p>\n".repeat(100)
    );
    let server =
        RecordingServer::with_response(502, &[("content-type", "text/html")], body.clone()).await;
    let error = retrieve_error(&server).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(502)));
    assert_eq!(error.body(), Some(body.as_str()));
    assert_eq!(error.code(), None);
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn empty_error_body_shows_status() {
    let error = retrieve_error(&RecordingServer::with_response(504, JSON, "").await).await;
    assert_eq!(error.body(), Some(""));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn json_without_error_object_is_shown() {
    let error =
        retrieve_error(&RecordingServer::with_response(500, JSON, r#"["what", 1]"#).await).await;
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn error_body_is_limited_to_one_mebibyte() {
    let server = RecordingServer::with_response(500, &[], "x".repeat(3 << 20)).await;
    assert_eq!(retrieve_error(&server).await.body().map(str::len), Some(1 << 20));
}

#[tokio::test]
async fn undecodable_body_is_limited_to_one_mebibyte() {
    let server = RecordingServer::with_response(200, JSON, "x".repeat(3 << 20)).await;
    assert_eq!(retrieve_error(&server).await.body().map(str::len), Some(1 << 20));
}

#[tokio::test]
async fn truncated_error_body_is_still_an_api_error() {
    let client =
        client_of_raw_response("HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\n{\"error\": {\"mess");
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(500)));
}

#[tokio::test]
async fn truncated_body_is_a_connection_error() {
    let client =
        client_of_raw_response("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\": \"run_abc");
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(!error.is_connect() && !error.is_decode());
    insta::assert_snapshot!(error, @r#"the connection failed: end of file before message length reached (status 200)"#);
    assert!(error.source().is_some());
}

#[tokio::test]
async fn truncated_chunked_body_is_a_connection_error() {
    let client = client_of_raw_response(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n",
    );
    assert_eq!(retrieve_run(&client).await.unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn incomplete_json_is_a_decode_error() {
    let body = &example("Run").to_string()[..100];
    let error =
        retrieve_error(&RecordingServer::with_response(200, JSON, body.to_owned()).await).await;
    assert!(error.is_decode());
    assert_eq!(error.body(), Some(body));
    text(&error);
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn html_with_success_status_is_a_decode_error() {
    let body = format!("<html>\n\n  <body>Sign in{}", " to the hotel's network".repeat(50));
    let headers = &[("x-request-id", "req_42"), ("content-type", "text/html")];
    let error = retrieve_error(&RecordingServer::with_response(200, headers, body).await).await;
    assert!(error.is_decode());
    assert_eq!((error.status(), error.request_id()), (Some(200), Some("req_42")));
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn empty_body_is_a_decode_error() {
    let error = retrieve_error(&RecordingServer::with_response(200, JSON, "").await).await;
    assert!(error.is_decode());
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn decode_error_names_path_of_a_property() {
    let mut run = example("Run");
    run["thread_id"] = serde_json::Value::Null;
    let error = decode_error(&run).await;
    assert!(error.message().contains("`thread_id`"), "{error}");
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn decode_error_names_missing_property() {
    let mut run = example("Run");
    run.as_object_mut().unwrap().shift_remove("status");
    let error = decode_error(&run).await;
    assert!(error.message().contains("at the top level: missing field `status`"), "{error}");
}

async fn decode_error(run: &serde_json::Value) -> Error {
    let server = RecordingServer::with_response(200, JSON, run.to_string()).await;
    let error = server.client().runs("thread_abc123").retrieve("run_abc123").await.unwrap_err();
    assert!(error.is_decode());
    assert!(error.message().contains("; found: "), "{error}");
    error
}

/// 65 MiB in chunks, so that no header contains the length.
#[tokio::test]
async fn too_long_body_is_a_decode_error() {
    let server = RecordingServer::start(|_| {
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        let chunks = (0..65).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        http_response(200, JSON, Body::from_stream(futures_util::stream::iter(chunks)))
    })
    .await;
    let error = retrieve_error(&server).await;
    assert!(error.is_decode(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the response is longer than 67108864 bytes (status 200, request id req_42)"
    );
}

#[tokio::test]
async fn refused_connection_is_a_connect_error() {
    let unused_address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = builder_without_retries(&format!("http://{unused_address}")).build().unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.is_connect() && !error.is_timeout());
    let message = "could not connect to the server: tcp connect error: ";
    assert!(error.to_string().starts_with(message), "{error}");
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    assert_eq!((error.status(), error.body(), error.request_id()), (None, None, None));
    assert!(error.source().unwrap().source().is_some());
    text(&error);
}

/// The server does not speak TLS.
#[tokio::test]
async fn failed_handshake_is_named_in_message() {
    let server = RecordingServer::with_response(200, JSON, "{}").await;
    let url = server.base_url().replace("http://", "https://");
    let client = builder_without_retries(&url).build().unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    // The TLS library defines the text.
    let cause = error.message().strip_prefix("could not connect to the server: ").unwrap();
    assert!(!cause.is_empty() && !cause.contains("refused"), "{error}");
    text(&error);
}

#[tokio::test]
async fn too_long_id_is_named_in_message() {
    let server = RecordingServer::with_response(200, JSON, "{}").await;
    let runs = server.client().runs("thread_abc123");
    let error = runs.retrieve("x".repeat(100_000)).await.unwrap_err();
    assert_eq!((error.kind(), server.count()), (ErrorKind::InvalidRequest, 0));
    let message = "the request cannot be built: its URL has 1000";
    assert!(error.message().starts_with(message), "{error}");
    assert!(error.message().ends_with("bytes, and at most 65534 are allowed"), "{error}");
}

#[tokio::test]
async fn control_characters_of_excerpts_are_escaped() {
    let body = "\u{1b}[31mred\u{0}\u{9b}m\n\tend";
    let error = retrieve_error(&RecordingServer::with_response(502, &[], body).await).await;
    insta::assert_snapshot!(error, @r#"the response is not an API error (no content type): \u{1b}[31mred\u{0}\u{9b}m end (status 502)"#);
}

#[tokio::test]
async fn unsupported_content_encoding_is_named_in_message() {
    let headers = &[("content-type", "application/json"), ("content-encoding", "gzip")];
    let body = "\u{1f}\u{8}not JSON";
    for status in [200, 201, 500] {
        let server = RecordingServer::with_response(status, headers, body).await;
        let error = retrieve_error(&server).await;
        let message = "the content encoding gzip is not supported";
        assert!(error.message().contains(message), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

#[tokio::test]
async fn missing_response_is_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = builder_without_retries(&format!("http://{}", silent.local_addr().unwrap()))
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_timeout() && !error.is_connect());
    assert_eq!(error.to_string(), "the request timed out");
    text(&error);
}

#[tokio::test]
async fn unfinished_body_is_a_timeout() {
    let server = RecordingServer::start(|_| http_response(200, JSON, hanging_body())).await;
    let client = server.builder().timeout(Duration::from_millis(50)).build().unwrap();
    assert_eq!(retrieve_run(&client).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn authentication_errors_are_401_and_403() {
    for (status, is_authentication) in [(400, false), (401, true), (403, true), (404, false)] {
        let error = retrieve_error(&RecordingServer::with_response(status, &[], "{}").await).await;
        assert_eq!(error.is_authentication(), is_authentication, "{status}");
    }
}

/// An error response whose body is shorter than its content-length.
fn truncated_error_response(body: &str) -> String {
    format!("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 999\r\nx-request-id: req_7\r\n\r\n{body}")
}

#[tokio::test]
async fn truncated_error_body_is_named_in_message() {
    let error =
        retrieve_run(&client_of_raw_response(truncated_error_response(r#"{"error": {"mess"#)))
            .await
            .unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(502)));
    assert!(error.source().is_some());
    insta::assert_snapshot!(error, @r#"the response was interrupted after 16 bytes: {"error": {"mess (status 502, request id req_7)"#);
    let error =
        retrieve_run(&client_of_raw_response(truncated_error_response(""))).await.unwrap_err();
    insta::assert_snapshot!(error, @"the response was interrupted after 0 bytes (status 502, request id req_7)");
}

#[tokio::test]
async fn error_body_cut_by_timeout_is_named_in_message() {
    let server = RecordingServer::start(|_| {
        let first_bytes =
            futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("{\"er"))]);
        let chunks = futures_util::StreamExt::chain(first_bytes, futures_util::stream::pending());
        http_response(500, &[], Body::from_stream(chunks))
    })
    .await;
    let client = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!((error.status(), error.body()), (Some(500), Some("{\"er")));
    insta::assert_snapshot!(error, @r#"the response timed out after 4 bytes: {"er (status 500)"#);
}

#[tokio::test]
async fn too_long_error_body_is_named_in_message() {
    let body = format!("{{\"error\": \"{}\"}}", "x".repeat(1 << 20));
    let error = retrieve_error(&RecordingServer::with_response(500, &[], body).await).await;
    assert_eq!(error.body().map(str::len), Some(1 << 20));
    assert!(error.message().starts_with("the response was truncated"), "{error}");
}

/// If the body of a success response is truncated or does not arrive, the error has the status.
#[tokio::test]
async fn error_within_body_has_status_and_request_id() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\nx-request-id: req_7\r\n\r\n{";
    let error = retrieve_run(&client_of_raw_response(head)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Connection, Some(200)));
    assert_eq!(error.request_id(), Some("req_7"));
    let error = retrieve_run(&client_of_raw_response(head.replace("200 OK", "201 Created")))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Connection, Some(201)));
    for status in [200, 201] {
        let server = RecordingServer::start(move |_| {
            http_response(status, &[("x-request-id", "req_7")], hanging_body())
        })
        .await;
        let client = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
        let error = retrieve_run(&client).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("req_7")));
    }
}

#[tokio::test]
async fn long_error_fields_are_truncated_in_output() {
    let long = "x".repeat(100_000);
    let body = serde_json::json!({"error": {
        "message": long, "type": long, "param": long, "code": long,
    }});
    let error =
        retrieve_error(&RecordingServer::with_response(400, &[], body.to_string()).await).await;
    assert_eq!(error.message(), long);
    assert_eq!((error.param(), error.code()), (Some(long.as_str()), Some(long.as_str())));
    assert!(error.to_string().len() < 2000, "{} bytes", error.to_string().len());
    assert!(format!("{error:?}").len() < 4000, "{} bytes", format!("{error:?}").len());
}
