//! Secrets in headers that are given by hand: whatever is shown, they are not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::error::Error as _;
use std::time::Duration;

use runstep::tools::Toolbox;
use runstep::{Client, ErrorKind, RetryPolicy};
use support::{KEY, Recorder, example};

/// The names by which a key is given as a header by hand.
const NAMES: [&str; 4] = ["authorization", "api-key", "X-Api-Key", "cookie"];

/// All that is made of a request which was given a key as such a header, as it is shown.
async fn shown_of(server: &Recorder, client: &Client, name: &str) -> String {
    let create = || client.runs("thread_1").create("asst_1").header(name, KEY);
    let tools = || Toolbox::new().function("now", || async { "12:00" });
    let timeout = Duration::from_millis(1);
    let mut shown = format!("{:?} {:#?}", create().stream(), create().request_timeout(timeout));
    shown += &format!("{:?} {:?}", create().toolbox(&tools()), create().response_as::<u8>());
    shown += &format!("{:?}", create().toolbox(&tools()).stream());
    shown += &format!("{:?}", create().toolbox(&tools()).response_as::<u8>().stream());
    let threads = client.threads();
    shown += &format!("{:?}", threads.create_and_run("asst_1").header(name, KEY).and_poll());
    shown += &format!("{:?}", client.assistants().list().header(name, KEY));
    let runs = client.runs("thread_1");
    shown += &format!("{:?}", runs.submit_tool_outputs("run_1").header(name, KEY).stream());
    shown += &format!("{:?}", runs.poll("run_1").header(name, KEY).toolbox(&tools()));
    // What is made of the replies.
    match create().send().await {
        Ok(reply) => shown += &format!("{reply:?} {reply:#?}"),
        Err(error) => shown += &format!("{error} {error:?} {:?}", error.source()),
    }
    match create().stream().await {
        Ok(events) => shown += &format!("{events:?}"),
        Err(error) => shown += &format!("{error} {error:#?} {:?}", error.source()),
    }
    match create().toolbox(&tools()).stream().await {
        Ok(events) => shown += &format!("{events:?}"),
        Err(error) => shown += &format!("{error} {error:#?}"),
    }
    // It cannot be sent, and the error says so.
    let before = server.count();
    let broken = create().header(name, format!("{KEY}\n")).await.unwrap_err();
    assert_eq!((broken.kind(), server.count()), (ErrorKind::InvalidRequest, before));
    shown + &format!("{broken} {broken:#?} {:?}", broken.source())
}

#[tokio::test]
async fn a_secret_header_given_by_hand_is_sent_and_never_shown() {
    let away = |value: &str, name: &str| {
        let builder = Client::builder("http://127.0.0.1:1/v1").retry_policy(RetryPolicy::none());
        builder.header(name, value)
    };
    let completed = || {
        let mut run = example("Run");
        run["status"] = "completed".into();
        run
    };
    let servers = [
        Recorder::with_json(completed()).await,
        Recorder::with_reply(401, &[], r#"{"error": {"message": "Who are you?"}}"#).await,
        Recorder::with_reply(200, &[("content-type", "text/event-stream")], "data: {").await,
        Recorder::with_reply(200, &[("content-type", "application/json")], "{").await,
        Recorder::with_reply(307, &[("location", "http://127.0.0.2:1/")], "").await,
    ];
    for name in NAMES {
        for server in &servers {
            let shown = shown_of(server, &server.client(), name).await;
            assert!(!shown.contains(KEY), "{name}: {shown}");
            let last = server.seen().pop().unwrap();
            assert_eq!(last.header(name), Some(KEY), "{name} was not sent");
        }
        let builder = away(KEY, name);
        let shown = format!("{builder:?} {builder:#?}");
        let client = builder.build().unwrap();
        let shown = shown
            + &format!("{client:?} {client:#?}")
            + &shown_of(&servers[0], &client, name).await;
        assert!(!shown.contains(KEY), "{name}: {shown}");
        let broken = away(&format!("{KEY}\n"), name).build().unwrap_err();
        let shown = format!("{broken} {broken:#?}");
        assert!(!shown.contains(KEY), "{name}: {shown}");
    }
}
