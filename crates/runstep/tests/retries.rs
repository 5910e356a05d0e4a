//! What is sent again, what is not, and how soon.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::time::{Duration, SystemTime};

use runstep::types::{DeletedThread, Run};
use runstep::{Backoff, Client, Error, ErrorKind, Result, RetryPolicy};
use support::script::{Act, Script, quick};
use support::{KEY, example};
use tokio::net::TcpListener;
use tokio::time::Instant;

fn ok() -> Act {
    Act::ok(example("Run"))
}

async fn get(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

async fn post(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").create("asst_abc123").await
}

/// How the connection can break after the request was read.
fn breaks() -> [Act; 4] {
    [Act::Reset, Act::ResetInHeaders, Act::ResetInBody(Vec::new()), Act::CloseInBody]
}

#[tokio::test]
async fn reading_is_sent_again_after_what_may_pass() {
    let statuses = [408, 429, 500, 502, 503, 504, 529, 599].map(Act::status);
    for act in statuses.into_iter().chain(breaks()) {
        let server = Script::of([act.clone(), ok()]).await;
        get(&server.client()).await.unwrap_or_else(|error| panic!("{act:?}: {error:?}"));
        assert_eq!(server.count(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn deleting_is_sent_again_after_what_may_pass() {
    let deleted =
        Act::ok(r#"{"id": "thread_abc123", "object": "thread.deleted", "deleted": true}"#);
    for act in [Act::status(500), Act::Reset] {
        let server = Script::of([act, deleted.clone()]).await;
        let gone: DeletedThread = server.client().threads().delete("thread_abc123").await.unwrap();
        assert!(gone.deleted);
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn reading_is_not_sent_again_after_what_stays() {
    let statuses = [400, 401, 403, 404, 409, 411, 422, 304].map(Act::status);
    let undecodable = [Act::ok("{}"), Act::ok(""), Act::ok("<html>")];
    for act in statuses.into_iter().chain(undecodable) {
        let server = Script::of([act.clone(), ok()]).await;
        get(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn making_is_not_sent_again_when_the_server_may_have_acted() {
    let statuses = [408, 409, 500, 502, 503, 504].map(Act::status);
    let asked = Act::status(500).with("retry-after", "0").with("retry-after-ms", "1");
    for act in statuses.into_iter().chain(breaks()).chain([asked, Act::ok("{}")]) {
        let server = Script::of([act.clone(), ok()]).await;
        post(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn making_is_not_sent_again_after_a_timeout_and_reading_is() {
    let server = Script::of([Act::Hang]).await;
    let client = server.builder().timeout(Duration::from_millis(150)).build().unwrap();
    assert!(post(&client).await.unwrap_err().is_timeout());
    assert_eq!(server.count(), 1);
    assert!(get(&client).await.unwrap_err().is_timeout());
    assert_eq!(server.count(), 1 + 3);
}

#[tokio::test]
async fn making_is_sent_again_when_the_server_says_that_it_did_not_act() {
    for act in [
        Act::status(429),
        Act::status(503).with("retry-after", "0"),
        Act::status(503).with("retry-after-ms", "1"),
        Act::status(500).with("x-should-retry", "true"),
        Act::status(409).with("x-should-retry", "true"),
    ] {
        let server = Script::of([act.clone(), ok()]).await;
        post(&server.client()).await.unwrap_or_else(|error| panic!("{act:?}: {error:?}"));
        assert_eq!(server.count(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn the_server_can_forbid_it() {
    for status in [408, 429, 500, 503] {
        let act = Act::status(status).with("x-should-retry", "false").with("retry-after", "0");
        let server = Script::of([act, ok()]).await;
        let client = server.client();
        assert_eq!(get(&client).await.unwrap_err().status(), Some(status));
        assert_eq!(server.count(), 1);
        let server = Script::of([Act::status(status).with("x-should-retry", "false"), ok()]).await;
        assert_eq!(post(&server.client()).await.unwrap_err().status(), Some(status));
        assert_eq!(server.count(), 1);
    }
}

/// A reply of success is an act, whatever its headers say.
#[tokio::test]
async fn a_success_that_cannot_be_read_is_no_reason_to_make_a_second_run() {
    for act in [
        Act::ok("{").with("x-should-retry", "true"),
        Act::ok("{").with("retry-after", "0"),
        Act::ResetInBody(Vec::new()).with("x-should-retry", "true"),
    ] {
        let server = Script::of([act.clone(), ok()]).await;
        post(&server.client()).await.unwrap_err();
        assert_eq!(server.count(), 1, "{act:?}");
    }
}

/// Nothing listens at first, so that nothing can have been sent.
#[tokio::test]
async fn making_is_sent_again_when_the_connection_was_refused() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let moment = Duration::from_millis(5);
    let policy = RetryPolicy::default().attempts(2000).backoff(Backoff::new(moment, moment));
    let url = format!("http://{address}/v1");
    let client = Client::builder(url).api_key(KEY).retry_policy(policy).build().unwrap();
    let (server, run) = tokio::join!(
        async {
            tokio::time::sleep(4 * moment).await;
            Script::on(TcpListener::bind(address).await.unwrap(), [ok()])
        },
        post(&client)
    );
    run.unwrap();
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_given_up_in_the_end() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let client = Client::builder(format!("http://{free}")).retry_policy(quick()).build().unwrap();
    assert!(post(&client).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn attempts_are_limited() {
    for (policy, attempts) in [
        (quick(), 3),
        (quick().attempts(5), 5),
        (quick().attempts(1), 1),
        (quick().attempts(0), 1),
        (RetryPolicy::none(), 1),
    ] {
        let server = Script::of([Act::status(500)]).await;
        let client = server.builder().retry_policy(policy).build().unwrap();
        let error = get(&client).await.unwrap_err();
        assert_eq!((error.status(), error.message()), (Some(500), "status 500"));
        assert_eq!(server.count(), attempts, "{policy:?}");
    }
}

#[tokio::test]
async fn a_request_may_have_a_policy_of_its_own() {
    let server = Script::of([Act::status(500)]).await;
    let runs = server.client().runs("thread_abc123");
    runs.retrieve("run_abc123").retry_policy(RetryPolicy::none()).await.unwrap_err();
    assert_eq!(server.count(), 1);
    runs.retrieve("run_abc123").retry_policy(quick().attempts(7)).await.unwrap_err();
    assert_eq!(server.count(), 1 + 7);
}

/// The client's pauses would take days.
fn slow(server: &Script) -> Client {
    let day = Duration::from_secs(24 * 60 * 60);
    let policy = RetryPolicy::default().backoff(Backoff::new(day, day));
    server.builder().retry_policy(policy).build().unwrap()
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    for (name, value) in [
        ("retry-after", "0".to_owned()),
        ("retry-after", "0.005".to_owned()),
        ("retry-after", "-3".to_owned()),
        ("retry-after-ms", "5".to_owned()),
        ("retry-after-ms", "2.5".to_owned()),
        ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
        ("retry-after", httpdate::fmt_http_date(SystemTime::now())),
    ] {
        for status in [429, 503] {
            let server = Script::of([Act::status(status).with(name, value.clone()), ok()]).await;
            let client = slow(&server);
            let run = tokio::time::timeout(Duration::from_secs(20), post(&client)).await;
            run.unwrap_or_else(|_| panic!("{name}: {value} was not honoured")).unwrap();
            assert_eq!(server.count(), 2);
        }
    }
}

#[tokio::test]
async fn milliseconds_come_before_seconds() {
    let act = Act::status(429).with("retry-after", "3600").with("retry-after-ms", "1");
    let server = Script::of([act, ok()]).await;
    get(&slow(&server)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_client_does_not_come_back_sooner_than_asked() {
    for (name, value) in [("retry-after", "30"), ("retry-after-ms", "30000")] {
        let server = Script::of([Act::status(429).with(name, value), ok()]).await;
        let client = server.client();
        let begun = Instant::now();
        get(&client).await.unwrap();
        let took = begun.elapsed().as_millis();
        assert!((30_000..30_100).contains(&took), "{name}: {took} ms");
    }
}

/// From half a second to 8 seconds, each up to a quarter shorter by chance.
#[tokio::test(start_paused = true)]
async fn attempts_are_half_a_second_to_eight_apart() {
    let server = Script::of([Act::status(500)]).await;
    let policy = RetryPolicy::default();
    for (attempts, longest) in [(2, 0.5), (3, 1.5), (6, 15.5), (7, 23.5)] {
        let client = server.builder().retry_policy(policy.attempts(attempts)).build().unwrap();
        let begun = Instant::now();
        get(&client).await.unwrap_err();
        let took = begun.elapsed().as_secs_f64();
        let bounds = longest * 0.75..=longest + 0.1;
        assert!(bounds.contains(&took), "{attempts} attempts took {took} s, not {bounds:?}");
    }
}

#[test]
fn pauses_grow_and_differ_by_chance() {
    let second = Duration::from_secs(1);
    let backoff = Backoff::new(second, 20 * second).factor(3.0);
    for (before, longest) in [(0, 1.0), (1, 3.0), (2, 9.0), (3, 20.0), (u32::MAX, 20.0)] {
        let pauses: Vec<f64> = (0..200).map(|_| backoff.pause(before).as_secs_f64()).collect();
        assert!(pauses.iter().all(|pause| (longest * 0.75..=longest).contains(pause)));
        let shortest = pauses.iter().fold(longest, |a, b| a.min(*b));
        assert!(shortest < longest * 0.85, "the pauses after {before} hardly differ");
    }
    let all = Backoff::new(second, second).jitter(1.0);
    assert!((0..200).any(|_| all.pause(0) < second / 2));
}

async fn given_up(policy: RetryPolicy, name: &'static str, value: String) -> (Error, usize) {
    let server = Script::of([Act::status(429).with(name, value), ok()]).await;
    let client = server.builder().retry_policy(policy).build().unwrap();
    let error = get(&client).await.unwrap_err();
    (error, server.count())
}

#[tokio::test]
async fn a_server_that_asks_for_too_long_is_not_waited_for() {
    let (error, count) = given_up(quick(), "retry-after", "61".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_secs(61)), 1));
    assert!(error.is_rate_limited());
    let (error, count) = given_up(quick(), "retry-after-ms", "60001".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_millis(60_001)), 1));
    let later = SystemTime::now() + Duration::from_secs(7200);
    let date = httpdate::fmt_http_date(later);
    let (error, count) = given_up(quick(), "retry-after", date).await;
    let asked = error.retry_after().unwrap().as_secs();
    assert!((7100..=7200).contains(&asked) && count == 1, "{asked} s, {count} requests");
}

#[tokio::test]
async fn how_long_is_too_long_can_be_said() {
    let policy = quick().longest_retry_after(Duration::from_millis(9));
    let (error, count) = given_up(policy, "retry-after-ms", "10".to_owned()).await;
    assert_eq!((error.retry_after(), count), (Some(Duration::from_millis(10)), 1));
    let server = Script::of([Act::status(429).with("retry-after-ms", "9"), ok()]).await;
    let client = server.builder().retry_policy(policy).build().unwrap();
    get(&client).await.unwrap();
}

/// What is no time does not count: the client's own pauses hold.
#[tokio::test]
async fn a_time_that_is_none_is_ignored() {
    for value in ["soon", "", "1e400", "inf", "NaN", "Wed, 99 Oct"] {
        let server = Script::of([Act::status(429).with("retry-after", value), ok()]).await;
        get(&server.client()).await.unwrap_or_else(|error| panic!("{value}: {error:?}"));
        assert_eq!(server.count(), 2, "{value}");
    }
}

fn keys(server: &Script) -> Vec<String> {
    let seen = server.seen();
    seen.iter().map(|one| one.header("idempotency-key").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_key_stays_the_same_over_attempts_and_is_another_for_another_request() {
    let busy = || Act::status(429);
    let server = Script::of([busy(), busy(), ok(), busy(), ok(), ok()]).await;
    let client = server.client();
    post(&client).await.unwrap();
    post(&client).await.unwrap();
    client.runs("thread_abc123").cancel("run_abc123").await.unwrap();
    let keys = keys(&server);
    assert_eq!(keys.len(), 6);
    assert!(keys[0] == keys[1] && keys[1] == keys[2] && keys[3] == keys[4], "{keys:?}");
    assert!(keys[0] != keys[3] && keys[3] != keys[5] && keys[0] != keys[5], "{keys:?}");
    let seen = server.seen();
    assert_eq!(seen[0].body, seen[2].body);
    assert!(!seen[0].body.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_requests_have_the_same_key() {
    let server = Script::of([ok()]).await;
    let client = server.client();
    let posts = (0..40).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { post(&client).await.unwrap() })
    });
    futures_util::future::join_all(posts).await;
    let distinct: std::collections::HashSet<String> = keys(&server).into_iter().collect();
    assert_eq!(distinct.len(), 40);
}

#[tokio::test]
async fn a_storm_of_429_ends() {
    let server = Script::of([Act::status(429).with("retry-after", "0")]).await;
    let client = server.client();
    let error = post(&client).await.unwrap_err();
    assert!(error.is_rate_limited());
    assert_eq!((error.kind(), server.count()), (ErrorKind::Api, 3));
    assert!(get(&client).await.unwrap_err().is_rate_limited());
    assert_eq!(server.count(), 6);
}

/// Whatever a server does, in whatever order: it made at most one run. A reply of these is one for
/// which it may have made it.
#[tokio::test]
async fn no_run_is_ever_made_twice() {
    let may_have_made_one = |act: &Act| match act {
        Act::Reply { status, headers, .. } => {
            let told = |name| headers.iter().any(|(header, _)| *header == name);
            let refused = *status == 429 || (*status == 503 && told("retry-after"));
            !(refused || *status >= 400 && told("x-should-retry"))
        }
        _ => true,
    };
    let all: Vec<Act> = [
        Act::status(429),
        Act::status(429).with("retry-after", "0"),
        Act::status(503).with("retry-after", "0"),
        Act::status(500).with("x-should-retry", "true"),
        Act::status(400),
        Act::status(408),
        Act::status(409),
        Act::status(500),
        Act::status(503),
        Act::ok("{"),
        ok(),
    ]
    .into_iter()
    .chain(breaks())
    .collect();
    let mut random = 42_u64;
    let mut next = move || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap()
    };
    let mut often = 0;
    let server = Script::of([ok()]).await;
    let client = server.builder().retry_policy(quick().attempts(6)).build().unwrap();
    for _ in 0..300 {
        let acts: Vec<Act> = (0..6)
            .map(|_| all[next() % if next() % 2 == 0 { 4 } else { all.len() }].clone())
            .collect();
        server.again(acts.clone());
        let _ = post(&client).await;
        let made = acts.iter().take(server.count()).filter(|act| may_have_made_one(act)).count();
        assert!(made <= 1, "{made} runs by {:?}", acts.iter().take(server.count()));
        often += usize::from(server.count() > 2);
    }
    assert!(often > 20, "the script hardly ever lets a request be sent again");
}
