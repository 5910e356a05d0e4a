//! Structured output of runs that are polled.

use runstep::tools::Toolbox;
use runstep::{Answer, ErrorKind, Result};
use runstep_server::model::{ResponseFormat, Scripted, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::argument_types::{Generic, Internal, Maps};
use crate::harness::{RecordingServer, TestServer, example, json_response, poll_fast};

/// A dish and how to cook it
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Recipe {
    /// Name of the dish
    title: String,
    steps: Vec<Step>,
    #[serde(default = "two")]
    persons: u32,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Step {
    action: String,
    minutes: Option<u32>,
}

fn two() -> u32 {
    2
}

fn soup() -> Recipe {
    let boil = Step { action: "boil".to_owned(), minutes: Some(20) };
    let eat = Step { action: "eat".to_owned(), minutes: None };
    Recipe { title: "Soup".to_owned(), steps: vec![boil, eat], persons: 2 }
}

/// The soup as a model generates it with a strict schema, which requires every property.
fn soup_json() -> String {
    let steps = json!([{"action": "boil", "minutes": 20}, {"action": "eat", "minutes": null}]);
    json!({"title": "Soup", "steps": steps, "persons": null}).to_string()
}

#[tokio::test]
async fn response_is_parsed_into_the_type() {
    let model = Scripted::new([Turn::text(soup_json())]);
    let server = TestServer::with_model(model.clone()).await;
    let request = server.create_run();
    let answer = poll_fast(request.response_as::<Recipe>()).and_poll().await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(answer.status, "completed");
    assert_eq!(answer.text(), soup_json());
    let ResponseFormat::JsonSchema(format) = &model.requests()[0].response_format else {
        panic!("the request to the model has no schema")
    };
    assert_eq!((format.name.as_str(), format.strict), ("Recipe", true));
    let schema: Value = serde_json::from_str(format.schema.get()).unwrap();
    assert_eq!(schema["required"], json!(["title", "steps", "persons"]));
}

#[tokio::test]
async fn tool_calls_are_executed_before_the_response() {
    let model = Scripted::new([Turn::call("minutes", json!({})), Turn::text(soup_json())]);
    let server = TestServer::with_model(model.clone()).await;
    let tools = Toolbox::new().function("minutes", || async { "20" });
    let request = server.client.threads().create_and_run(&server.assistant_id);
    let request = request.user_message("Soup?").toolbox(&tools).response_as::<Recipe>();
    let answer = poll_fast(request).and_poll().await.unwrap();
    assert_eq!(answer.parse().unwrap(), soup());
    assert_eq!(model.remaining(), 0);
}

#[tokio::test]
async fn message_of_earlier_run_is_not_used() {
    let server = TestServer::with_turns([Turn::text(soup_json()), Turn::text("")]).await;
    poll_fast(server.create_run()).and_poll().await.unwrap();
    let request = server.create_run().response_as::<Recipe>();
    let answer = poll_fast(request).and_poll().await.unwrap();
    let error = answer.parse().unwrap_err();
    assert!([ErrorKind::NoAnswer, ErrorKind::Decode].contains(&error.kind()), "{error:?}");
}

#[tokio::test]
async fn create_request_contains_strict_schema() {
    let server = RecordingServer::with_json(completed()).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let _ = poll_fast(request.response_as::<Recipe>()).and_poll().await;
    insta::assert_snapshot!(server.requests()[0].text());
    let server = RecordingServer::with_json(completed()).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    let request = request.response_as::<Generic<Maps>>().strict(false);
    let _ = poll_fast(request).and_poll().await;
    insta::assert_snapshot!("create_request_contains_loose_schema", server.requests()[0].text());
}

#[tokio::test]
async fn unsupported_type_is_rejected_before_sending() {
    let server = RecordingServer::with_json(completed()).await;
    let runs = server.client().runs("thread_abc123");
    let create = || runs.create("asst_abc123");
    let errors = [
        poll_fast(create().response_as::<Maps>()).and_poll().await.map(drop).unwrap_err(),
        poll_fast(create().response_as::<Internal>()).and_poll().await.map(drop).unwrap_err(),
        poll_fast(create().response_as::<Vec<u8>>().strict(false))
            .and_poll()
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

/// The structured output of a run with these message contents.
async fn poll_structured(run: Value, contents: &[Value]) -> Result<Answer<Recipe>> {
    let messages: Vec<Value> = contents
        .iter()
        .map(|content| {
            let mut message = example("Message");
            message["content"] = json!([content]);
            message
        })
        .collect();
    let server = RecordingServer::start_with(move |_, request| {
        if request.target.contains("/messages") {
            let cursors = json!({"first_id": "msg_1", "last_id": "msg_1", "has_more": false});
            let mut page = json!({"object": "list", "data": messages});
            page.as_object_mut().unwrap().extend(cursors.as_object().unwrap().clone());
            return json_response(&page);
        }
        json_response(&run)
    })
    .await;
    let request = server.client().runs("thread_abc123").create("asst_abc123");
    poll_fast(request.response_as::<Recipe>()).and_poll().await
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": {"value": text, "annotations": []}})
}

#[tokio::test]
async fn missing_or_undecodable_output_is_an_error_with_reason() {
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
    let mut messages = Vec::new();
    for (run, contents, kind) in cases {
        let answer = poll_structured(run, &contents).await.unwrap();
        let error = answer.parse().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.run().unwrap().id, "run_abc123");
        messages.push(error.to_string());
    }
    insta::assert_snapshot!(messages.join("\n"));
}
