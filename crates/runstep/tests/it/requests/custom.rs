//! Requests to endpoints that the crate has no method for.

use std::time::Duration;

use futures_util::stream;
use runstep::reqwest::{Body, Method};
use runstep::{AccessToken, Client, ErrorKind, Form};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{
    API_KEY, Behavior, RecordingServer, ScriptedServer, hanging_response, http_response,
    json_response,
};

#[derive(Debug, Deserialize, PartialEq)]
struct File {
    id: String,
}

#[tokio::test]
async fn request_has_auth_headers_query_and_json() {
    let server = RecordingServer::with_json(json!({"id": "vs_1"})).await;
    let client = server.builder().query("api-version", "1").build().unwrap();
    let request = client.request(Method::POST, "/vector_stores").json(&json!({"name": "docs"}));
    let store = request.query("trace", "a b").header("x-tenant", "7").await.unwrap();
    assert_eq!(store, json!({"id": "vs_1"}));
    let request = server.only_request();
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/v1/vector_stores?api-version=1&trace=a+b");
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("x-tenant"), Some("7"));
    assert!(request.header("idempotency-key").unwrap().starts_with("runstep-"));
    assert_eq!(request.body, r#"{"name":"docs"}"#);
}

#[tokio::test]
async fn response_is_returned_as_bytes_type_or_json() {
    let server =
        RecordingServer::with_response(201, &[("x-request-id", "req_1")], "{\"id\": \"file_1\"}")
            .await;
    let get = || server.client().request(Method::GET, "files/file_1");
    let response = get().send().await.unwrap();
    assert_eq!((response.status(), response.request_id()), (201, Some("req_1")));
    assert_eq!(response.body(), response.value());
    assert_eq!(response.into_inner(), "{\"id\": \"file_1\"}");
    let file: File = get().json_response().await.unwrap();
    assert_eq!(file, File { id: "file_1".to_owned() });
    assert_eq!(get().await.unwrap()["id"], "file_1");
    let error = get().json_response::<Vec<File>>().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Decode, Some(201)));
    assert_eq!(error.body(), Some("{\"id\": \"file_1\"}"));
}

/// Some servers send a byte order mark.
#[tokio::test]
async fn byte_order_mark_is_ignored_in_json() {
    for (body, expected) in [("\u{feff}{\"id\": 1}", json!({"id": 1})), ("\u{feff}", Value::Null)] {
        let server = RecordingServer::with_response(200, &[], body).await;
        let get = || server.client().request(Method::GET, "/files/file_1");
        assert_eq!(get().await.unwrap(), expected);
        assert_eq!(get().json_response::<Value>().await.unwrap(), expected);
        assert_eq!(get().send().await.unwrap().into_inner(), body);
    }
}

#[tokio::test]
async fn response_that_is_not_modified_is_not_called_a_redirect() {
    let server = RecordingServer::with_response(304, &[], "").await;
    let get = server.client().request(Method::GET, "/files/file_1").header("if-none-match", "1");
    let error = get.await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(304)));
    assert!(!error.message().contains("redirect"), "{error}");
}

#[tokio::test]
async fn response_without_body_is_null() {
    let server = RecordingServer::with_response(204, &[], "").await;
    let delete = || server.client().request(Method::DELETE, "/files/file_1");
    assert_eq!(delete().await.unwrap(), Value::Null);
    delete().json_response::<()>().await.unwrap();
    assert_eq!(server.requests()[0].header("idempotency-key"), None);
}

#[tokio::test]
async fn post_without_body_has_a_length() {
    let server = RecordingServer::with_json(json!({})).await;
    server.client().request(Method::POST, "/uploads/upload_1/cancel").await.unwrap();
    assert_eq!(server.only_request().header("content-length"), Some("0"));
}

#[tokio::test]
async fn form_is_sent_as_multipart() {
    let server = RecordingServer::with_json(json!({"id": "file_1"})).await;
    let form = Form::new().text("purpose", "assistants").file(
        "file",
        "a \"b\"\r\n.txt",
        "line 1\r\nline 2",
    );
    server.client().request(Method::POST, "/files").multipart(form).await.unwrap();
    let request = server.only_request();
    let content_type = request.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\n\
         content-disposition: form-data; name=\"purpose\"\r\n\r\n\
         assistants\r\n\
         --{boundary}\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"a %22b%22%0D%0A.txt\"\r\n\
         content-type: application/octet-stream\r\n\r\n\
         line 1\r\nline 2\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(std::str::from_utf8(&request.body).unwrap(), expected);
    assert_eq!(request.header("content-length"), Some(&*expected.len().to_string()));
}

