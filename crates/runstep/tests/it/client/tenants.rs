//! Clients for several tenants that share a connection pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstep::{AccessToken, Client, ErrorKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::harness::{API_KEY, RecordingServer, example, retrieve_run};

#[tokio::test]
async fn tenant_differs_in_key_header_and_query() {
    let server = RecordingServer::with_json(example("Run")).await;
    let client = server.builder().header("x-tenant", "0").query("region", "eu").build().unwrap();
    let tenant = client.with_api_key("key-7").with_header("x-tenant", "7").with_query("trace", "1");
    retrieve_run(&client).await.unwrap();
    retrieve_run(&tenant).await.unwrap();
    let [first, second] = server.requests().try_into().unwrap();
    assert_eq!(first.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    assert_eq!(first.header("x-tenant"), Some("0"));
    assert!(first.target.ends_with("?region=eu"), "{}", first.target);
    assert_eq!(second.header("authorization"), Some("Bearer key-7"));
    assert_eq!(second.header("x-tenant"), Some("7"));
    assert!(second.target.ends_with("?region=eu&trace=1"), "{}", second.target);
    assert_eq!(second.header("openai-beta"), Some("assistants=v2"));
}

#[tokio::test]
async fn tenant_key_is_sent_like_the_key_of_the_client() {
    let server = RecordingServer::with_json(example("Run")).await;
    let azure = Client::builder(server.base_url()).api_key_header("key").build().unwrap();
    let provider = || async { Ok::<_, std::io::Error>(AccessToken::new("token")) };
    let token = Client::builder(server.base_url()).token_provider(provider).build().unwrap();
    let no_key = Client::builder(server.base_url()).build().unwrap();
    for client in [azure, token, no_key] {
        retrieve_run(&client.with_api_key("key-7")).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests[0].header("api-key"), Some("key-7"));
    assert_eq!(requests[0].header("authorization"), None);
    assert_eq!(requests[1].header("authorization"), Some("Bearer key-7"));
    assert_eq!(requests[2].header("authorization"), Some("Bearer key-7"));
}

#[tokio::test]
async fn invalid_tenant_values_are_errors_of_every_request() {
    let server = RecordingServer::with_json(example("Run")).await;
    let client = server.client();
    let invalid = [
        client.with_api_key(format!("{API_KEY}\n")),
        client.with_header("x-tenant", format!("{API_KEY}\n")),
        client.with_header("not a name", "7").with_query("a", "b"),
    ];
    for tenant in invalid {
        let error = retrieve_run(&tenant).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().ends_with("; nothing was sent"), "{error}");
        assert!(!format!("{error:?} {tenant:?}").contains(API_KEY), "{error:?}");
    }
    assert_eq!(server.count(), 0);
    retrieve_run(&client).await.unwrap();
}

/// Counts the connections of a server that keeps them open.
#[tokio::test]
async fn tenants_share_connections() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 16 * 1024];
                while let Ok(1..) = stream.read(&mut request).await {
                    let body = example("Run").to_string();
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                    stream.write_all((head + &body).as_bytes()).await.unwrap();
                }
            });
        }
    });
    let client = Client::builder(base_url).api_key(API_KEY).build().unwrap();
    for tenant in 0..5 {
        let tenant = client.with_api_key(format!("key-{tenant}"));
        retrieve_run(&tenant).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    server.abort();
}
