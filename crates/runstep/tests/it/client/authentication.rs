//! Authentication with API keys and with expiring tokens.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runstep::{AccessToken, Client, ErrorKind, RetryPolicy};

use crate::harness::{
    API_KEY, RecordingServer, advance_time, example, fast_retries, http_response, json_response,
    retrieve_run,
};

/// A client whose token provider returns `API_KEY-1`, `API_KEY-2` and so on, and the number of calls
/// of the provider.
fn client_with_tokens(
    server: &RecordingServer,
    lifetime: Option<Duration>,
) -> (Client, Arc<AtomicUsize>) {
    let provider_calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&provider_calls);
    let client = server.builder().token_provider(move || {
        let count = Arc::clone(&count);
        async move {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            // Lets concurrent requests run while this token is fetched.
            tokio::task::yield_now().await;
            let token = AccessToken::new(format!("{API_KEY}-{number}"));
            Ok::<_, ProviderError>(match lifetime {
                Some(duration) => token.expires_in(duration),
                None => token,
            })
        }
    });
    (client.retry_policy(fast_retries()).build().unwrap(), provider_calls)
}

/// The numbers of the tokens that the requests contained.
fn sent_tokens(server: &RecordingServer) -> Vec<String> {
    let prefix = format!("Bearer {API_KEY}-");
    let requests = server.requests();
    let token = |value: &str| value.strip_prefix(&prefix).unwrap().to_owned();
    requests.iter().map(|request| token(request.header("authorization").unwrap())).collect()
}

async fn server_that_accepts_all() -> RecordingServer {
    RecordingServer::with_json(example("Run")).await
}

