//! `ensure_idle`: waiting for, or cancelling, the active run of a thread.

use runstep::IfActive;
use runstep::types::Run;
use runstep_server::model::Turn;

use super::*;

async fn create_run(server: &TestServer) -> Run {
    server.create_run().await.unwrap()
}

/// Checks that the thread accepts a message, which it does only without an active run.
async fn assert_idle(server: &TestServer) {
    server.client.messages(&server.thread_id).create("More").await.unwrap();
}

fn stalled_and_completed_turns() -> [Turn; 2] {
    [Turn::stall(), Turn::text("Yes.")]
}

#[tokio::test]
async fn both_active_run_errors_name_thread_and_run() {
    let server = TestServer::with_turns(stalled_and_completed_turns()).await;
    let run = create_run(&server).await;
    let errors = [
        server.create_run().await.unwrap_err(),
        server.client.messages(&server.thread_id).create("More").await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_active_run(), "{error:?}");
        let active = error.active_run().unwrap();
        assert_eq!((active.thread_id, active.run_id), (server.thread_id.clone(), run.id.clone()));
    }
}

#[tokio::test]
async fn other_error_messages_name_no_active_run() {
    for message in [
        "Thread thread_1 has no active run.",
        "Thread thread_1 already has an active run",
        "No run found with id 'run_1'.",
        "Can't add messages to thread_1 while a run",
        "Can't add messages to thread_1 while a run run_1 is asleep.",
        "",
    ] {
        let body = json!({"error": {"message": message}}).to_string();
        let server = RecordingServer::with_response(400, &[], body).await;
        let error = server.client().runs("thread_1").create("asst_1").await.unwrap_err();
        assert!(error.active_run().is_none() && !error.is_active_run(), "{message}");
    }
}

#[tokio::test]
async fn idle_thread_is_left_unchanged() {
    for if_active in [IfActive::Wait, IfActive::Cancel, IfActive::Fail] {
        let server = TestServer::with_turns([Turn::text("Yes.")]).await;
        assert_eq!(server.runs.ensure_idle(if_active).await.unwrap(), None, "no run at all");
        let run = server.create_run().and_poll().await.unwrap();
        assert_eq!(run.status, "completed");
        assert_eq!(server.runs.ensure_idle(if_active).await.unwrap(), None, "a completed run");
    }
}

/// The entry may be an active run.
#[tokio::test]
async fn newest_run_that_does_not_decode_is_an_error() {
    let page = json!({"data": [{"id": "run_1", "status": "in_progress"}], "has_more": false});
    for if_active in [IfActive::Wait, IfActive::Cancel, IfActive::Fail] {
        let server = RecordingServer::with_response(200, &[], page.to_string()).await;
        let error = server.client().runs("thread_1").ensure_idle(if_active).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("thread_id"), "{error}");
    }
}

#[tokio::test]
async fn fail_returns_error_with_active_run() {
    let server = TestServer::with_turns(stalled_and_completed_turns()).await;
    let run = create_run(&server).await;
    let error = server.runs.ensure_idle(IfActive::Fail).await.unwrap_err();
    let active = error.active_run().unwrap();
    assert_eq!((active.thread_id, active.run_id), (server.thread_id.clone(), run.id.clone()));
    assert_eq!(error.run().map(|run| &run.id), Some(&run.id));
    let now = server.runs.retrieve(&run.id).await.unwrap();
    assert!(now.cancelled_at.is_none(), "the run was cancelled");
}

#[tokio::test]
async fn wait_returns_when_run_is_terminal() {
    let server =
        TestServer::with_turns([Turn::text("Yes.").initial_delay(Duration::from_millis(40))]).await;
    let run = create_run(&server).await;
    let last_run = server.runs.ensure_idle(IfActive::Wait).await.unwrap().unwrap();
    assert_eq!((last_run.id, last_run.status.as_str()), (run.id, "completed"));
    assert_idle(&server).await;
}

#[tokio::test]
async fn cancel_works_in_progress_and_when_action_is_required() {
    let call = Turn::call("get_weather", json!({}));
    for (turn, status) in [(Turn::stall(), "in_progress"), (call, "requires_action")] {
        let server = TestServer::with_turns([turn, Turn::text("Yes.")]).await;
        let run = create_run(&server).await;
        while server.runs.retrieve(&run.id).await.unwrap().status != status {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let last_run = server.runs.ensure_idle(IfActive::Cancel).await.unwrap().unwrap();
        assert_eq!((last_run.id, last_run.status.as_str()), (run.id, "cancelled"));
        assert_idle(&server).await;
        create_run(&server).await;
    }
}

/// Another client submits the outputs meanwhile.
#[tokio::test]
async fn wait_continues_while_action_is_required() {
    let server =
        TestServer::with_turns([Turn::call("get_weather", json!({})), Turn::text("Yes.")]).await;
    let run = server.create_run().and_poll().await.unwrap();
    assert_eq!(run.status, "requires_action");
    let interval = Duration::from_millis(3);
    let (result, _) = tokio::join!(
        server.runs.ensure_idle(IfActive::Wait).interval(interval).into_future(),
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let call = &run.required_action.as_ref().unwrap();
            let runstep::types::RequiredAction::SubmitToolOutputs(action) = call else {
                panic!("{call:?}")
            };
            let runstep::types::RequiredToolCall::Function(call) =
                &action.submit_tool_outputs.tool_calls[0]
            else {
                panic!("{action:?}")
            };
            server.runs.submit_tool_outputs(&run.id).output(&call.id, "18").await.unwrap();
        }
    );
    assert_eq!(result.unwrap().unwrap().status, "completed");
}

