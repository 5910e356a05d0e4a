//! Who asks: keys and tokens.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runstep::types::Run;
use runstep::{Client, ErrorKind, Result, RetryPolicy, Token};
use support::script::quick;
use support::{KEY, Recorder, example, json, reply};

async fn retrieve(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

/// A client whose tokens are `KEY-1`, `KEY-2` …, and how many were asked for.
fn tokens(server: &Recorder, good_for: Option<Duration>) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = server.builder().token_callback(move || {
        let count = Arc::clone(&count);
        async move {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            // Others get their turn while this token is fetched.
            tokio::task::yield_now().await;
            let token = Token::new(format!("{KEY}-{number}"));
            Ok::<_, Broken>(match good_for {
                Some(duration) => token.expires_in(duration),
                None => token,
            })
        }
    });
    (client.retry_policy(quick()).build().unwrap(), asked)
}

/// The numbers of the tokens that the requests had.
fn sent(server: &Recorder) -> Vec<String> {
    let start = format!("Bearer {KEY}-");
    let seen = server.seen();
    let token = |value: &str| value.strip_prefix(&start).unwrap().to_owned();
    seen.iter().map(|request| token(request.header("authorization").unwrap())).collect()
}

async fn accepts_all() -> Recorder {
    Recorder::with_json(example("Run")).await
}