/// Starts a server that accepts only the tokens with these numbers.
async fn server_that_accepts(accepted: &'static [&'static str]) -> RecordingServer {
    RecordingServer::start_with(move |_, request| {
        let token = request.header("authorization").unwrap();
        if accepted.iter().any(|number| token == format!("Bearer {API_KEY}-{number}")) {
            return json_response(&example("Run"));
        }
        http_response(401, &[], r#"{"error": {"message": "The token is not valid."}}"#)
    })
    .await
}

#[tokio::test]
async fn token_without_expiry_is_fetched_once() {
    let server = server_that_accepts_all().await;
    let (client, provider_calls) = client_with_tokens(&server, None);
    assert_eq!(
        provider_calls.load(Ordering::SeqCst),
        0,
        "the token was fetched before it was needed"
    );
    for _ in 0..5 {
        retrieve_run(&client).await.unwrap();
    }
    advance_time(Duration::from_secs(100 * 24 * 60 * 60)).await;
    retrieve_run(&client.clone()).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 1);
    assert_eq!(sent_tokens(&server), ["1"; 6]);
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let server = server_that_accepts_all().await;
    let (client, provider_calls) = client_with_tokens(&server, Some(Duration::from_secs(3600)));
    let all = (0..10).map(|_| retrieve_run(&client));
    futures_util::future::try_join_all(all).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn token_is_refreshed_a_minute_before_expiry() {
    let server = server_that_accepts_all().await;
    let (client, _) = client_with_tokens(&server, Some(Duration::from_secs(3600)));
    retrieve_run(&client).await.unwrap();
    advance_time(Duration::from_secs(3600 - 65)).await;
    retrieve_run(&client).await.unwrap();
    advance_time(Duration::from_secs(6)).await;
    retrieve_run(&client).await.unwrap();
    retrieve_run(&client).await.unwrap();
    assert_eq!(sent_tokens(&server), ["1", "1", "2", "2"]);
}

#[tokio::test]
async fn maximum_token_lifetime_does_not_overflow() {
    let server = server_that_accepts_all().await;
    let (client, provider_calls) = client_with_tokens(&server, Some(Duration::MAX));
    retrieve_run(&client).await.unwrap();
    retrieve_run(&client).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn rejected_token_is_refreshed_once() {
    let server = server_that_accepts(&["2"]).await;
    let (client, provider_calls) = client_with_tokens(&server, Some(Duration::from_secs(3600)));
    retrieve_run(&client).await.unwrap();
    retrieve_run(&client).await.unwrap();
    assert_eq!(sent_tokens(&server), ["1", "2", "2"]);
    assert_eq!(provider_calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn post_with_refreshed_token_is_the_same_request() {
    let server = server_that_accepts(&["2"]).await;
    let (client, _) = client_with_tokens(&server, None);
    client.runs("thread_abc123").create("asst_1").retry_policy(RetryPolicy::none()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].header("idempotency-key"), requests[1].header("idempotency-key"));
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test]
async fn rejected_refreshed_token_is_an_error() {
    let server = server_that_accepts(&[]).await;
    let (client, provider_calls) = client_with_tokens(&server, None);
    let error = retrieve_run(&client).await.unwrap_err();
    assert!(error.is_authentication());
    assert_eq!((error.status(), error.message()), (Some(401), "The token is not valid."));
    assert_eq!((server.count(), provider_calls.load(Ordering::SeqCst)), (2, 2));
}

/// The first rejected request refreshes the token; the others must not discard the new one.
#[tokio::test]
async fn concurrent_requests_refresh_rejected_token_once() {
    let server = server_that_accepts(&["2"]).await;
    let (client, provider_calls) = client_with_tokens(&server, None);
    let all = (0..10).map(|_| retrieve_run(&client));
    futures_util::future::try_join_all(all).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn rejected_key_is_not_retried() {
    let server = RecordingServer::with_response(401, &[], "{}").await;
    let builder = || server.builder().retry_policy(fast_retries());
    for client in [builder().api_key(API_KEY), builder().api_key_header(API_KEY)] {
        let before = server.count();
        assert!(retrieve_run(&client.build().unwrap()).await.unwrap_err().is_authentication());
        assert_eq!(server.count(), before + 1);
    }
}

#[tokio::test]
async fn last_configured_credential_is_used() {
    let server = server_that_accepts_all().await;
    retrieve_run(&server.builder().api_key_header(API_KEY).build().unwrap()).await.unwrap();
    let request = server.only_request();
    assert_eq!((request.header("api-key"), request.header("authorization")), (Some(API_KEY), None));
}

#[derive(Debug)]
struct ProviderError;

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the vault is locked")
    }
}

impl std::error::Error for ProviderError {}

#[tokio::test]
async fn provider_failure_is_an_authentication_error() {
    let server = server_that_accepts_all().await;
    let provider_calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&provider_calls);
    let client = server.builder().retry_policy(fast_retries()).token_provider(move || {
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if is_first { Err(ProviderError) } else { Ok(AccessToken::new(API_KEY)) } }
    });
    let client = client.build().unwrap();
    let error = retrieve_run(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.is_authentication() && error.status().is_none());
    assert_eq!(error.to_string(), "the token provider failed; nothing was sent");
    assert!(error.source().unwrap().downcast_ref::<ProviderError>().is_some());
    assert_eq!((server.count(), provider_calls.load(Ordering::SeqCst)), (0, 1));
    retrieve_run(&client).await.unwrap(); // the next request calls the provider again
}

