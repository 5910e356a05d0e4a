//! Answers as Rust types, of runs that are told as they go.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;
mod zoo;

use std::time::Duration;

use rounds::quickly;
use runstep::prelude::*;
use runstep::tools::{ToolEvent, ToolStreamEvent, Toolbox};
use runstep::types::ToolOutput;
use runstep::{AnswerStream, Client, ErrorKind, RunEvent, RunStream, RunStreamEnd};
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use runstep_server::{RunningServer, Server};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Recorder, example, json as reply_json, reply};
use zoo::Maps;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Recipe {
    title: String,
    minutes: u32,
}

const SOUP: &str = r#"{"title": "Soup", "minutes": 20}"#;

fn soup() -> Recipe {
    Recipe { title: "Soup".to_owned(), minutes: 20 }
}

fn minutes() -> Toolbox {
    Toolbox::new().function("minutes", || async { "20" })
}

struct World {
    _server: RunningServer,
    client: Client,
    assistant_id: String,
    thread_id: String,
}

async fn world(turns: impl IntoIterator<Item = Turn>) -> World {
    let server = Server::builder().model(Scripted::new(turns)).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let thread = client.threads().create().user_message("Soup?").await.unwrap();
    World { _server: server, client, assistant_id: assistant.id, thread_id: thread.id }
}

#[tokio::test]
async fn the_events_are_told_and_then_the_answer() {
    let world = world([Turn::chunks([&SOUP[..10], &SOUP[10..]])]).await;
    let request = world.client.runs(&world.thread_id).create(&world.assistant_id);
    let mut events = request.response_as::<Recipe>().stream().await.unwrap();
    let first = events.try_next().await.unwrap();
    assert!(matches!(first, Some(RunEvent::RunCreated(_))), "{first:?}");
    let mut pieces = Vec::new();
    let mut deltas = events.text_deltas();
    while let Some(piece) = deltas.try_next().await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(pieces, [&SOUP[..10], &SOUP[10..]]);
    let answer = events.answer().await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!((answer.status.as_str(), answer.text()), ("completed", SOUP.to_owned()));
    assert_eq!(events.messages()[0], *answer.message().unwrap());
    assert_eq!(events.into_events().end(), Some(RunStreamEnd::Completed));
}

#[tokio::test]
async fn the_answer_can_be_had_without_the_events() {
    let world = world([Turn::say(SOUP)]).await;
    let request = world.client.threads().create_and_run(&world.assistant_id).user_message("Soup?");
    let mut events = request.stream().idle_timeout(None).response_as::<Recipe>().await.unwrap();
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup(), "asked for once more");
}

#[tokio::test]
async fn the_calls_of_all_rounds_are_answered_before() {
    let world = world([Turn::call("minutes", json!({})), Turn::say(SOUP)]).await;
    let request = world.client.runs(&world.thread_id).create(&world.assistant_id);
    let request = request.toolbox(&minutes()).response_as::<Recipe>();
    let mut events = request.stream().await.unwrap();
    let mut finished = 0;
    while let Some(event) = events.try_next().await.unwrap() {
        finished += usize::from(matches!(event, ToolStreamEvent::Tool(ToolEvent::Finished { .. })));
    }
    assert_eq!(finished, 1);
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
}

#[tokio::test]
async fn a_run_that_requires_action_has_no_answer_yet() {
    let world = world([Turn::call("minutes", json!({})), Turn::say(SOUP)]).await;
    let request = world.client.runs(&world.thread_id).create(&world.assistant_id);
    let request = request.tool(minutes().definitions().unwrap().remove(0));
    let mut events = request.response_as::<Recipe>().stream().await.unwrap();
    let answer = events.answer().await.unwrap();
    assert_eq!(answer.status, "requires_action");
    assert_eq!(answer.parse().unwrap_err().kind(), ErrorKind::NoAnswer);
    let calls = answer.function_calls();
    let output = ToolOutput::default().tool_call_id(&calls[0].id).output("20");
    events.submit_tool_outputs([output]).await.unwrap();
    assert_eq!(events.answer().await.unwrap().parse().unwrap(), soup());
}

