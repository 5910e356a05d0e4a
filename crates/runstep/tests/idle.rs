//! A thread that is busy with a run, and how to free it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::future::IntoFuture as _;
use std::time::Duration;

use runstep::types::{FunctionDefinition, FunctionTool, Run};
use runstep::{Client, ErrorKind, IfActive, Runs};
use runstep_server::model::{Scripted, Turn};
use runstep_server::{RunningServer, Server};
use serde_json::json;
use support::{Recorder, example, json as json_reply, reply};

struct World {
    _server: RunningServer,
    client: Client,
    assistant_id: String,
    runs: Runs,
    thread_id: String,
}

async fn world(turns: impl IntoIterator<Item = Turn>) -> World {
    let server = Server::builder().model(Scripted::new(turns)).poll_after(Duration::from_millis(2));
    let server = server.spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let tool = FunctionTool::new(FunctionDefinition::new("get_weather"));
    let assistant = client.assistants().create("scripted").tool(tool).await.unwrap();
    let thread = client.threads().create().user_message("How is it?").await.unwrap();
    let runs = client.runs(&thread.id);
    World { _server: server, client, assistant_id: assistant.id, runs, thread_id: thread.id }
}

impl World {
    async fn start(&self) -> Run {
        self.runs.create(&self.assistant_id).await.unwrap()
    }

    async fn assert_free(&self) {
        self.client.messages(&self.thread_id).create("More").await.unwrap();
    }
}

fn stall_then_say() -> [Turn; 2] {
    [Turn::stall(), Turn::say("Yes.")]
}

#[tokio::test]
async fn both_messages_tell_the_thread_and_the_run() {
    let world = world(stall_then_say()).await;
    let run = world.start().await;
    let errors = [
        world.runs.create(&world.assistant_id).await.unwrap_err(),
        world.client.messages(&world.thread_id).create("More").await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_active_run(), "{error:?}");
        let active = error.active_run().unwrap();
        assert_eq!((active.thread_id, active.run_id), (world.thread_id.clone(), run.id.clone()));
    }
}

#[tokio::test]
async fn other_messages_tell_none() {
    for message in [
        "Thread thread_1 has no active run.",
        "Thread thread_1 already has an active run",
        "No run found with id 'run_1'.",
        "Can't add messages to thread_1 while a run",
        "Can't add messages to thread_1 while a run run_1 is asleep.",
        "",
    ] {
        let body = json!({"error": {"message": message}}).to_string();
        let server = Recorder::with_reply(400, &[], body).await;
        let error = server.client().runs("thread_1").create("asst_1").await.unwrap_err();
        assert!(error.active_run().is_none() && !error.is_active_run(), "{message}");
    }
}

#[tokio::test]
async fn a_thread_that_is_free_is_left_alone() {
    for if_active in [IfActive::Wait, IfActive::Cancel, IfActive::Fail] {
        let world = world([Turn::say("Yes.")]).await;
        assert_eq!(world.runs.ensure_idle(if_active).await.unwrap(), None, "no run at all");
        let run = world.runs.create(&world.assistant_id).and_poll().await.unwrap();
        assert_eq!(run.status, "completed");
        assert_eq!(world.runs.ensure_idle(if_active).await.unwrap(), None, "a run that has ended");
    }
}

#[tokio::test]
async fn fail_tells_which_run_it_is() {
    let world = world(stall_then_say()).await;
    let run = world.start().await;
    let error = world.runs.ensure_idle(IfActive::Fail).await.unwrap_err();
    let active = error.active_run().unwrap();
    assert_eq!((active.thread_id, active.run_id), (world.thread_id.clone(), run.id.clone()));
    assert_eq!(error.run().map(|run| &run.id), Some(&run.id));
    let now = world.runs.retrieve(&run.id).await.unwrap();
    assert!(now.cancelled_at.is_none(), "it goes on");
}

