//! What each request does in each status of a run: all of it, one table.

use std::time::Duration;

use crate::harness::{Api, Reply, Scene, breathe, id};
use runstep_server::Server;
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Each status, what a cancel and outputs do then, and whether the thread is busy.
const TABLE: [(&str, bool, bool, bool); 9] = [
    // status, can be cancelled, takes outputs, is active
    ("queued", true, false, true),
    ("in_progress", true, false, true),
    ("requires_action", true, true, true),
    ("cancelling", false, false, true),
    ("cancelled", false, false, false),
    ("completed", false, false, false),
    ("failed", false, false, false),
    ("incomplete", false, false, false),
    ("expired", false, false, false),
];

/// A run in a status, and nothing happens until more is asked.
async fn run_in(status: &str) -> (Scene, Value) {
    let turn = match status {
        "queued" | "in_progress" | "cancelling" | "cancelled" | "expired" => Turn::stall(),
        "requires_action" => Turn::call("weather", json!({})),
        "failed" => Turn::fail(ModelErrorKind::Server, "No."),
        "incomplete" => Turn::say("cut").token_limit(),
        _ => Turn::say("Done."),
    };
    // In the status `queued` another run has the only turn, and takes what is scripted.
    let turns = [turn, Turn::say("More."), Turn::say("More.")];
    let builder = Server::builder().model(Scripted::new(turns)).max_concurrent_runs(1);
    let api = Api::built(builder);
    if status == "queued" {
        api.scene(&[]).await.start(json!({})).await;
        breathe().await;
    }
    let scene = api.scene(&["weather"]).await;
    let run = scene.start(json!({})).await;
    breathe().await;
    match status {
        "cancelling" => {
            // On this runtime no other task runs before the next request is answered.
            scene.cancel(&run).await.ok();
        }
        "cancelled" => {
            scene.cancel(&run).await.ok();
            breathe().await;
        }
        "expired" => sleep(Duration::from_secs(601)).await,
        _ => {}
    }
    let run = scene.get_run(&run).await;
    assert_eq!(run["status"], status);
    (scene, run)
}

/// The message of a refusal of state.
#[track_caller]
fn refused(reply: Reply) -> String {
    let error = reply.refused(400);
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!((&error["param"], &error["code"]), (&Value::Null, &Value::Null));
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_taken_as_the_table_says() {
    for (status, cancellable, ..) in TABLE {
        let (scene, run) = run_in(status).await;
        let reply = scene.cancel(&run).await;
        if cancellable {
            let cancelling = reply.ok();
            assert_eq!(cancelling["status"], "cancelling", "{status}");
            assert_eq!(cancelling["required_action"], Value::Null);
            assert_eq!(scene.settle(&run).await["status"], "cancelled", "{status}");
            scene.try_start(json!({})).await.ok();
        } else {
            let message = format!("Cannot cancel run with status '{status}'.");
            assert_eq!(refused(reply), message);
            assert_eq!(scene.get_run(&run).await, run, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn outputs_are_taken_as_the_table_says() {
    for (status, _, takes_outputs, _) in TABLE {
        let (scene, run) = run_in(status).await;
        if takes_outputs {
            assert_eq!(scene.submit(&run, &["sun"]).await["status"], "queued");
            assert_eq!(scene.settle(&run).await["status"], "completed");
            continue;
        }
        for stream in [false, true] {
            let outputs = json!([{"tool_call_id": "call_x", "output": "sun"}]);
            let body = json!({"tool_outputs": outputs, "stream": stream});
            let message = format!("Runs in status \"{status}\" do not accept tool outputs.");
            assert_eq!(refused(scene.try_submit(&run, body).await), message);
            assert_eq!(scene.get_run(&run).await, run, "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thread_is_busy_as_the_table_says() {
    for (status, _, _, active) in TABLE {
        let (scene, run) = run_in(status).await;
        let (thread, run_id) = (&scene.thread, id(&run));
        let message = || json!({"role": "user", "content": "More"});
        let first = scene.api.get(&scene.messages()).await.ok()["last_id"].clone();
        let path = format!("{}/{}", scene.messages(), first.as_str().unwrap());
        if active {
            let expected = format!("Thread {thread} already has an active run {run_id}.");
            assert_eq!(refused(scene.try_start(json!({})).await), expected, "{status}");
            let streamed = scene.try_start(json!({"stream": true})).await;
            assert_eq!(refused(streamed), expected, "{status}");
            let expected =
                format!("Can't add messages to {thread} while a run {run_id} is active.");
            assert_eq!(refused(scene.api.post(&scene.messages(), message()).await), expected);
            let expected =
                format!("Can't delete messages from {thread} while a run {run_id} is active.");
            assert_eq!(refused(scene.api.delete(&path).await), expected, "{status}");
        } else {
            scene.api.post(&scene.messages(), message()).await.ok();
            scene.api.delete(&path).await.ok();
            scene.try_start(json!({})).await.ok();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_else_is_taken_in_every_status() {
    for (status, ..) in TABLE {
        let (scene, mut run) = run_in(status).await;
        let api = &scene.api;
        let path = scene.run_path(&run, "");
        let metadata = json!({"note": status});
        run["metadata"] = metadata.clone();
        let update = json!({"metadata": metadata});
        assert_eq!(api.post(&path, update.clone()).await.ok(), run);
        assert_eq!(api.get(&path).await.ok(), run);
        assert_eq!(api.get(&scene.runs()).await.ok()["data"], json!([run]));
        for step in scene.steps(&run).await {
            let path = scene.run_path(&run, &format!("/steps/{}", id(&step)));
            assert_eq!(api.get(&path).await.ok(), step);
        }
        let messages = api.get(&scene.messages()).await.ok();
        for message in messages["data"].as_array().unwrap() {
            let path = format!("{}/{}", scene.messages(), id(message));
            assert_eq!(api.get(&path).await.ok(), *message);
            assert_eq!(api.post(&path, update.clone()).await.ok()["metadata"], metadata);
        }
        api.post(&scene.thread_path(), update.clone()).await.ok();
        api.post(&scene.assistant_path(), update).await.ok();
        api.get("/assistants").await.ok();
        assert_eq!(api.get(&path).await.ok(), run, "{status}");
        api.delete(&scene.assistant_path()).await.ok();
        assert_eq!(api.get(&path).await.ok(), run, "{status}");
        api.delete(&scene.thread_path()).await.ok();
        api.get(&path).await.refused(404);
    }
}