#[tokio::test]
async fn invalid_token_is_rejected_and_not_shown() {
    let server = server_that_accepts_all().await;
    let client = server.builder().token_provider(|| async {
        Ok::<_, ProviderError>(AccessToken::new(format!("{API_KEY}\n")))
    });
    let error = retrieve_run(&client.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = format!("{error} {error:?} {error:#?}");
    assert!(!text.contains(API_KEY), "{text}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn debug_output_and_errors_contain_no_secret() {
    let server = RecordingServer::with_response(401, &[], "{}").await;
    let base =
        || Client::builder(server.base_url()).header("x-secret", API_KEY).query("secret", API_KEY);
    let token = || AccessToken::new(API_KEY).expires_in(Duration::from_secs(3600));
    let mut shown = format!("{:?}", token());
    for builder in [
        base().api_key(API_KEY),
        base().api_key_header(API_KEY),
        base().token_provider(move || async move { Ok::<_, ProviderError>(token()) }),
        Client::azure(server.origin(), "1").api_key_header(API_KEY),
    ] {
        shown += &format!("{builder:?} {builder:#?}");
        let client = builder.build().unwrap();
        let runs = client.runs("thread_1");
        let create = runs.create("asst_1").header("x-key", API_KEY).query("key", API_KEY);
        shown += &format!("{client:?} {client:#?} {runs:?} {create:?} {create:#?}");
        shown += &format!("{:?} {:?}", client.threads(), create.clone());
        shown += &format!("{:?} {:?}", runs.poll("run_1"), client.poll_all([("t", "r")]));
        shown += &format!("{:?}", runs.ensure_idle(runstep::IfActive::Wait));
        let error = create.await.unwrap_err();
        shown += &format!("{error} {error:?} {error:#?}");
    }
    assert!(!shown.contains(API_KEY) && !shown.contains("Bearer"), "{shown}");
    assert!(server.count() > 0);
}

/// As `anyhow` and similar crates use.
#[tokio::test]
async fn provider_may_return_boxed_error() {
    let server = server_that_accepts_all().await;
    let client = server.builder().token_provider(|| async {
        Err::<AccessToken, Box<dyn std::error::Error + Send + Sync>>("the vault is locked".into())
    });
    let error = retrieve_run(&client.build().unwrap()).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the vault is locked");
}

#[tokio::test]
async fn hanging_provider_is_a_timeout() {
    let server = server_that_accepts_all().await;
    let client = server
        .builder()
        .timeout(Duration::from_millis(50))
        .token_provider(std::future::pending::<std::result::Result<AccessToken, ProviderError>>);
    let error = retrieve_run(&client.build().unwrap()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(
        error.to_string(),
        "the token provider did not return before the request timeout; nothing was sent"
    );
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn concurrent_requests_share_one_provider_failure() {
    let server = server_that_accepts_all().await;
    let provider_calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&provider_calls);
    let client = server.builder().token_provider(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::task::yield_now().await;
            Err::<AccessToken, _>(ProviderError)
        }
    });
    let client = client.build().unwrap();
    for errors in futures_util::future::join_all((0..10).map(|_| retrieve_run(&client))).await {
        assert!(errors.unwrap_err().source().unwrap().downcast_ref::<ProviderError>().is_some());
    }
    assert_eq!(provider_calls.load(Ordering::SeqCst), 1);
    retrieve_run(&client).await.unwrap_err();
    assert_eq!(
        provider_calls.load(Ordering::SeqCst),
        2,
        "the next request calls the provider again"
    );
}

/// A client whose provider returns one token with this lifetime, and fails on later calls.
fn client_with_one_token(server: &RecordingServer, seconds: u64) -> (Client, Arc<AtomicUsize>) {
    let provider_calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&provider_calls);
    let client = server.builder().token_provider(move || {
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let token = AccessToken::new(API_KEY).expires_in(Duration::from_secs(seconds));
        async move { if is_first { Ok(token) } else { Err(ProviderError) } }
    });
    (client.build().unwrap(), provider_calls)
}

#[tokio::test]
async fn token_is_used_until_expiry_if_refresh_fails() {
    let server = server_that_accepts_all().await;
    let (client, provider_calls) = client_with_one_token(&server, 3600);
    retrieve_run(&client).await.unwrap();
    advance_time(Duration::from_secs(3600 - 30)).await;
    retrieve_run(&client).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 2);
    advance_time(Duration::from_secs(31)).await;
    assert_eq!(retrieve_run(&client).await.unwrap_err().kind(), ErrorKind::Authentication);
}

#[tokio::test]
async fn short_lived_token_is_refreshed_in_last_tenth() {
    let server = server_that_accepts_all().await;
    let (client, provider_calls) = client_with_one_token(&server, 50);
    retrieve_run(&client).await.unwrap();
    advance_time(Duration::from_secs(44)).await;
    retrieve_run(&client).await.unwrap();
    assert_eq!(provider_calls.load(Ordering::SeqCst), 1);
    advance_time(Duration::from_secs(2)).await;
    retrieve_run(&client).await.unwrap();
    assert_eq!(
        provider_calls.load(Ordering::SeqCst),
        2,
        "refreshed within the last tenth of its lifetime"
    );
}
