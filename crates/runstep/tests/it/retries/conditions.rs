//! Which requests are retried, and how often.

use runstep::ErrorKind;
use runstep::types::DeletedThread;
use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn get_is_retried_after_transient_failure() {
    let statuses = [408, 429, 500, 502, 503, 504, 529, 599].map(Behavior::status);
    for behavior in statuses.into_iter().chain(connection_failures()) {
        let server = ScriptedServer::start([behavior.clone(), ok()]).await;
        retrieve_run(&server.client())
            .await
            .unwrap_or_else(|error| panic!("{behavior:?}: {error:?}"));
        assert_eq!(server.count(), 2, "{behavior:?}");
    }
}

#[tokio::test]
async fn delete_is_retried_after_transient_failure() {
    let deleted =
        Behavior::ok(r#"{"id": "thread_abc123", "object": "thread.deleted", "deleted": true}"#);
    for behavior in [Behavior::status(500), Behavior::Reset] {
        let server = ScriptedServer::start([behavior, deleted.clone()]).await;
        let deleted_thread: DeletedThread =
            server.client().threads().delete("thread_abc123").await.unwrap();
        assert_eq!(deleted_thread.deleted, Some(true));
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn get_is_not_retried_after_permanent_failure() {
    let statuses = [400, 401, 403, 404, 409, 411, 422, 304].map(Behavior::status);
    let undecodable = [Behavior::ok("{}"), Behavior::ok(""), Behavior::ok("<html>")];
    for behavior in statuses.into_iter().chain(undecodable) {
        let server = ScriptedServer::start([behavior.clone(), ok()]).await;
        retrieve_run(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{behavior:?}");
    }
}

#[tokio::test]
async fn post_is_not_retried_after_ambiguous_failure() {
    let statuses = [408, 409, 500, 502, 503, 504].map(Behavior::status);
    let with_retry_after =
        Behavior::status(500).with_header("retry-after", "0").with_header("retry-after-ms", "1");
    for behavior in statuses
        .into_iter()
        .chain(connection_failures())
        .chain([with_retry_after, Behavior::ok("{}")])
    {
        let server = ScriptedServer::start([behavior.clone(), ok()]).await;
        post(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{behavior:?}");
    }
}

#[tokio::test]
async fn get_is_retried_after_timeout_and_post_is_not() {
    let server = ScriptedServer::start([Behavior::Hang]).await;
    let client = server.builder().timeout(Duration::from_millis(150)).build().unwrap();
    assert!(post(&client).await.unwrap_err().is_timeout());
    assert_eq!(server.count(), 1);
    assert!(retrieve_run(&client).await.unwrap_err().is_timeout());
    assert_eq!(server.count(), 1 + 3);
}

#[tokio::test]
async fn post_is_retried_if_server_did_not_process_it() {
    for behavior in [
        Behavior::status(429),
        Behavior::status(503).with_header("retry-after", "0"),
        Behavior::status(503).with_header("retry-after-ms", "1"),
        Behavior::status(500).with_header("x-should-retry", "true"),
        Behavior::status(409).with_header("x-should-retry", "true"),
    ] {
        let server = ScriptedServer::start([behavior.clone(), ok()]).await;
        post(&server.client()).await.unwrap_or_else(|error| panic!("{behavior:?}: {error:?}"));
        assert_eq!(server.count(), 2, "{behavior:?}");
    }
}

#[tokio::test]
async fn should_retry_false_prevents_retries() {
    for status in [408, 429, 500, 503] {
        let behavior = Behavior::status(status)
            .with_header("x-should-retry", "false")
            .with_header("retry-after", "0");
        let server = ScriptedServer::start([behavior, ok()]).await;
        let client = server.client();
        assert_eq!(retrieve_run(&client).await.unwrap_err().status(), Some(status));
        assert_eq!(server.count(), 1);
        let server = ScriptedServer::start([
            Behavior::status(status).with_header("x-should-retry", "false"),
            ok(),
        ])
        .await;
        assert_eq!(post(&server.client()).await.unwrap_err().status(), Some(status));
        assert_eq!(server.count(), 1);
    }
}

/// After a success status, the run exists, even if a header asks for a retry.
#[tokio::test]
async fn post_is_not_retried_after_undecodable_success() {
    for behavior in [
        Behavior::ok("{").with_header("x-should-retry", "true"),
        Behavior::ok("{").with_header("retry-after", "0"),
        Behavior::ResetInBody(Vec::new()).with_header("x-should-retry", "true"),
    ] {
        let server = ScriptedServer::start([behavior.clone(), ok()]).await;
        post(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{behavior:?}");
    }
}

/// Nothing listens at first, so that no request can have been sent.
#[tokio::test]
async fn post_is_retried_after_refused_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let delay = Duration::from_millis(5);
    let policy = RetryPolicy::default().max_attempts(2000).backoff(Backoff::new(delay, delay));
    let url = format!("http://{address}/v1");
    let client = Client::builder(url).api_key(API_KEY).retry_policy(policy).build().unwrap();
    let (server, run) = tokio::join!(
        async {
            tokio::time::sleep(4 * delay).await;
            ScriptedServer::on_listener(TcpListener::bind(address).await.unwrap(), [ok()])
        },
        post(&client)
    );
    run.unwrap();
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn retries_of_refused_connection_are_limited() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let client =
        Client::builder(format!("http://{free}")).retry_policy(fast_retries()).build().unwrap();
    assert!(post(&client).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn number_of_attempts_is_limited() {
    for (policy, attempts) in [
        (fast_retries(), 3),
        (fast_retries().max_attempts(5), 5),
        (fast_retries().max_attempts(1), 1),
        (fast_retries().max_attempts(0), 1),
        (RetryPolicy::none(), 1),
    ] {
        let server = ScriptedServer::start([Behavior::status(500)]).await;
        let client = server.builder().retry_policy(policy).build().unwrap();
        let error = retrieve_run(&client).await.unwrap_err();
        assert_eq!((error.status(), error.message()), (Some(500), "status 500"));
        assert_eq!(server.count(), attempts, "{policy:?}");
    }
}

#[tokio::test]
async fn request_policy_overrides_client_policy() {
    let server = ScriptedServer::start([Behavior::status(500)]).await;
    let runs = server.client().runs("thread_abc123");
    runs.retrieve("run_abc123").retry_policy(RetryPolicy::none()).await.unwrap_err();
    assert_eq!(server.count(), 1);
    runs.retrieve("run_abc123").retry_policy(fast_retries().max_attempts(7)).await.unwrap_err();
    assert_eq!(server.count(), 1 + 7);
}

#[tokio::test]
async fn repeated_429_responses_end_after_maximum_attempts() {
    let server =
        ScriptedServer::start([Behavior::status(429).with_header("retry-after", "0")]).await;
    let client = server.client();
    let error = post(&client).await.unwrap_err();
    assert!(error.is_rate_limited());
    assert_eq!((error.kind(), server.count()), (ErrorKind::Api, 3));
    assert!(retrieve_run(&client).await.unwrap_err().is_rate_limited());
    assert_eq!(server.count(), 6);
}
