//! What goes wrong, and what the error says about it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::error::Error as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use axum::body::{Body, Bytes};
use runstep::types::Run;
use runstep::{Client, ClientBuilder, Error, ErrorKind, Result, RetryPolicy};
use support::{KEY, Recorder, example, reply};

const JSON: &[(&str, &str)] = &[("content-type", "application/json"), ("x-request-id", "req_42")];

async fn retrieve(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

async fn error_of(server: &Recorder) -> Error {
    retrieve(&server.client()).await.unwrap_err()
}

/// All that an error says, for reading.
fn text(error: &Error) -> String {
    let text = format!("{error}\n\n{error:#?}");
    assert!(!text.contains(KEY), "{text}");
    text
}

/// Answers one connection with these bytes and closes it.
fn raw(bytes: impl Into<Vec<u8>>) -> Client {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(&bytes).unwrap();
    });
    once(&url).build().unwrap()
}

/// A client that sends each request once.
fn once(url: &str) -> ClientBuilder {
    Client::builder(url).api_key(KEY).retry_policy(RetryPolicy::none())
}

#[tokio::test]
async fn the_apis_own_form_is_taken_apart() {
    let body = r#"{"error": {"message": "Invalid type for 'tools'.",
        "type": "invalid_request_error", "param": "tools", "code": "invalid_type"}}"#;
    let error = error_of(&Recorder::with_reply(400, JSON, body).await).await;
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
async fn nulls_in_the_apis_form_are_none() {
    let body = r#"{"error": {"message": "No run found with id 'run_X'.",
        "type": "invalid_request_error", "param": null, "code": null}}"#;
    let error = error_of(&Recorder::with_reply(404, &[], body).await).await;
    assert!(error.is_not_found());
    assert_eq!((error.param(), error.code(), error.request_id()), (None, None, None));
    assert_eq!(error.to_string(), "No run found with id 'run_X'. (status 404)");
}