#[tokio::test]
async fn deadline_error_contains_last_state() {
    let call = Turn::call("get_weather", json!({}));
    for (turn, status) in [(Turn::stall(), "in_progress"), (call, "requires_action")] {
        let server = TestServer::with_turns([turn]).await;
        let run = create_run(&server).await;
        let waiting = server.runs.ensure_idle(IfActive::Wait).interval(Duration::from_millis(3));
        let wait = waiting.deadline(Duration::from_millis(400)).into_future();
        let result = tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline);
        let last = error.run().unwrap();
        assert_eq!((&last.id, last.status.as_str()), (&run.id, status));
    }
}

#[tokio::test]
async fn zero_deadline_is_an_error() {
    let server = TestServer::with_turns([Turn::call("get_weather", json!({}))]).await;
    server.create_run().and_poll().await.unwrap();
    let waiting = server.runs.ensure_idle(IfActive::Wait).deadline(Duration::ZERO).into_future();
    let result = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    assert!(result.unwrap_err().is_deadline());
}

/// Starts a server that rejects the cancel request with this status. The run is cancelled at the
/// next poll.
async fn server_that_rejects_cancel(status: u16) -> RecordingServer {
    RecordingServer::start_with(move |_, request| {
        if request.method == "POST" {
            let message = "Cannot cancel run with status 'cancelling'.";
            return http_response(status, &[], json!({"error": {"message": message}}).to_string());
        }
        if request.target.contains("limit=1") {
            return json_response(&list_of("cancelling"));
        }
        json_response(&run_with_status("cancelled"))
    })
    .await
}

/// The run may already be cancelling.
#[tokio::test]
async fn rejected_cancel_of_cancelling_run_is_ignored() {
    let server = server_that_rejects_cancel(400).await;
    let last_run = server.client().runs("t").ensure_idle(IfActive::Cancel).await.unwrap();
    assert_eq!(last_run.unwrap().status, "cancelled");
    assert_eq!(server.count_of("POST", "/cancel"), 1);
}

#[tokio::test]
async fn other_cancel_failure_is_returned() {
    let server = server_that_rejects_cancel(403).await;
    let error = server.client().runs("t").ensure_idle(IfActive::Cancel).await.unwrap_err();
    assert_eq!(error.status(), Some(403));
}

#[tokio::test]
async fn unknown_thread_is_an_error() {
    let server = TestServer::with_turns([]).await;
    let error = server.client.runs("thread_X").ensure_idle(IfActive::Wait).await.unwrap_err();
    assert!(error.is_not_found());
}

/// One request hangs: the list of runs, or the request after it.
#[tokio::test]
async fn deadline_includes_every_request() {
    for (if_active, hangs) in [(IfActive::Fail, 0), (IfActive::Cancel, 1), (IfActive::Wait, 1)] {
        let server = RecordingServer::start(move |number| {
            if number == hangs {
                return hanging_response();
            }
            json_response(&list_of("in_progress"))
        })
        .await;
        let wait = server.client().runs("t").ensure_idle(if_active);
        let error = wait.deadline(Duration::from_millis(250)).await.unwrap_err();
        assert!(error.is_deadline(), "{error:?}");
        let last = error.run().map(|run| run.status.as_str());
        assert_eq!(last, (hangs > 0).then_some("in_progress"), "{if_active:?}");
    }
}

/// A list with a run of this status.
fn list_of(status: &str) -> Value {
    json!({
        "object": "list", "data": [run_with_status(status)], "has_more": true,
        "first_id": "run_abc123", "last_id": "run_abc123",
    })
}

/// While action is required, intervals and the error policy apply as in any poll.
#[tokio::test]
async fn poll_settings_apply_while_action_is_required() {
    let server = RecordingServer::start(|number| {
        let mut response = match number {
            0 => json_response(&list_of("requires_action")),
            1 | 3 => json_response(&run_with_status("requires_action")),
            2 => http_response(503, &[], "{}"),
            _ => json_response(&run_with_status("completed")),
        };
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
        response
    })
    .await;
    let wait = server.client().runs("t").ensure_idle(IfActive::Wait);
    let wait = wait.header("x-tenant", "7").query("region", "eu");
    let fast = wait.clone().interval(Duration::from_millis(1));
    assert_eq!(fast.await.unwrap().unwrap().status, "completed");
    assert_eq!(server.count(), 5);
    for request in server.requests() {
        assert_eq!(request.header("x-tenant"), Some("7"));
        assert!(request.target.contains("region=eu"));
    }
    assert!(server.requests()[0].target.contains("order=desc"));
    let policy = PollErrorPolicy::none();
    let server = RecordingServer::start(|number| match number {
        0 => json_response(&list_of("requires_action")),
        _ => http_response(503, &[], "{}"),
    })
    .await;
    let wait = server.client().runs("t").ensure_idle(IfActive::Wait).error_policy(policy);
    assert_eq!(wait.await.unwrap_err().status(), Some(503));
    assert_eq!(server.count(), 2);
}

/// Ids have no format that the client could check.
#[tokio::test]
async fn active_run_ids_may_contain_dots() {
    for message in [
        "Thread t.1 already has an active run r.2.",
        "Thread t.1 already has an active run r.2",
        "Can't add messages to t.1 while a run r.2 is active.",
    ] {
        let body = json!({"error": {"message": message}}).to_string();
        let server = RecordingServer::with_response(400, &[], body).await;
        let error = server.client().runs("t.1").create("asst_1").await.unwrap_err();
        let active = error.active_run().unwrap();
        assert_eq!((active.thread_id.as_str(), active.run_id.as_str()), ("t.1", "r.2"));
    }
    let server = RecordingServer::with_json(list_of("queued")).await;
    let error = server.client().runs("my thread.").ensure_idle(IfActive::Fail).await.unwrap_err();
    assert_eq!(error.active_run().unwrap().thread_id, "my thread.");
}
