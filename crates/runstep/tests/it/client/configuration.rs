//! Building a client: base URL, key and other settings.

use std::time::Duration;

use runstep::{Client, ClientBuilder, ErrorKind};

use crate::harness::{API_KEY, RecordingServer, example};

/// The message of the error that `build` returns.
fn build_error(builder: ClientBuilder) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = format!("{error} {error:?}");
    assert!(!text.contains(API_KEY), "{text}");
    error.message().to_owned()
}

#[tokio::test]
async fn paths_are_appended_to_base_url() {
    for (suffix, path) in [
        ("", "/threads"),
        ("/", "/threads"),
        ("/v1", "/v1/threads"),
        ("/v1/", "/v1/threads"),
        ("/v1//", "/v1/threads"),
        ("/openai/v2\n", "/openai/v2/threads"),
    ] {
        let server = RecordingServer::with_json(example("Thread")).await;
        let host = server.base_url().replace("/v1", "");
        let client = Client::builder(format!("{host}{suffix}")).build().unwrap();
        client.threads().create().await.unwrap();
        assert_eq!(server.only_request().target, path, "{suffix:?}");
    }
}

#[test]
fn base_url_with_other_scheme_is_rejected() {
    let message = "invalid base URL: expected `https://` or `http://` and a host";
    assert_eq!(build_error(Client::builder("ftp://api.example.com")), message);
    assert_eq!(build_error(Client::builder("file:///etc/passwd")), message);
    assert_eq!(build_error(Client::builder("localhost:8080")), message);
}

#[test]
fn base_url_without_host_is_rejected() {
    for url in ["", "  ", "/v1", "api.example.com/v1", "https://", "https:///?"] {
        assert!(build_error(Client::builder(url)).starts_with("invalid base URL: "), "{url}");
    }
}

#[test]
fn password_in_base_url_is_rejected_and_not_shown() {
    for url in
        [format!("https://user:{API_KEY}@example.com"), format!("https://{API_KEY}@example.com")]
    {
        assert!(build_error(Client::builder(url)).contains("a user or a password"));
    }
}

#[test]
fn query_and_fragment_in_base_url_are_rejected() {
    for url in ["https://example.com/v1?api-version=1", "https://example.com/v1#x"] {
        assert!(build_error(Client::builder(url)).contains("a query or a fragment"), "{url}");
    }
}

#[test]
fn plain_http_to_remote_host_is_rejected_unless_allowed() {
    for url in [
        "http://example.com/v1",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]:8080",
        "http://0.0.0.0:8080",
    ] {
        assert!(
            build_error(Client::builder(url)).contains("plain HTTP to another machine"),
            "{url}"
        );
        assert!(Client::builder(url).allow_plain_http(true).build().is_ok(), "{url}");
    }
}

#[test]
fn plain_http_to_loopback_is_accepted() {
    for url in
        ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:8080/v1", "http://LOCALHOST"]
    {
        assert!(Client::builder(url).build().is_ok(), "{url}");
    }
}

#[test]
fn key_that_is_not_a_valid_header_is_rejected_and_not_shown() {
    for end in ["\n", "\r\nx-evil: 1", "\0", "\u{7f}"] {
        let builder = Client::builder("https://example.com").api_key(format!("{API_KEY}{end}"));
        assert!(build_error(builder).contains("check it for line breaks"), "{end:?}");
    }
}

#[test]
fn organization_and_project_must_be_valid_headers() {
    let message = build_error(Client::builder("https://example.com").organization("a\nb"));
    assert!(message.contains("`openai-organization`"), "{message}");
    let message = build_error(Client::builder("https://example.com").project("a\nb"));
    assert!(message.contains("`openai-project`"), "{message}");
}

#[test]
fn debug_output_does_not_contain_key() {
    let builder = Client::builder("https://example.com/v1").api_key(API_KEY);
    let shown = format!("{builder:?} {builder:#?}");
    let client = builder.build().unwrap();
    let runs = client.runs("thread_1");
    let shown = format!("{shown} {client:?} {client:#?} {runs:?} {:?}", runs.create("asst_1"));
    assert!(!shown.contains(API_KEY) && !shown.contains("Bearer"), "{shown}");
    assert!(shown.contains("https://example.com/v1"), "{shown}");
}

#[tokio::test]
async fn no_authorization_is_sent_without_key() {
    let server = RecordingServer::with_json(example("Thread")).await;
    Client::builder(server.base_url()).build().unwrap().threads().create().await.unwrap();
    let request = server.only_request();
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("openai-organization"), None);
    assert_eq!(request.header("openai-project"), None);
    assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
}

#[tokio::test]
async fn organization_and_project_are_sent_with_every_request() {
    let server = RecordingServer::with_json(example("Thread")).await;
    let client = server.builder().organization("org-1").project("proj-2").build().unwrap();
    client.threads().create().await.unwrap();
    client.threads().retrieve("thread_1").await.unwrap();
    for request in server.requests() {
        assert_eq!(request.header("openai-organization"), Some("org-1"));
        assert_eq!(request.header("openai-project"), Some("proj-2"));
        assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
        assert!(request.header("user-agent").unwrap().starts_with("runstep/"));
    }
}

#[tokio::test]
async fn maximum_timeout_does_not_overflow() {
    let server = RecordingServer::with_json(example("Thread")).await;
    let client = server.builder().timeout(Duration::MAX).build().unwrap();
    client.threads().create().await.unwrap();
}