#[tokio::test]
async fn paths_that_leave_the_base_url_are_rejected() {
    let server = RecordingServer::with_json(json!({})).await;
    for path in ["/../admin", "https://example.com/x", "//example.com/x", "/a/%2e%2e/b", "/a?b=c"] {
        let error = server.client().request(Method::GET, path).await.unwrap_err();
        assert_eq!((error.kind(), error.param()), (ErrorKind::InvalidRequest, Some("path")));
        assert!(error.message().ends_with("; nothing was sent"), "{error}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn value_that_cannot_be_serialized_is_rejected() {
    let server = RecordingServer::with_json(json!({})).await;
    let invalid = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = server.client().request(Method::POST, "/files").json(&invalid).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn error_response_is_an_api_error() {
    let body = r#"{"error": {"message": "No such file.", "code": "not_found"}}"#;
    let server = RecordingServer::with_response(404, &[], body).await;
    let error = server.client().request(Method::GET, "/files/file_1").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Api, "No such file."));
    assert!(error.is_not_found() && error.code() == Some("not_found"));
}

#[tokio::test]
async fn idempotent_requests_are_retried() {
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        let server = ScriptedServer::start([Behavior::status(500), Behavior::ok("")]).await;
        server.client().request(method.clone(), "/files").send().await.unwrap();
        assert_eq!(server.count(), 2, "{method}");
    }
    let server = ScriptedServer::start([Behavior::CloseInBody, Behavior::ok("{}")]).await;
    server.client().request(Method::GET, "/files").await.unwrap();
    assert_eq!(server.count(), 2, "an incomplete response is requested again");
}

#[tokio::test]
async fn post_is_not_retried_after_ambiguous_failure() {
    for method in [Method::POST, Method::PATCH] {
        for failure in [Behavior::status(500), Behavior::Reset] {
            let server = ScriptedServer::start([failure, Behavior::ok("{}")]).await;
            let request = server.client().request(method.clone(), "/files").body("text");
            request.await.unwrap_err();
            assert_eq!(server.count(), 1, "{method}");
        }
    }
}

#[tokio::test]
async fn rejected_upload_is_sent_again_completely() {
    let server = ScriptedServer::start([Behavior::status(429), Behavior::ok("{}")]).await;
    let form = Form::new().file("file", "a.txt", "content");
    server.client().request(Method::POST, "/files").multipart(form).await.unwrap();
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.body, second.body);
    assert!(String::from_utf8_lossy(&second.body).contains("content"));
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
}

fn streamed_body() -> Body {
    Body::wrap_stream(stream::iter(["a", "b"].map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn streamed_body_is_sent_once() {
    let server = RecordingServer::start(|_| http_response(429, &[], "{}")).await;
    let client = server.builder().retry_policy(crate::harness::fast_retries()).build().unwrap();
    let error = client.request(Method::PUT, "/files").body(streamed_body()).await.unwrap_err();
    assert!(error.is_rate_limited());
    assert_eq!(server.only_request().body, "ab");
    // An expired token is not replaced either.
    let server = RecordingServer::start(|_| http_response(401, &[], "{}")).await;
    let provider = || async { Ok::<_, std::io::Error>(AccessToken::new("token")) };
    let client = Client::builder(server.base_url()).token_provider(provider).build().unwrap();
    let error = client.request(Method::PUT, "/files").body(streamed_body()).await.unwrap_err();
    assert!(error.is_authentication());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn body_may_be_text_or_bytes() {
    let server = RecordingServer::with_json(json!({})).await;
    let post = || server.client().request(Method::POST, "/x").header("content-type", "text/plain");
    post().body("text").await.unwrap();
    post().body(vec![0, 1]).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].header("content-type"), Some("text/plain"));
    assert_eq!((&*requests[0].body, &*requests[1].body), (&b"text"[..], &[0, 1][..]));
}

#[tokio::test]
async fn response_can_be_read_as_a_stream() {
    let server = RecordingServer::with_response(200, &[("x-kind", "pdf")], vec![7; 300_000]).await;
    let request = server.client().request(Method::GET, "/files/file_1/content");
    let response = request.stream_response().await.unwrap();
    assert_eq!(response.header("x-kind"), Some("pdf"));
    let mut content = response.into_inner();
    let mut length = 0;
    while let Some(chunk) = content.try_next().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, 300_000);
    assert_eq!(server.only_request().header("accept"), Some("*/*"));
    let server = ScriptedServer::start([Behavior::CloseInBody]).await;
    let request = server.client().request(Method::GET, "/files/file_1/content");
    let mut content = request.stream_response().await.unwrap().into_inner();
    let error = loop {
        match content.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the response is incomplete"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn timeout_and_retry_policy_apply() {
    let server = RecordingServer::start(|number| match number {
        0 => hanging_response(),
        _ => json_response(&json!({})),
    })
    .await;
    let request = server.client().request(Method::GET, "/files");
    let request = request.request_timeout(Duration::from_millis(200));
    request.retry_policy(crate::harness::fast_retries()).await.unwrap();
    assert_eq!(server.count(), 2);
}

#[test]
fn debug_output_contains_no_secrets() {
    let client = Client::builder("https://example.com").api_key(API_KEY).build().unwrap();
    let form = Form::new().text("secret", API_KEY);
    let shown = format!("{form:?}");
    let request = client.request(Method::POST, "/files").header("x-key", API_KEY).multipart(form);
    let shown = format!("{shown} {request:?}");
    assert!(!shown.contains(API_KEY) && shown.contains("/files"), "{shown}");
}
