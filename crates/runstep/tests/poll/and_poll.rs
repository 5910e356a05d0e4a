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

/// The reply to the request is the first that is known of the run.
#[tokio::test]
async fn the_run_that_was_created_is_not_lost() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => reply(404, &[], r#"{"error": {"message": "No run found."}}"#),
    })
    .await;
    let create = || server.client().runs("t").create("asst_1").and_poll().interval(TINY);
    let error = create().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
}

#[tokio::test]
async fn a_run_that_has_ended_at_once_is_not_looked_at() {
    let server = Recorder::with_json(run("completed")).await;
    let create = server.client().runs("t").create("asst_1").and_poll();
    assert_eq!(create.await.unwrap().status, "completed");
    assert_eq!(server.count(), 1);
}

/// It may not have taken in yet what was submitted.
#[tokio::test]
async fn action_required_in_the_reply_is_looked_at() {
    let server = Recorder::start(|number| match number {
        0 => json(&run("requires_action")),
        _ => json(&run("completed")),
    })
    .await;
    let submit = server.client().runs("t").submit_tool_outputs("r").output("call_1", "18");
    let (mut updates, mut statuses) = (submit.and_poll().into_stream(), Vec::new());
    while let Some(update) = updates.try_next().await.unwrap() {
        statuses.push(update.status.to_string());
    }
    assert_eq!((statuses, server.count()), (vec!["completed".to_owned()], 2));
}

#[tokio::test]
async fn the_reply_says_when_to_look_first() {
    let server = scripted(&["queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
    })
    .await;
    let mut updates =
        server.client().runs("t").create("asst_1").and_poll().deadline(2 * HOUR).into_stream();
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "queued");
    assert!(tokio::time::timeout(SOON, updates.try_next()).await.is_err());
    assert_eq!(server.count(), 1);
    later(HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
}

fn late(after: u64) -> [Act; 2] {
    [Act::Late(Duration::from_millis(after), run("queued").to_string()), Act::ok(run("cancelling"))]
}

/// Waits for the cancel of a run that nobody has heard of.
async fn cancelled(server: &Script) {
    for _ in 0..5000 {
        if server.count() == 2 {
            let cancel = &server.seen()[1];
            assert_eq!(cancel.target, "/v1/threads/thread_abc123/runs/run_abc123/cancel?region=eu");
            return assert_eq!(cancel.header("x-tenant"), Some("7"));
        }
        tokio::time::sleep(TINY).await;
    }
    panic!("the run goes on: {:?}", server.seen());
}

fn create(server: &Script) -> runstep::AndPoll<runstep::CreateRun> {
    let create = server.client().runs("t").create("asst_1");
    create.header("x-tenant", "7").query("region", "eu").and_poll()
}

#[tokio::test]
async fn the_deadline_covers_the_request_that_starts_the_run() {
    let server = Script::of([Act::Hang]).await;
    let error = create(&server).deadline(SOON).await.unwrap_err();
    assert!(error.is_deadline() && error.run().is_none(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no reply came before the deadline; a run may go on all the same"
    );
}

#[tokio::test]
async fn a_run_that_is_created_after_the_deadline_is_cancelled_if_asked() {
    let server = Script::of(late(400)).await;
    let late = create(&server).deadline(SOON).cancel_on_deadline(true).await;
    let error = late.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no reply came before the deadline; if a run goes on, it is cancelled"
    );
    cancelled(&server).await;
}

#[tokio::test]
async fn a_run_that_is_created_after_a_drop_is_cancelled_if_asked() {
    for stream in [true, false] {
        let server = Script::of(late(400)).await;
        let create = create(&server).cancel_on_drop(true);
        let gone = match stream {
            true => tokio::time::timeout(SOON, create.into_stream().try_next()).await.is_err(),
            false => tokio::time::timeout(SOON, create.into_future()).await.is_err(),
        };
        assert!(gone && server.count() == 1);
        cancelled(&server).await;
    }
}

#[tokio::test]
async fn what_goes_along_with_the_request_goes_along_with_the_looks() {
    let server = looks(&[Run("in_progress")]).await;
    let create = server.client().runs("thread_abc123").create("asst_1");
    let create = create.header("x-tenant", "7").query("region", "eu");
    let create = create.header("Idempotency-Key", "of the creation");
    let wait = create.and_poll().interval(TINY).deadline(SOON).cancel_on_deadline(true);
    wait.header("x-look", "yes").await.unwrap_err();
    let seen = server.seen();
    assert!(seen.len() > 2);
    for (number, request) in seen.iter().enumerate() {
        assert_eq!(request.header("x-tenant"), Some("7"), "{request:?}");
        assert!(request.target.contains("region=eu"), "{request:?}");
        let first = (number == 0).then_some("of the creation");
        let key = request.header("idempotency-key");
        assert!(key == first || (key.is_some() && number > 1), "{request:?}");
        assert_ne!(key.filter(|_| number > 0), Some("of the creation"));
        assert_eq!(request.header("x-look").is_some(), number > 0, "{request:?}");
    }
    let hanging = Recorder::start(|number| match number {
        0 => json(&run("queued")),
        _ => hanging(),
    })
    .await;
    let create = hanging.client().runs("t").create("asst_1").request_timeout(SOON).and_poll();
    let create = create.interval(TINY).error_policy(PollErrorPolicy::none());
    assert!(create.await.unwrap_err().is_timeout());
}