#[tokio::test]
async fn azures_code_may_be_a_number_and_its_type_absent() {
    let body = r#"{"error": {"code": 429, "message": "Rate limit is exceeded."}}"#;
    let headers = &[("apim-request-id", "azure-7")];
    let error = error_of(&Recorder::with_reply(429, headers, body).await).await;
    assert!(error.is_rate_limited());
    assert_eq!((error.code(), error.error_type()), (Some("429"), None));
    assert_eq!(error.request_id(), Some("azure-7"));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn an_error_may_be_a_mere_text() {
    let error =
        error_of(&Recorder::with_reply(503, JSON, r#"{"error": "overloaded"}"#).await).await;
    assert_eq!((error.message(), error.status()), ("overloaded", Some(503)));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn an_error_may_lie_at_the_top() {
    let body = r#"{"code": "InvalidAuth", "message": "No such tenant."}"#;
    let error = error_of(&Recorder::with_reply(403, &[], body).await).await;
    assert!(error.is_authentication());
    assert_eq!((error.message(), error.code()), ("No such tenant.", Some("InvalidAuth")));
}

#[tokio::test]
async fn a_proxys_html_is_shown_in_part() {
    let body = format!(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\n{}</body></html>",
        "<p>nginx</p>\n".repeat(100)
    );
    let server = Recorder::with_reply(502, &[("content-type", "text/html")], body.clone()).await;
    let error = error_of(&server).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(502)));
    assert_eq!(error.body(), Some(body.as_str()));
    assert_eq!(error.code(), None);
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn an_empty_error_reply_still_says_its_status() {
    let error = error_of(&Recorder::with_reply(504, JSON, "").await).await;
    assert_eq!(error.body(), Some(""));
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn json_that_is_no_error_object_is_shown() {
    let error = error_of(&Recorder::with_reply(500, JSON, r#"["what", 1]"#).await).await;
    insta::assert_snapshot!(text(&error));
}

#[tokio::test]
async fn an_error_body_is_kept_to_one_mebibyte() {
    let server = Recorder::with_reply(500, &[], "x".repeat(3 << 20)).await;
    assert_eq!(error_of(&server).await.body().map(str::len), Some(1 << 20));
}

#[tokio::test]
async fn a_body_that_cannot_be_decoded_is_kept_to_one_mebibyte() {
    let server = Recorder::with_reply(200, JSON, "x".repeat(3 << 20)).await;
    assert_eq!(error_of(&server).await.body().map(str::len), Some(1 << 20));
}

#[tokio::test]
async fn an_error_body_that_breaks_off_is_still_an_error_reply() {
    let client = raw("HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\n{\"error\": {\"mess");
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(500)));
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_a_broken_connection() {
    let client = raw("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"id\": \"run_abc");
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(!error.is_connect() && !error.is_decode());
    assert_eq!(error.to_string(), "the connection failed (status 200)");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_chunked_reply_that_breaks_off_is_a_broken_connection() {
    let client = raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n");
    assert_eq!(retrieve(&client).await.unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn json_that_breaks_off_cannot_be_decoded() {
    let body = &example("Run").to_string()[..100];
    let error = error_of(&Recorder::with_reply(200, JSON, body.to_owned()).await).await;
    assert!(error.is_decode());
    assert_eq!(error.body(), Some(body));
    text(&error);
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn a_reply_that_is_no_json_cannot_be_decoded() {
    let body = format!("<html>\n\n  <body>Sign in{}", " to the hotel's network".repeat(50));
    let headers = &[("x-request-id", "req_42"), ("content-type", "text/html")];
    let error = error_of(&Recorder::with_reply(200, headers, body).await).await;
    assert!(error.is_decode());
    assert_eq!((error.status(), error.request_id()), (Some(200), Some("req_42")));
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn an_empty_reply_cannot_be_decoded() {
    let error = error_of(&Recorder::with_reply(200, JSON, "").await).await;
    assert!(error.is_decode());
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn a_wrong_type_deep_in_a_reply_is_named_by_its_path() {
    let mut list = example("RunList");
    list["data"][0]["usage"] = serde_json::json!({
        "prompt_tokens": 1, "completion_tokens": "many", "total_tokens": 1,
    });
    let error = error_of_list(list).await;
    assert!(error.message().contains("`data[0].usage.completion_tokens`"), "{error}");
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn a_wrong_type_in_a_union_is_named_by_its_path() {
    let mut list = example("RunList");
    list["data"][0]["required_action"] = serde_json::json!({
        "type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [{
            "type": "function", "id": 7, "function": {"name": "f", "arguments": ""},
        }]},
    });
    let error = error_of_list(list).await;
    let path = "`data[0].required_action.submit_tool_outputs.tool_calls[0].id`";
    assert!(error.message().contains(path), "{error}");
}

async fn error_of_list(list: serde_json::Value) -> Error {
    let server = Recorder::with_reply(200, JSON, list.to_string()).await;
    let error = server.client().runs("thread_abc123").list().await.unwrap_err();
    assert!(error.is_decode());
    assert!(error.message().contains("; there is: "), "{error}");
    error
}

/// 65 MiB in chunks, so that nothing tells the length before.
#[tokio::test]
async fn a_reply_without_end_is_given_up() {
    let server = Recorder::start(|_| {
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        let chunks = (0..65).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
        reply(200, JSON, Body::from_stream(futures_util::stream::iter(chunks)))
    })
    .await;
    let error = error_of(&server).await;
    assert!(error.is_decode(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the reply is longer than 67108864 bytes (status 200, request id req_42)"
    );
}

#[tokio::test]
async fn a_refused_connection_is_told_as_such() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = once(&format!("http://{free}")).build().unwrap();
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.is_connect() && !error.is_timeout());
    assert_eq!(error.to_string(), "could not connect to the server");
    assert_eq!((error.status(), error.body(), error.request_id()), (None, None, None));
    assert!(error.source().unwrap().source().is_some());
    text(&error);
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = once(&format!("http://{}", silent.local_addr().unwrap()))
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_timeout() && !error.is_connect());
    assert_eq!(error.to_string(), "the request timed out");
    text(&error);
}

#[tokio::test]
async fn a_reply_that_never_ends_is_a_timeout() {
    let server = Recorder::start(|_| {
        let never = futures_util::stream::pending::<std::result::Result<Bytes, std::io::Error>>();
        reply(200, JSON, Body::from_stream(never))
    })
    .await;
    let client = server.builder().timeout(Duration::from_millis(50)).build().unwrap();
    assert_eq!(retrieve(&client).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn which_errors_are_about_the_key() {
    for (status, about_the_key) in [(400, false), (401, true), (403, true), (404, false)] {
        let error = error_of(&Recorder::with_reply(status, &[], "{}").await).await;
        assert_eq!(error.is_authentication(), about_the_key, "{status}");
    }
}

/// The head of an error reply, and a part of its body.
fn error_head(rest: &str) -> String {
    format!("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 999\r\nx-request-id: req_7\r\n\r\n{rest}")
}

#[tokio::test]
async fn an_error_reply_that_breaks_off_says_so() {
    let error = retrieve(&raw(error_head(r#"{"error": {"mess"#))).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(502)));
    assert!(error.source().is_some());
    insta::assert_snapshot!(error, @r#"the reply broke off, after 16 bytes: {"error": {"mess (status 502, request id req_7)"#);
    let error = retrieve(&raw(error_head(""))).await.unwrap_err();
    insta::assert_snapshot!(error, @"the reply broke off, after 0 bytes (status 502, request id req_7)");
}

#[tokio::test]
async fn an_error_reply_that_does_not_come_whole_says_so() {
    let server = Recorder::start(|_| {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from("{\"er"))]);
        let never = futures_util::StreamExt::chain(begun, futures_util::stream::pending());
        reply(500, &[], Body::from_stream(never))
    })
    .await;
    let client = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!((error.status(), error.body()), (Some(500), Some("{\"er")));
    insta::assert_snapshot!(error, @r#"the reply did not come whole before the timeout, after 4 bytes: {"er (status 500)"#);
}

#[tokio::test]
async fn an_error_reply_without_end_says_so() {
    let body = format!("{{\"error\": \"{}\"}}", "x".repeat(1 << 20));
    let error = error_of(&Recorder::with_reply(500, &[], body).await).await;
    assert_eq!(error.body().map(str::len), Some(1 << 20));
    assert!(error.message().starts_with("the reply is longer than an error is read"), "{error}");
}

/// A reply of success that is cut, late or endless came with a status all the same.
#[tokio::test]
async fn the_status_is_known_from_its_line_on() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 999\r\nx-request-id: req_7\r\n\r\n{";
    let error = retrieve(&raw(head)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Connection, Some(200)));
    assert_eq!(error.request_id(), Some("req_7"));
    let error = retrieve(&raw(head.replace("200 OK", "201 Created"))).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Connection, Some(201)));
    for status in [200, 201] {
        let server = Recorder::start(move |_| {
            let never =
                futures_util::stream::pending::<std::result::Result<Bytes, std::io::Error>>();
            reply(status, &[("x-request-id", "req_7")], Body::from_stream(never))
        })
        .await;
        let client = server.builder().timeout(Duration::from_millis(300)).build().unwrap();
        let error = retrieve(&client).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!((error.status(), error.request_id()), (Some(status), Some("req_7")));
    }
}

#[tokio::test]
async fn however_long_the_servers_words_are_what_is_shown_is_short() {
    let long = "x".repeat(100_000);
    let body = serde_json::json!({"error": {
        "message": long, "type": long, "param": long, "code": long,
    }});
    let error = error_of(&Recorder::with_reply(400, &[], body.to_string()).await).await;
    assert_eq!(error.message(), long);
    assert_eq!((error.param(), error.code()), (Some(long.as_str()), Some(long.as_str())));
    assert!(error.to_string().len() < 2000, "{} bytes", error.to_string().len());
    assert!(format!("{error:?}").len() < 4000, "{} bytes", format!("{error:?}").len());
}
