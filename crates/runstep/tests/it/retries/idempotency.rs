//! Idempotency keys, and the guarantee that no run is created twice.

use super::*;

fn idempotency_keys(server: &ScriptedServer) -> Vec<String> {
    let requests = server.requests();
    requests.iter().map(|request| request.header("idempotency-key").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn idempotency_key_is_unique_per_request_not_per_attempt() {
    let busy = || Behavior::status(429);
    let server = ScriptedServer::start([busy(), busy(), ok(), busy(), ok(), ok()]).await;
    let client = server.client();
    post(&client).await.unwrap();
    post(&client).await.unwrap();
    client.runs("thread_abc123").cancel("run_abc123").await.unwrap();
    let keys = idempotency_keys(&server);
    assert_eq!(keys.len(), 6);
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[3] == keys[4], "{keys:?}");
    assert!(keys[0] != keys[3] && keys[3] != keys[5] && keys[0] != keys[5], "{keys:?}");
    let requests = server.requests();
    assert_eq!(requests[0].body, requests[2].body);
    assert!(!requests[0].body.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_have_distinct_idempotency_keys() {
    let server = ScriptedServer::start([ok()]).await;
    let client = server.client();
    let posts = (0..40).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { post(&client).await.unwrap() })
    });
    futures_util::future::join_all(posts).await;
    let distinct: std::collections::HashSet<String> =
        idempotency_keys(&server).into_iter().collect();
    assert_eq!(distinct.len(), 40);
}

/// For any sequence of server behaviors, at most one request of a call can have created a run.
#[tokio::test]
async fn run_is_never_created_twice() {
    let may_have_created_run = |behavior: &Behavior| match behavior {
        Behavior::Respond { status, headers, .. } => {
            let has_header = |name| headers.iter().any(|(header, _)| *header == name);
            let is_not_processed = *status == 429 || (*status == 503 && has_header("retry-after"));
            !(is_not_processed || *status >= 400 && has_header("x-should-retry"))
        }
        _ => true,
    };
    let candidates: Vec<Behavior> = [
        Behavior::status(429),
        Behavior::status(429).with_header("retry-after", "0"),
        Behavior::status(503).with_header("retry-after", "0"),
        Behavior::status(500).with_header("x-should-retry", "true"),
        Behavior::status(400),
        Behavior::status(408),
        Behavior::status(409),
        Behavior::status(500),
        Behavior::status(503),
        Behavior::ok("{"),
        ok(),
    ]
    .into_iter()
    .chain(connection_failures())
    .collect();
    let mut random = 42_u64;
    let mut next = move || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap()
    };
    let mut calls_with_retries = 0;
    let server = ScriptedServer::start([ok()]).await;
    let client = server.builder().retry_policy(fast_retries().max_attempts(6)).build().unwrap();
    for _ in 0..300 {
        let behaviors: Vec<Behavior> = (0..6)
            .map(|_| {
                candidates[next() % if next() % 2 == 0 { 4 } else { candidates.len() }].clone()
            })
            .collect();
        server.restart(behaviors.clone());
        let _ = post(&client).await;
        let created = behaviors
            .iter()
            .take(server.count())
            .filter(|behavior| may_have_created_run(behavior))
            .count();
        assert!(created <= 1, "{created} runs by {:?}", behaviors.iter().take(server.count()));
        calls_with_retries += usize::from(server.count() > 2);
    }
    assert!(calls_with_retries > 20, "only {calls_with_retries} calls were sent more than twice");
}
