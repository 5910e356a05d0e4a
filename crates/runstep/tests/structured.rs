//! Answers as Rust types.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;
mod zoo;

use rounds::quickly;
use runstep::tools::Toolbox;
use runstep::{Answer, Client, ErrorKind, Result};
use runstep_server::model::{ResponseFormat, Scripted, Turn};
use runstep_server::{RunningServer, Server};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Recorder, example};
use zoo::{Generic, Internal, Maps};

/// A dish and how to cook it
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Recipe {
    /// What it is called
    title: String,
    steps: Vec<Step>,
    #[serde(default = "two")]
    persons: u32,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Step {
    what: String,
    minutes: Option<u32>,
}

fn two() -> u32 {
    2
}

fn soup() -> Recipe {
    let boil = Step { what: "boil".to_owned(), minutes: Some(20) };
    let eat = Step { what: "eat".to_owned(), minutes: None };
    Recipe { title: "Soup".to_owned(), steps: vec![boil, eat], persons: 2 }
}

/// The soup as a model writes it that must write all properties.
fn written() -> String {
    let steps = json!([{"what": "boil", "minutes": 20}, {"what": "eat", "minutes": null}]);
    json!({"title": "Soup", "steps": steps, "persons": null}).to_string()
}

struct World {
    _server: RunningServer,
    client: Client,
    assistant_id: String,
    thread_id: String,
    model: Scripted,
}

async fn world(turns: impl IntoIterator<Item = Turn>) -> World {
    let model = Scripted::new(turns);
    let server = Server::builder().model(model.clone()).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let thread = client.threads().create().user_message("Soup?").await.unwrap();
    World { _server: server, client, assistant_id: assistant.id, thread_id: thread.id, model }
}

#[tokio::test]
async fn an_answer_is_parsed_into_the_type() {
    let world = world([Turn::say(written())]).await;
    let request = world.client.runs(&world.thread_id).create(&world.assistant_id);
    let answer = quickly(request.response_as::<Recipe>().and_poll()).await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(answer.status, "completed");
    assert_eq!(answer.text(), written());
    let ResponseFormat::JsonSchema(asked) = &world.model.requests()[0].response_format else {
        panic!("the model was asked for no schema")
    };
    assert_eq!((asked.name.as_str(), asked.strict), ("Recipe", true));
    assert_eq!(asked.schema["required"], json!(["title", "steps", "persons"]));
}

#[tokio::test]
async fn the_calls_are_answered_before_the_answer_comes() {
    let world = world([Turn::call("minutes", json!({})), Turn::say(written())]).await;
    let tools = Toolbox::new().function("minutes", || async { "20" });
    let request = world.client.threads().create_and_run(&world.assistant_id);
    let request = request.user_message("Soup?").toolbox(&tools).response_as::<Recipe>();
    let answer = quickly(request.and_poll()).await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(world.model.remaining(), 0);
}

#[tokio::test]
async fn the_answer_of_an_earlier_run_is_not_taken_for_this_ones() {
    let world = world([Turn::say(written()), Turn::say("")]).await;
    let runs = world.client.runs(&world.thread_id);
    quickly(runs.create(&world.assistant_id).and_poll()).await.unwrap();
    let request = runs.create(&world.assistant_id).response_as::<Recipe>();
    let answer = quickly(request.and_poll()).await.unwrap();
    let error = answer.parse().unwrap_err();
    assert!([ErrorKind::NoAnswer, ErrorKind::Decode].contains(&error.kind()), "{error:?}");
}

#[tokio::test]
async fn the_schema_goes_with_the_run() {
    let server = Recorder::with_json(completed()).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let _ = quickly(request.response_as::<Recipe>().and_poll()).await;
    insta::assert_snapshot!(server.seen()[0].text());
    let server = Recorder::with_json(completed()).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let request = request.response_as::<Generic<Maps>>().strict(false);
    let _ = quickly(request.and_poll()).await;
    insta::assert_snapshot!("a_loose_schema", server.seen()[0].text());
}

#[tokio::test]
async fn nothing_is_sent_for_a_type_that_cannot_be_asked_for() {
    let server = Recorder::with_json(completed()).await;
    let runs = server.client().runs("thread_abc123");
    let create = || runs.create("asst_abc123");
    let errors = [
        quickly(create().response_as::<Maps>().and_poll()).await.map(drop).unwrap_err(),
        quickly(create().response_as::<Internal>().and_poll()).await.map(drop).unwrap_err(),
        quickly(create().response_as::<Vec<u8>>().strict(false).and_poll())
            .await
            .map(drop)
            .unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Configuration));
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"));
    assert_eq!(server.count(), 0);
}

fn completed() -> Value {
    let mut run = example("Run");
    run["status"] = "completed".into();
    run["required_action"] = Value::Null;
    run
}

/// The answer of a server whose run is this and whose messages are these.
async fn answer_of(run: Value, contents: &[Value]) -> Result<Answer<Recipe>> {
    let messages: Vec<Value> = contents
        .iter()
        .map(|content| {
            let mut message = example("Message");
            message["content"] = json!([content]);
            message
        })
        .collect();
    let server = Recorder::answering(move |_, request| {
        if request.target.contains("/messages") {
            let ids = json!({"first_id": "msg_1", "last_id": "msg_1", "has_more": false});
            let mut page = json!({"object": "list", "data": messages});
            page.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
            return support::json(&page);
        }
        support::json(&run)
    })
    .await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    quickly(request.response_as::<Recipe>().and_poll()).await
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": {"value": text, "annotations": []}})
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_says_so() {
    let mut failed = completed();
    failed["status"] = "failed".into();
    failed["last_error"] = json!({"code": "server_error", "message": "the model is away"});
    let mut expired = completed();
    expired["status"] = "expired".into();
    let refusal = json!({"type": "refusal", "refusal": "I do not cook."});
    let cases = [
        (failed, vec![], ErrorKind::NoAnswer),
        (expired, vec![], ErrorKind::NoAnswer),
        (completed(), vec![], ErrorKind::NoAnswer),
        (completed(), vec![refusal], ErrorKind::NoAnswer),
        (completed(), vec![text("Take water.")], ErrorKind::Decode),
        (completed(), vec![text(r#"{"title": "Soup", "steps": [{}]}"#)], ErrorKind::Decode),
    ];
    let mut told = Vec::new();
    for (run, contents, kind) in cases {
        let answer = answer_of(run, &contents).await.unwrap();
        let error = answer.parse().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.run().unwrap().id, "run_abc123");
        told.push(error.to_string());
    }
    insta::assert_snapshot!(told.join("\n"));
}
