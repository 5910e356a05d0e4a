//! `and_poll`: a request that starts a run, followed by polling.

use super::*;

/// Starts a server that creates a run for each POST. The third poll request finds it completed.
async fn server_that_completes_run() -> RecordingServer {
    RecordingServer::start_with(|number, request| {
        let status = match (request.method.as_str(), number) {
            ("POST", _) => "queued",
            (_, 1) => "queued",
            (_, 2) => "in_progress",
            _ => "completed",
        };
        json_response(&run_with_status(status))
    })
    .await
}

macro_rules! and_poll {
    ($($test:ident: $target:literal, |$client:ident| $request:expr;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let server = server_that_completes_run().await;
                let $client = server.client();
                let run = $request.interval(MILLISECOND).and_poll().await.unwrap();
                assert_eq!(run.status, "completed");
                let requests = server.requests();
                let targets: Vec<_> =
                    requests.iter().map(|request| format!("{} {}", request.method, request.target)).collect();
                let poll = "GET /v1/threads/thread_abc123/runs/run_abc123";
                assert_eq!(targets, [$target, poll, poll, poll]);
                let server = server_that_completes_run().await;
                let $client = server.client();
                let mut updates = $request.interval(MILLISECOND).watch();
                assert_eq!(server.count(), 0, "a request was sent before the stream was read");
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
    created_run_is_polled_until_completed: "POST /v1/threads/t/runs", |client|
        client.runs("t").create("asst_1");
    run_of_new_thread_is_polled_until_completed: "POST /v1/threads/runs", |client|
        client.threads().create_and_run("asst_1").user_message("Hi");
    run_is_polled_after_submitting_outputs:
        "POST /v1/threads/t/runs/r/submit_tool_outputs", |client|
        client.runs("t").submit_tool_outputs("r").output("call_1", "18");
}

#[tokio::test]
async fn failed_creation_is_not_polled() {
    let server = RecordingServer::with_response(400, &[], r#"{"error": {"message": "No."}}"#).await;
    let create = server.client().runs("t").create("asst_1");
    assert_eq!(create.clone().and_poll().await.unwrap_err().message(), "No.");
    let mut updates = create.watch();
    assert_eq!(updates.try_next().await.unwrap_err().message(), "No.");
    assert!(updates.try_next().await.unwrap().is_none());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn poll_settings_apply_to_and_poll() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let create = || server.client().runs("thread_abc123").create("asst_1");
    let result = create().interval(MILLISECOND).deadline(SHORT_DEADLINE).cancel_on_deadline(true);
    assert!(result.and_poll().await.unwrap_err().is_deadline());
    assert_cancels(&server, 1).await;
    let dropped = create().interval(MILLISECOND).cancel_on_drop(true).and_poll();
    assert!(tokio::time::timeout(SHORT_DEADLINE, dropped).await.is_err());
    assert_cancels(&server, 2).await;
    let server = server_with_polls(&[HttpError(500)]).await;
    let create = server.client().runs("thread_abc123").create("asst_1").interval(MILLISECOND);
    let error = create.error_policy(PollErrorPolicy::none()).and_poll().await.unwrap_err();
    assert_eq!((error.status(), server.count()), (Some(500), 2));
}

/// The response to the create request is the first known state of the run.
#[tokio::test]
async fn polling_error_contains_created_run() {
    let server = RecordingServer::start(|number| match number {
        0 => json_response(&run_with_status("queued")),
        _ => http_response(404, &[], r#"{"error": {"message": "No run found."}}"#),
    })
    .await;
    let create = || server.client().runs("t").create("asst_1").interval(MILLISECOND).and_poll();
    let error = create().await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.run().map(|run| run.status.as_str()), Some("queued"));
}

#[tokio::test]
async fn run_that_is_created_terminal_is_not_polled() {
    let server = RecordingServer::with_json(run_with_status("completed")).await;
    let create = server.client().runs("t").create("asst_1").and_poll();
    assert_eq!(create.await.unwrap().status, "completed");
    assert_eq!(server.count(), 1);
}

/// The response to a submission can be stale and still require the submitted outputs.
#[tokio::test]
async fn requires_action_in_submit_response_is_polled_again() {
    let server = RecordingServer::start(|number| match number {
        0 => json_response(&run_with_status("requires_action")),
        _ => json_response(&run_with_status("completed")),
    })
    .await;
    let submit = server.client().runs("t").submit_tool_outputs("r").output("call_1", "18");
    let (mut updates, mut statuses) = (submit.watch(), Vec::new());
    while let Some(update) = updates.try_next().await.unwrap() {
        statuses.push(update.status.to_string());
    }
    assert_eq!((statuses, server.count()), (vec!["completed".to_owned()], 2));
}

#[tokio::test]
async fn create_response_sets_delay_of_first_poll() {
    let server = server_with_changed_responses(&["queued", "completed"], |response| {
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
    })
    .await;
    let mut updates = server.client().runs("t").create("asst_1").deadline(2 * HOUR).watch();
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "queued");
    assert!(tokio::time::timeout(SHORT_DEADLINE, updates.try_next()).await.is_err());
    assert_eq!(server.count(), 1);
    advance_time(HOUR).await;
    assert_eq!(updates.try_next().await.unwrap().unwrap().status, "completed");
}

/// The create response arrives after this many milliseconds; the next request cancels the run.
fn delayed_creation(millis: u64) -> [Behavior; 2] {
    [
        Behavior::Delay(Duration::from_millis(millis), run_with_status("queued").to_string()),
        Behavior::ok(run_with_status("cancelling")),
    ]
}

/// Waits until a run is cancelled whose create response nobody waited for.
async fn assert_created_run_is_cancelled(server: &ScriptedServer) {
    for _ in 0..5000 {
        if server.count() == 2 {
            let cancel = &server.requests()[1];
            assert_eq!(cancel.target, "/v1/threads/thread_abc123/runs/run_abc123/cancel?region=eu");
            return assert_eq!(cancel.header("x-tenant"), Some("7"));
        }
        tokio::time::sleep(MILLISECOND).await;
    }
    panic!("the run was not cancelled: {:?}", server.requests());
}

fn create(server: &ScriptedServer) -> runstep::CreateRun {
    let create = server.client().runs("t").create("asst_1");
    create.header("x-tenant", "7").query("region", "eu")
}

#[tokio::test]
async fn deadline_includes_create_request() {
    let server = ScriptedServer::start([Behavior::Hang]).await;
    let error = create(&server).deadline(SHORT_DEADLINE).and_poll().await.unwrap_err();
    assert!(error.is_deadline() && error.run().is_none(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no response arrived before the deadline; a run may have been created"
    );
}

#[tokio::test]
async fn run_created_after_deadline_is_cancelled_if_configured() {
    let server = ScriptedServer::start(delayed_creation(400)).await;
    let result = create(&server).deadline(SHORT_DEADLINE).cancel_on_deadline(true).and_poll().await;
    let error = result.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "no response arrived before the deadline; a created run is cancelled"
    );
    assert_created_run_is_cancelled(&server).await;
}

#[tokio::test]
async fn run_created_after_drop_is_cancelled_if_configured() {
    for stream in [true, false] {
        let server = ScriptedServer::start(delayed_creation(400)).await;
        let create = create(&server).cancel_on_drop(true);
        let is_dropped = match stream {
            true => tokio::time::timeout(SHORT_DEADLINE, create.watch().try_next()).await.is_err(),
            false => tokio::time::timeout(SHORT_DEADLINE, create.and_poll()).await.is_err(),
        };
        assert!(is_dropped && server.count() == 1);
        assert_created_run_is_cancelled(&server).await;
    }
}

#[tokio::test]
async fn request_options_apply_to_poll_requests() {
    let server = server_with_polls(&[Status("in_progress")]).await;
    let create = server.client().runs("thread_abc123").create("asst_1");
    let create = create.header("x-tenant", "7").query("region", "eu");
    let create = create.header("Idempotency-Key", "create-key");
    let create = create.interval(MILLISECOND).deadline(SHORT_DEADLINE).cancel_on_deadline(true);
    create.header("x-late", "yes").and_poll().await.unwrap_err();
    let requests = server.requests();
    assert!(requests.len() > 2);
    for (number, request) in requests.iter().enumerate() {
        assert_eq!(request.header("x-tenant"), Some("7"), "{request:?}");
        assert!(request.target.contains("region=eu"), "{request:?}");
        let first = (number == 0).then_some("create-key");
        let key = request.header("idempotency-key");
        assert!(key == first || (key.is_some() && number > 1), "{request:?}");
        assert_ne!(key.filter(|_| number > 0), Some("create-key"));
        assert_eq!(request.header("x-late"), Some("yes"), "{request:?}");
    }
    let hanging_server = RecordingServer::start(|number| match number {
        0 => json_response(&run_with_status("queued")),
        _ => hanging_response(),
    })
    .await;
    let create = hanging_server.client().runs("t").create("asst_1").request_timeout(SHORT_DEADLINE);
    let create = create.interval(MILLISECOND).error_policy(PollErrorPolicy::none());
    assert!(create.and_poll().await.unwrap_err().is_timeout());
}