#[tokio::test]
async fn wait_waits_until_it_has_ended() {
    let world = world([Turn::say("Yes.").after(Duration::from_millis(40))]).await;
    let run = world.start().await;
    let ended = world.runs.ensure_idle(IfActive::Wait).await.unwrap().unwrap();
    assert_eq!((ended.id, ended.status.as_str()), (run.id, "completed"));
    world.assert_free().await;
}

#[tokio::test]
async fn cancel_cancels_a_run_in_whatever_state_it_is() {
    let call = Turn::call("get_weather", json!({}));
    for (turn, status) in [(Turn::stall(), "in_progress"), (call, "requires_action")] {
        let world = world([turn, Turn::say("Yes.")]).await;
        let run = world.start().await;
        while world.runs.retrieve(&run.id).await.unwrap().status != status {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ended = world.runs.ensure_idle(IfActive::Cancel).await.unwrap().unwrap();
        assert_eq!((ended.id, ended.status.as_str()), (run.id, "cancelled"));
        world.assert_free().await;
        world.start().await;
    }
}

/// Somebody else submits the outputs meanwhile.
#[tokio::test]
async fn wait_waits_for_outputs_too() {
    let world = world([Turn::call("get_weather", json!({})), Turn::say("Yes.")]).await;
    let run = world.runs.create(&world.assistant_id).and_poll().await.unwrap();
    assert_eq!(run.status, "requires_action");
    let interval = Duration::from_millis(3);
    let (ended, _) = tokio::join!(
        world.runs.ensure_idle(IfActive::Wait).interval(interval).into_future(),
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
            world.runs.submit_tool_outputs(&run.id).output(&call.id, "18").await.unwrap();
        }
    );
    assert_eq!(ended.unwrap().unwrap().status, "completed");
}

#[tokio::test]
async fn the_deadline_holds_and_tells_the_last_state() {
    let call = Turn::call("get_weather", json!({}));
    for (turn, status) in [(Turn::stall(), "in_progress"), (call, "requires_action")] {
        let world = world([turn]).await;
        let run = world.start().await;
        let waiting = world.runs.ensure_idle(IfActive::Wait).interval(Duration::from_millis(3));
        let late = waiting.deadline(Duration::from_millis(400)).into_future();
        let late = tokio::time::timeout(Duration::from_secs(20), late).await.unwrap();
        let error = late.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline);
        let last = error.run().unwrap();
        assert_eq!((&last.id, last.status.as_str()), (&run.id, status));
    }
}

#[tokio::test]
async fn no_time_at_all_is_a_deadline_too() {
    let world = world([Turn::call("get_weather", json!({}))]).await;
    world.runs.create(&world.assistant_id).and_poll().await.unwrap();
    let waiting = world.runs.ensure_idle(IfActive::Wait).deadline(Duration::ZERO).into_future();
    let late = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    assert!(late.unwrap_err().is_deadline());
}

fn run(status: &str) -> serde_json::Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run
}

/// A run on a server that answers a cancel like this; each look then sees it cancelled.
async fn refusing(status: u16) -> Recorder {
    Recorder::answering(move |_, request| {
        if request.method == "POST" {
            let message = "Cannot cancel run with status 'cancelling'.";
            return reply(status, &[], json!({"error": {"message": message}}).to_string());
        }
        if request.target.contains("limit=1") {
            let list = json!({
                "object": "list", "data": [run("cancelling")], "has_more": true,
                "first_id": "run_abc123", "last_id": "run_abc123",
            });
            return json_reply(&list);
        }
        json_reply(&run("cancelled"))
    })
    .await
}

/// It may be on its way to its end already.
#[tokio::test]
async fn a_cancel_that_comes_too_late_is_no_error() {
    let server = refusing(400).await;
    let ended = server.client().runs("t").ensure_idle(IfActive::Cancel).await.unwrap();
    assert_eq!(ended.unwrap().status, "cancelled");
    assert_eq!(server.count_of("POST", "/cancel"), 1);
}

