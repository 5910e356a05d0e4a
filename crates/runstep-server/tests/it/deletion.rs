//! What is deleted is gone, and what went on with it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Api, Event, Reply, Scene, breathe, id, merged, names, outputs_for};
use futures_util::StreamExt as _;
use runstep_server::model::{
    ConversationItem, Model, ModelEvent, ModelRequest, ModelStream, Offline, Scripted, Turn,
};
use serde_json::{Value, json};
use tokio::time::timeout;

#[track_caller]
fn not_found(reply: Reply, kind: &str, id: &str) {
    let expected = json!({
        "message": format!("No {kind} found with id '{id}'."),
        "type": "invalid_request_error",
        "param": null,
        "code": null,
    });
    assert_eq!(reply.refused(404), expected);
}

/// Deletes what is there, and checks that it can be neither read, nor changed, nor deleted again.
async fn delete(api: &Api, path: &str, kind: &str, object: &str) {
    let id = path.rsplit('/').next().unwrap();
    let deleted = api.delete(path).await.ok();
    assert_eq!(deleted, json!({"id": id, "object": object, "deleted": true}));
    not_found(api.get(path).await, kind, id);
    not_found(api.post(path, json!({"metadata": {}})).await, kind, id);
    not_found(api.delete(path).await, kind, id);
}