#[tokio::test]
async fn what_is_no_answer_is_the_same_error_as_by_polling() {
    let turns = [
        || Turn::fail(ModelErrorKind::Server, "the model is away"),
        || Turn::say("Take water."),
        || Turn::say(r#"{"title": "Soup", "minutes": "20"}"#),
        || Turn::say(SOUP).token_limit(),
    ];
    for turn in turns {
        let world = world([turn(), turn()]).await;
        let request = || {
            let thread = world.client.threads();
            let request = thread.create_and_run(&world.assistant_id).user_message("Soup?");
            request.response_as::<Recipe>()
        };
        let polled = quickly(request().and_poll()).await.unwrap().parse().unwrap_err();
        let answer = request().stream().await.unwrap().answer().await.unwrap();
        let error = answer.parse().unwrap_err();
        assert_eq!((error.kind(), error.message()), (polled.kind(), polled.message()));
        assert_eq!(error.run().unwrap().id, answer.run().id);
    }
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run["required_action"] = Value::Null;
    run
}

fn message(id: &str, content: Value) -> Value {
    let mut message = example("Message");
    message["id"] = id.into();
    message["status"] = "completed".into();
    message["run_id"] = run("queued")["id"].clone();
    message["content"] = json!([content]);
    message
}

fn soup_as_text() -> Value {
    json!({"type": "text", "text": {"value": SOUP, "annotations": []}})
}

/// A server that streams these events of a run, and lists the message `msg_listed` with an answer.
async fn server(told: &[(&str, Value)]) -> Recorder {
    let told: String = told.iter().map(|(name, data)| event(name, data)).collect();
    let events = [
        event("thread.run.created", &run("queued")),
        told,
        event("thread.run.completed", &run("completed")),
        "event: done\ndata: [DONE]\n\n".to_owned(),
    ];
    let events = events.concat();
    Recorder::answering(move |_, request| {
        if request.target.contains("/messages") {
            let listed = message("msg_listed", soup_as_text());
            return reply_json(&json!({
                "object": "list", "data": [listed],
                "first_id": "msg_listed", "last_id": "msg_listed", "has_more": false,
            }));
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if asked["stream"] != true {
            return reply_json(&run("completed"));
        }
        reply(200, &[("content-type", "text/event-stream")], events.clone())
    })
    .await
}

async fn stream(server: &Recorder) -> AnswerStream<Recipe> {
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    request.response_as::<Recipe>().stream().await.unwrap()
}

#[tokio::test]
async fn a_message_that_was_told_is_not_asked_for() {
    let first = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let last = message("msg_2", soup_as_text());
    let completed = "thread.message.completed";
    let server = server(&[(completed, first), (completed, last)]).await;
    let answer = stream(&server).await.answer().await.unwrap();
    assert_eq!(answer.message().unwrap().id, "msg_2");
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_refusal_is_no_answer() {
    let refusal = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let server = server(&[("thread.message.completed", refusal)]).await;
    let answer = stream(&server).await.answer().await.unwrap();
    let error = answer.parse().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoAnswer);
    assert_eq!(error.message(), "the model refused to answer: I do not cook.");
}

/// The end of the message does not decode, or it is not told at all; nor need its step be told.
#[tokio::test]
async fn a_message_that_was_not_told_whole_is_asked_for() {
    let mut begun = message("msg_listed", soup_as_text());
    begun["status"] = "in_progress".into();
    begun["content"] = json!([]);
    let mut broken = message("msg_listed", soup_as_text());
    broken["created_at"] = "today".into();
    let mut step = example("RunStep");
    step["type"] = "message_creation".into();
    step["step_details"] =
        json!({"type": "message_creation", "message_creation": {"message_id": "msg_listed"}});
    let earlier = message("msg_1", json!({"type": "refusal", "refusal": "I do not cook."}));
    let completed = "thread.message.completed";
    for told in [
        vec![],
        vec![("thread.message.created", begun), (completed, broken.clone())],
        vec![(completed, earlier.clone()), (completed, broken.clone())],
        vec![(completed, earlier), ("thread.run.step.completed", step), (completed, broken)],
    ] {
        let server = server(&told).await;
        let answer = stream(&server).await.answer().await.unwrap();
        assert_eq!(answer.parse().unwrap(), soup());
        assert_eq!(answer.message().unwrap().id, "msg_listed");
        let lists = server.seen().iter().filter(|one| one.target.contains("/messages?")).count();
        assert_eq!(lists, 1);
    }
}

#[tokio::test]
async fn what_goes_along_with_the_request_goes_along_when_its_message_is_asked_for() {
    let server = server(&[]).await;
    let create = || {
        let request = server.client().runs("thread_abc123").create("asst_abc123");
        request.header("x-tenant", "harbour").header("idempotency-key", "one").query("trace", "7")
    };
    let tools = minutes();
    drop(create().response_as::<Recipe>().stream().await.unwrap().answer().await.unwrap());
    let request = create().toolbox(&tools).response_as::<Recipe>().stream();
    drop(request.await.unwrap().answer().await.unwrap());
    drop(quickly(create().response_as::<Recipe>().and_poll()).await.unwrap());
    drop(quickly(create().toolbox(&tools).response_as::<Recipe>().and_poll()).await.unwrap());
    let poll = create().response_as::<Recipe>().and_poll().header("x-tenant", "quay");
    drop(poll.query("look", "1").await.unwrap());

    let seen = server.seen();
    let lists: Vec<_> = seen.iter().filter(|one| one.target.contains("/messages?")).collect();
    assert!(lists.iter().all(|list| list.target.contains("trace=7")), "{lists:?}");
    assert!(lists.iter().all(|list| list.header("idempotency-key").is_none()), "{lists:?}");
    let tenants: Vec<_> = lists.iter().map(|list| list.header("x-tenant").unwrap()).collect();
    assert_eq!(tenants, ["harbour", "harbour", "harbour", "harbour", "quay"]);
    assert!(lists[4].target.contains("look=1"), "{lists:?}");
}

#[tokio::test]
async fn the_request_is_the_same_whatever_comes_first() {
    let server = server(&[]).await;
    let create = || server.client().runs("thread_abc123").create("asst_abc123");
    let (tools, deadline) = (minutes(), Duration::from_secs(60));
    drop(create().response_as::<Recipe>().stream().await.unwrap());
    drop(create().stream().response_as::<Recipe>().await.unwrap());
    drop(create().toolbox(&tools).response_as::<Recipe>().stream().await.unwrap());
    let streamed = create().toolbox(&tools).stream().deadline(deadline);
    drop(streamed.response_as::<Recipe>().await.unwrap());
    drop(create().stream().toolbox(&tools).response_as::<Recipe>().await.unwrap());
    let bodies = server.seen().into_iter().map(|seen| serde_json::from_slice(&seen.body).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    assert_eq!(bodies[0]["stream"], true);
    assert_eq!(bodies[0]["response_format"]["json_schema"]["name"], "Recipe");
    assert_eq!((&bodies[1], &bodies[3], &bodies[4]), (&bodies[0], &bodies[2], &bodies[2]));
    assert_eq!(bodies[2]["tools"][0]["function"]["name"], "minutes");
    assert_eq!(bodies[2]["response_format"], bodies[0]["response_format"]);
}

#[tokio::test]
async fn nothing_is_sent_for_a_type_that_cannot_be_asked_for() {
    let server = server(&[]).await;
    let create = || server.client().runs("thread_abc123").create("asst_abc123");
    let error = create().response_as::<Maps>().stream().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let request = create().toolbox(&minutes()).response_as::<Maps>();
    assert_eq!(request.stream().await.map(drop).unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(server.count(), 0);
    let loose = create().response_as::<Maps>().strict(false).stream();
    loose.await.map(drop).unwrap();
}

#[tokio::test]
async fn what_ends_the_stream_before_the_run_is_an_error() {
    let server = Recorder::answering(|number, _| match number {
        0 => {
            let events = event("thread.run.created", &run("queued"));
            reply(200, &[("content-type", "text/event-stream")], events)
        }
        _ => reply(500, &[], ""),
    })
    .await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let request = request.stream().recover(false).response_as::<Recipe>();
    let error = request.await.unwrap().answer().await.unwrap_err();
    assert_eq!(error.run().unwrap().id, run("queued")["id"].as_str().unwrap());
}

#[test]
fn it_can_be_sent_between_threads_whatever_the_type() {
    fn sent<T: Send + Sync + Unpin>(_: impl Fn(T)) {}
    sent(|_: AnswerStream<*const u8, ()>| ());
    fn future<T: Send>(_: impl Fn(&'static mut AnswerStream<*const u8, RunStream>) -> T) {}
    future(AnswerStream::answer);
}