/// Refuses every token but those with these numbers.
async fn accepts(good: &'static [&'static str]) -> Recorder {
    Recorder::answering(move |_, request| {
        let token = request.header("authorization").unwrap();
        if good.iter().any(|number| token == format!("Bearer {KEY}-{number}")) {
            return json(&example("Run"));
        }
        reply(401, &[], r#"{"error": {"message": "The token is no good."}}"#)
    })
    .await
}

/// Lets time pass in which nothing happens.
async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_that_does_not_end_is_asked_for_once() {
    let server = accepts_all().await;
    let (client, asked) = tokens(&server, None);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "not before it is needed");
    for _ in 0..5 {
        retrieve(&client).await.unwrap();
    }
    later(Duration::from_secs(100 * 24 * 60 * 60)).await;
    retrieve(&client.clone()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(sent(&server), ["1"; 6]);
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_token() {
    let server = accepts_all().await;
    let (client, asked) = tokens(&server, Some(Duration::from_secs(3600)));
    let all = (0..10).map(|_| retrieve(&client));
    futures_util::future::try_join_all(all).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_before_it_ends() {
    let server = accepts_all().await;
    let (client, _) = tokens(&server, Some(Duration::from_secs(3600)));
    retrieve(&client).await.unwrap();
    later(Duration::from_secs(3600 - 65)).await;
    retrieve(&client).await.unwrap();
    later(Duration::from_secs(6)).await;
    retrieve(&client).await.unwrap();
    retrieve(&client).await.unwrap();
    assert_eq!(sent(&server), ["1", "1", "2", "2"]);
}

#[tokio::test]
async fn the_longest_time_is_no_fault() {
    let server = accepts_all().await;
    let (client, asked) = tokens(&server, Some(Duration::MAX));
    retrieve(&client).await.unwrap();
    retrieve(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let server = accepts(&["2"]).await;
    let (client, asked) = tokens(&server, Some(Duration::from_secs(3600)));
    retrieve(&client).await.unwrap();
    retrieve(&client).await.unwrap();
    assert_eq!(sent(&server), ["1", "2", "2"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_post_with_a_renewed_token_is_the_same_request() {
    let server = accepts(&["2"]).await;
    let (client, _) = tokens(&server, None);
    client.runs("thread_abc123").create("asst_1").retry_policy(RetryPolicy::none()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("idempotency-key"), seen[1].header("idempotency-key"));
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test]
async fn a_renewed_token_that_is_refused_too_is_the_end() {
    let server = accepts(&[]).await;
    let (client, asked) = tokens(&server, None);
    let error = retrieve(&client).await.unwrap_err();
    assert!(error.is_authentication());
    assert_eq!((error.status(), error.message()), (Some(401), "The token is no good."));
    assert_eq!((server.count(), asked.load(Ordering::SeqCst)), (2, 2));
}

/// The first that is refused renews; the others must not throw the new token away.
#[tokio::test]
async fn requests_at_the_same_time_renew_a_refused_token_once() {
    let server = accepts(&["2"]).await;
    let (client, asked) = tokens(&server, None);
    let all = (0..10).map(|_| retrieve(&client));
    futures_util::future::try_join_all(all).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_sent_again() {
    let server = Recorder::with_reply(401, &[], "{}").await;
    let quickly = || server.builder().retry_policy(quick());
    for client in [quickly().api_key(KEY), quickly().api_key_header(KEY)] {
        let before = server.count();
        assert!(retrieve(&client.build().unwrap()).await.unwrap_err().is_authentication());
        assert_eq!(server.count(), before + 1);
    }
}

#[tokio::test]
async fn the_last_of_several_ways_to_ask_holds() {
    let server = accepts_all().await;
    retrieve(&server.builder().api_key_header(KEY).build().unwrap()).await.unwrap();
    let request = server.only_request();
    assert_eq!((request.header("api-key"), request.header("authorization")), (Some(KEY), None));
}

#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the vault is locked")
    }
}

impl std::error::Error for Broken {}

#[tokio::test]
async fn a_callback_that_fails_is_an_error_of_its_own() {
    let server = accepts_all().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = server.builder().retry_policy(quick()).token_callback(move || {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Err(Broken) } else { Ok(Token::new(KEY)) } }
    });
    let client = client.build().unwrap();
    let error = retrieve(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert!(error.is_authentication() && error.status().is_none());
    assert_eq!(error.to_string(), "no token could be had; nothing was sent");
    assert!(error.source().unwrap().downcast_ref::<Broken>().is_some());
    assert_eq!((server.count(), asked.load(Ordering::SeqCst)), (0, 1));
    retrieve(&client).await.unwrap(); // the next request asks again
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_refused_and_not_shown() {
    let server = accepts_all().await;
    let client = server
        .builder()
        .token_callback(|| async { Ok::<_, Broken>(Token::new(format!("{KEY}\n"))) });
    let error = retrieve(&client.build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let text = format!("{error} {error:?} {error:#?}");
    assert!(!text.contains(KEY), "{text}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn no_secret_is_shown() {
    let server = Recorder::with_reply(401, &[], "{}").await;
    let base = || Client::builder(server.base_url()).header("x-secret", KEY).query("secret", KEY);
    let token = || Token::new(KEY).expires_in(Duration::from_secs(3600));
    let mut shown = format!("{:?}", token());
    for builder in [
        base().api_key(KEY),
        base().api_key_header(KEY),
        base().token_callback(move || async move { Ok::<_, Broken>(token()) }),
        Client::azure(server.host(), "1").api_key_header(KEY),
    ] {
        shown += &format!("{builder:?} {builder:#?}");
        let client = builder.build().unwrap();
        let runs = client.runs("thread_1");
        let create = runs.create("asst_1").header("x-key", KEY).query("key", KEY);
        shown += &format!("{client:?} {client:#?} {runs:?} {create:?} {create:#?}");
        shown += &format!("{:?} {:?}", client.threads(), create.clone().and_poll());
        shown += &format!("{:?} {:?}", runs.poll("run_1"), client.poll_all([("t", "r")]));
        shown += &format!("{:?}", runs.ensure_idle(runstep::IfActive::Wait));
        let error = create.await.unwrap_err();
        shown += &format!("{error} {error:?} {error:#?}");
    }
    assert!(!shown.contains(KEY) && !shown.contains("Bearer"), "{shown}");
    assert!(server.count() > 0);
}

/// What anyhow and others have for an error.
#[tokio::test]
async fn a_callback_may_fail_with_a_boxed_error() {
    let server = accepts_all().await;
    let client = server.builder().token_callback(|| async {
        Err::<Token, Box<dyn std::error::Error + Send + Sync>>("the vault is locked".into())
    });
    let error = retrieve(&client.build().unwrap()).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the vault is locked");
}

#[tokio::test]
async fn a_callback_that_hangs_is_a_timeout() {
    let server = accepts_all().await;
    let client = server
        .builder()
        .timeout(Duration::from_millis(50))
        .token_callback(std::future::pending::<std::result::Result<Token, Broken>>);
    let error = retrieve(&client.build().unwrap()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), "no token came before the request's timeout; nothing was sent");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn requests_at_the_same_time_share_one_failure() {
    let server = accepts_all().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = server.builder().token_callback(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::task::yield_now().await;
            Err::<Token, _>(Broken)
        }
    });
    let client = client.build().unwrap();
    for errors in futures_util::future::join_all((0..10).map(|_| retrieve(&client))).await {
        assert!(errors.unwrap_err().source().unwrap().downcast_ref::<Broken>().is_some());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    retrieve(&client).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the next request asks again");
}

/// A callback that gives one token for these seconds, and fails from then on.
fn once(server: &Recorder, seconds: u64) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = server.builder().token_callback(move || {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        let token = Token::new(KEY).expires_in(Duration::from_secs(seconds));
        async move { if first { Ok(token) } else { Err(Broken) } }
    });
    (client.build().unwrap(), asked)
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_until_it_ends() {
    let server = accepts_all().await;
    let (client, asked) = once(&server, 3600);
    retrieve(&client).await.unwrap();
    later(Duration::from_secs(3600 - 30)).await;
    retrieve(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    later(Duration::from_secs(31)).await;
    assert_eq!(retrieve(&client).await.unwrap_err().kind(), ErrorKind::Authentication);
}

#[tokio::test]
async fn a_short_token_is_not_asked_for_again_each_time() {
    let server = accepts_all().await;
    let (client, asked) = once(&server, 50);
    retrieve(&client).await.unwrap();
    later(Duration::from_secs(44)).await;
    retrieve(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    later(Duration::from_secs(2)).await;
    retrieve(&client).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "within the last tenth of its time");
}