#[tokio::test(start_paused = true)]
async fn an_assistant_that_was_deleted_runs_no_more() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let api = &scene.api;
    let other = api.assistant(json!({})).await;
    delete(api, &scene.assistant_path(), "assistant", "assistant.deleted").await;
    let list = api.get("/assistants").await.ok();
    assert_eq!((&list["data"][0]["id"], &list["first_id"]), (&json!(other), &json!(other)));
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    not_found(scene.try_start(json!({})).await, "assistant", &scene.assistant);
    not_found(
        api.post("/threads/runs", scene.body(json!({}))).await,
        "assistant",
        &scene.assistant,
    );
    assert_eq!(api.get(&scene.runs()).await.ok()["data"], json!([]));
    let scene = Scene { assistant: other, ..scene };
    assert_eq!(scene.play(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn the_runs_of_an_assistant_outlive_it() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let waiting = scene.play(json!({})).await;
    scene.api.delete(&scene.assistant_path()).await.ok();
    scene.submit(&waiting, &["sun"]).await;
    let run = scene.settle(&waiting).await;
    assert_eq!(
        (&run["status"], &run["assistant_id"]),
        (&json!("completed"), &json!(scene.assistant))
    );
    assert_eq!(scene.texts().await, ["Hello there", "Sunny."]);
}

#[tokio::test(start_paused = true)]
async fn a_thread_goes_with_everything_on_it() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let (api, thread) = (&scene.api, scene.thread.as_str());
    let run = scene.play(json!({})).await;
    let step = scene.steps(&run).await.remove(0);
    let list = api.get(&scene.messages()).await.ok();
    let message = format!("{}/{}", scene.messages(), id(&list["data"][0]));
    delete(api, &scene.thread_path(), "thread", "thread.deleted").await;
    let paths = [
        scene.messages(),
        message.clone(),
        scene.runs(),
        scene.run_path(&run, ""),
        scene.run_path(&run, "/steps"),
        scene.run_path(&run, &format!("/steps/{}", id(&step))),
    ];
    for path in paths {
        not_found(api.get(&path).await, "thread", thread);
    }
    let outputs = json!({"tool_outputs": []});
    let hello = json!({"role": "user", "content": "Hello"});
    let posts = [
        (scene.messages(), hello),
        (message.clone(), json!({})),
        (scene.runs(), scene.body(json!({}))),
        (scene.run_path(&run, ""), json!({})),
        (scene.run_path(&run, "/cancel"), json!({})),
        (scene.run_path(&run, "/submit_tool_outputs"), outputs),
    ];
    for (path, body) in posts {
        not_found(api.post(&path, body).await, "thread", thread);
    }
    not_found(api.delete(&message).await, "thread", thread);
    // The assistant has nothing to do with it.
    api.get(&scene.assistant_path()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_deleted_is_not_read_by_runs() {
    let model = Scripted::new(vec![Turn::say("Ok"); 2]);
    let scene = Api::new(model.clone()).scene(&[]).await;
    let run = scene.play(json!({})).await;
    let add = json!({"role": "user", "content": "And now?"});
    scene.api.post(&scene.messages(), add).await.ok();
    let list = scene.api.get(&format!("{}?order=asc", scene.messages())).await.ok();
    for message in &list["data"].as_array().unwrap()[..2] {
        let path = format!("{}/{}", scene.messages(), id(message));
        delete(&scene.api, &path, "message", "thread.message.deleted").await;
    }
    assert_eq!(scene.texts().await, ["And now?"]);
    // The step that wrote one of them tells of it as before.
    let step = &scene.steps(&run).await[0];
    let written = &step["step_details"]["message_creation"]["message_id"];
    assert_eq!(written, &list["data"][1]["id"]);
    scene.play(json!({})).await;
    let conversation = &model.requests()[1].conversation;
    assert_eq!(*conversation, [ConversationItem::User("And now?".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_thread_with_an_active_run_keeps_its_messages() {
    let stalled = Api::scripted([Turn::say("It").and_stall()]).scene(&["weather"]).await;
    let waits = Api::scripted([Turn::say("It").and_call("weather", json!({}))]);
    let waits = waits.scene(&["weather"]).await;
    for scene in [stalled, waits] {
        let run = scene.start(json!({})).await;
        breathe().await;
        let list = scene.api.get(&scene.messages()).await.ok();
        for message in list["data"].as_array().unwrap() {
            let path = format!("{}/{}", scene.messages(), id(message));
            let error = scene.api.delete(&path).await.refused(400);
            let expected = json!({
                "message": format!(
                    "Can't delete messages from {} while a run {} is active.",
                    scene.thread,
                    id(&run)
                ),
                "type": "invalid_request_error",
                "param": null,
                "code": null,
            });
            assert_eq!(error, expected);
        }
        let missing = format!("{}/msg_x", scene.messages());
        not_found(scene.api.delete(&missing).await, "message", "msg_x");
        assert_eq!(scene.texts().await, ["Hello there", "It"]);
        scene.cancel(&run).await.ok();
        scene.settle(&run).await;
        for message in list["data"].as_array().unwrap() {
            scene.api.delete(&format!("{}/{}", scene.messages(), id(message))).await.ok();
        }
        assert_eq!(scene.texts().await, [] as [&str; 0]);
    }
}

/// A model that says a word and then nothing more. It knows how many of its answers are under way.
#[derive(Clone, Default)]
struct Stalls {
    answering: Arc<AtomicUsize>,
}

struct Answering(Arc<AtomicUsize>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for Stalls {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        self.answering.fetch_add(1, Ordering::SeqCst);
        let answering = Answering(Arc::clone(&self.answering));
        let word = futures_util::stream::iter([Ok(ModelEvent::Text("It".to_owned()))]);
        Box::pin(word.chain(futures_util::stream::poll_fn(move |_| {
            let _held = &answering;
            std::task::Poll::Pending
        })))
    }
}

impl Stalls {
    fn answering(&self) -> usize {
        self.answering.load(Ordering::SeqCst)
    }
}

/// The events that are left, which come to an end soon.
async fn ends(stream: crate::harness::EventStream) -> Vec<Event> {
    timeout(Duration::from_secs(1), stream.rest()).await.expect("the stream ends")
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_the_model_and_ends_the_stream() {
    let model = Stalls::default();
    let scene = Api::new(model.clone()).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    stream.until("thread.message.delta").await;
    assert_eq!(model.answering(), 1);
    delete(&scene.api, &scene.thread_path(), "thread", "thread.deleted").await;
    let events = ends(stream).await;
    let expected =
        ["run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled", "done"];
    assert_eq!(names(&events), expected);
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_run_that_nobody_listens_to() {
    let model = Stalls::default();
    let scene = Api::new(model.clone()).scene(&[]).await;
    scene.start(json!({})).await;
    breathe().await;
    assert_eq!(model.answering(), 1);
    scene.api.delete(&scene.thread_path()).await.ok();
    breathe().await;
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_stops_a_run_that_is_queued() {
    let model = Stalls::default();
    let scene = Api::new(model.clone()).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    // On this runtime no other task has run since.
    scene.api.delete(&scene.thread_path()).await.ok();
    let events = ends(stream).await;
    let expected = ["run.created", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(names(&events), expected);
    assert_eq!(model.answering(), 0);
}

#[tokio::test(start_paused = true)]
async fn deleting_a_thread_right_after_outputs_ends_the_stream() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    let body = merged(outputs_for(&run, &["sun"]), json!({"stream": true}));
    let stream = scene.api.listen(&scene.run_path(&run, "/submit_tool_outputs"), body).await;
    scene.api.delete(&scene.thread_path()).await.ok();
    let expected = ["run.step.completed", "run.queued", "run.cancelling", "run.cancelled", "done"];
    assert_eq!(names(&ends(stream).await), expected);
}

#[tokio::test(start_paused = true)]
async fn a_thread_can_be_deleted_while_its_run_waits_or_is_being_cancelled() {
    let scene = Api::scripted([Turn::call("weather", json!({}))]).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    delete(&scene.api, &scene.thread_path(), "thread", "thread.deleted").await;
    let reply = scene.try_submit(&run, outputs_for(&run, &["sun"])).await;
    not_found(reply, "thread", &scene.thread);

    let model = Stalls::default();
    let scene = Api::new(model.clone()).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let start = stream.until("thread.message.delta").await;
    scene.cancel(&start[0].data).await.ok();
    scene.api.delete(&scene.thread_path()).await.ok();
    let events = ends(stream).await;
    assert_eq!(names(&events).iter().filter(|name| **name == "run.cancelled").count(), 1);
    assert_eq!(model.answering(), 0);
}

/// Runs that are created while their thread is deleted are refused or stopped, never lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_never_outlives_its_thread() {
    let model = Stalls::default();
    let api = Api::new(model.clone());
    for _ in 0..200 {
        let scene = api.scene(&[]).await;
        let start = tokio::spawn({
            let scene = scene.clone();
            async move { scene.try_start(json!({})).await }
        });
        let deletion = tokio::spawn({
            let scene = scene.clone();
            async move { scene.api.delete(&scene.thread_path()).await.ok() }
        });
        deletion.await.unwrap();
        let started = start.await.unwrap();
        if started.status != 200 {
            not_found(started, "thread", &scene.thread);
        }
    }
    for _ in 0..1000 {
        if model.answering() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} answers are still under way", model.answering());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_cannot_be_deleted_or_changed() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let api = &scene.api;
    let other = api.thread("Other").await;
    let message = id(&api.get(&scene.messages()).await.ok()["data"][0]);
    let cases = [
        ("assistant", "asst_x", "/assistants/asst_x".to_owned()),
        ("assistant", scene.thread.as_str(), format!("/assistants/{}", scene.thread)),
        ("thread", "thread_x", "/threads/thread_x".to_owned()),
        ("thread", "thread_x", format!("/threads/thread_x/messages/{message}")),
        ("message", "msg_x", format!("{}/msg_x", scene.messages())),
        // What is on another thread is not on this one.
        ("message", &message, format!("/threads/{other}/messages/{message}")),
    ];
    for (kind, id, path) in cases {
        not_found(api.delete(&path).await, kind, id);
        not_found(api.post(&path, json!({})).await, kind, id);
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_deletion_says_nothing_and_its_query_must_be_known() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let error = scene.api.delete(&format!("{}?force=true", scene.thread_path())).await.refused(400);
    let expected = (&Value::from("force"), &Value::from("unknown_parameter"));
    assert_eq!((&error["param"], &error["code"]), expected);
    let path = format!("{}?api-version=2025-05-01", scene.thread_path());
    scene.api.request(axum::http::Method::DELETE, &path, "{not json".into()).await.ok();
}
