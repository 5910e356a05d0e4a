//! Starting a run and waiting for it in one.

use super::*;

/// A server that starts a run by any POST, and ends it with the third look.
async fn starting() -> Recorder {
    Recorder::answering(|number, request| {
        let status = match (request.method.as_str(), number) {
            ("POST", _) => "queued",
            (_, 1) => "queued",
            (_, 2) => "in_progress",
            _ => "completed",
        };
        json(&run(status))
    })
    .await
}

macro_rules! and_poll {
    ($($test:ident: $target:literal, |$client:ident| $request:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = starting().await;
                let $client = server.client();
                let run = $request.and_poll().interval(TINY).await.unwrap();
                assert_eq!(run.status, "completed");
                let seen = server.seen();
                let targets: Vec<_> =
                    seen.iter().map(|one| format!("{} {}", one.method, one.target)).collect();
                let look = "GET /v1/threads/thread_abc123/runs/run_abc123";
                assert_eq!(targets, [$target, look, look, look]);
                let server = starting().await;
                let $client = server.client();
                let mut updates = $request.and_poll().interval(TINY).into_stream();
                assert_eq!(server.count(), 0, "nothing is sent before it is asked for");
                let mut statuses = Vec::new();
                while let Some(update) = updates.try_next().await.unwrap() {
                    statuses.push(update.status.to_string());
                }
                assert_eq!(statuses, ["queued", "in_progress", "completed"]);
                assert_eq!(server.count_of("POST", ""), 1);
            }
        )+
    };
}

and_poll! {
    a_run_is_created_and_waited_for: "POST /v1/threads/t/runs", |client|
        client.runs("t").create("asst_1");
    a_thread_and_run_are_created_and_waited_for: "POST /v1/threads/runs", |client|
        client.threads().create_and_run("asst_1").user_message("Hi");
    outputs_are_submitted_and_the_run_waited_for:
        "POST /v1/threads/t/runs/r/submit_tool_outputs", |client|
        client.runs("t").submit_tool_outputs("r").output("call_1", "18");
}

#[tokio::test]
async fn a_run_that_cannot_be_created_is_not_waited_for() {
    let server = Recorder::with_reply(400, &[], r#"{"error": {"message": "No."}}"#).await;
    let create = server.client().runs("t").create("asst_1").and_poll();
    assert_eq!(create.clone().await.unwrap_err().message(), "No.");
    let mut updates = create.into_stream();
    assert_eq!(updates.try_next().await.unwrap_err().message(), "No.");
    assert!(updates.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn what_is_said_of_the_wait_holds_for_and_poll_too() {
    let server = looks(&[Run("in_progress")]).await;
    let create = || server.client().runs("thread_abc123").create("asst_1").and_poll();
    let late = create().interval(TINY).deadline(SOON).cancel_on_deadline(true);
    assert!(late.await.unwrap_err().is_deadline());
    settled(&server, 1).await;
    let dropped = create().interval(TINY).cancel_on_drop(true).into_future();
    assert!(tokio::time::timeout(SOON, dropped).await.is_err());
    settled(&server, 2).await;
    let server = looks(&[Fails(500)]).await;
    let create = server.client().runs("thread_abc123").create("asst_1").and_poll();
    let error = create.interval(TINY).error_policy(PollErrorPolicy::none()).await.unwrap_err();
    assert_eq!((error.status(), server.count()), (Some(500), 2));
}