#[tokio::test]
async fn a_cancel_that_fails_otherwise_is_an_error() {
    let server = refusing(403).await;
    let error = server.client().runs("t").ensure_idle(IfActive::Cancel).await.unwrap_err();
    assert_eq!(error.status(), Some(403));
}

#[tokio::test]
async fn a_thread_that_is_not_there_is_an_error() {
    let world = world([]).await;
    let error = world.client.runs("thread_X").ensure_idle(IfActive::Wait).await.unwrap_err();
    assert!(error.is_not_found());
}

/// A server whose list says that a run is active; the rest hangs.
#[tokio::test]
async fn the_deadline_covers_every_request() {
    for (if_active, hangs) in [(IfActive::Fail, 0), (IfActive::Cancel, 1), (IfActive::Wait, 1)] {
        let server = Recorder::start(move |number| {
            if number == hangs {
                let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
                return reply(200, &[], axum::body::Body::from_stream(never));
            }
            json_reply(&list_of("in_progress"))
        })
        .await;
        let late = server.client().runs("t").ensure_idle(if_active);
        let error = late.deadline(Duration::from_millis(250)).await.unwrap_err();
        assert!(error.is_deadline(), "{error:?}");
        let last = error.run().map(|run| run.status.as_str());
        assert_eq!(last, (hangs > 0).then_some("in_progress"), "{if_active:?}");
    }
}

fn list_of(status: &str) -> serde_json::Value {
    json!({
        "object": "list", "data": [run(status)], "has_more": true,
        "first_id": "run_abc123", "last_id": "run_abc123",
    })
}

/// Also while it waits for outputs: the server sets the pace, and failures are counted in a row.
#[tokio::test]
async fn waiting_for_outputs_is_waiting_like_any_other() {
    let server = Recorder::start(|number| {
        let mut response = match number {
            0 => json_reply(&list_of("requires_action")),
            1 | 3 => json_reply(&run("requires_action")),
            2 => reply(503, &[], "{}"),
            _ => json_reply(&run("completed")),
        };
        response.headers_mut().insert("openai-poll-after-ms", "3600000".parse().unwrap());
        response
    })
    .await;
    let wait = server.client().runs("t").ensure_idle(IfActive::Wait);
    let wait = wait.header("x-tenant", "7").query("region", "eu");
    let quick = wait.clone().interval(Duration::from_millis(1));
    assert_eq!(quick.await.unwrap().unwrap().status, "completed");
    assert_eq!(server.count(), 5);
    for request in server.seen() {
        assert_eq!(request.header("x-tenant"), Some("7"));
        assert!(request.target.contains("region=eu"));
    }
    assert!(server.seen()[0].target.contains("order=desc"));
    let policy = runstep::PollErrorPolicy::none();
    let server = Recorder::start(|number| match number {
        0 => json_reply(&list_of("requires_action")),
        _ => reply(503, &[], "{}"),
    })
    .await;
    let wait = server.client().runs("t").ensure_idle(IfActive::Wait).error_policy(policy);
    assert_eq!(wait.await.unwrap_err().status(), Some(503));
    assert_eq!(server.count(), 2);
}

/// Ids have no form that the client could know.
#[tokio::test]
async fn ids_with_dots_are_told_too() {
    for message in [
        "Thread t.1 already has an active run r.2.",
        "Thread t.1 already has an active run r.2",
        "Can't add messages to t.1 while a run r.2 is active.",
    ] {
        let body = json!({"error": {"message": message}}).to_string();
        let server = Recorder::with_reply(400, &[], body).await;
        let error = server.client().runs("t.1").create("asst_1").await.unwrap_err();
        let active = error.active_run().unwrap();
        assert_eq!((active.thread_id.as_str(), active.run_id.as_str()), ("t.1", "r.2"));
    }
    let server = Recorder::with_json(list_of("queued")).await;
    let error = server.client().runs("my thread.").ensure_idle(IfActive::Fail).await.unwrap_err();
    assert_eq!(error.active_run().unwrap().thread_id, "my thread.");
}
