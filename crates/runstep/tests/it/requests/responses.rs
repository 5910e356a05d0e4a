//! Decoding of responses: each example of the specification, sent by a server and serialized again.

use serde_json::Value;

use crate::harness::{RecordingServer, examples, json_response};

macro_rules! decodes_examples {
    ($test:ident, $Response:ident, |$client:ident| $request:expr) => {
        #[tokio::test]
        async fn $test() {
            let examples = examples(stringify!($Response));
            let bodies = examples.clone();
            let server = RecordingServer::start(move |number| json_response(&bodies[number])).await;
            let $client = server.client();
            let mut responses = Vec::new();
            for example in &examples {
                let response: runstep::types::$Response = $request.await.unwrap();
                assert_eq!(&serde_json::to_value(&response).unwrap(), example);
                responses.push(response);
            }
            insta::assert_snapshot!(text(&responses));
        }
    };
}

macro_rules! decodes_example_pages {
    ($test:ident, $Response:ident, $Item:ident, |$client:ident| $request:expr) => {
        #[tokio::test]
        async fn $test() {
            let examples = examples(stringify!($Response));
            let bodies = examples.clone();
            let server = RecordingServer::start(move |number| json_response(&bodies[number])).await;
            let $client = server.client();
            let mut responses = Vec::new();
            for example in &examples {
                let page: runstep::Page<runstep::types::$Item> = $request.await.unwrap();
                assert_eq!(serde_json::to_value(&page.data).unwrap(), example["data"]);
                assert_eq!(serde_json::to_value(&page.first_id).unwrap(), example["first_id"]);
                assert_eq!(serde_json::to_value(&page.last_id).unwrap(), example["last_id"]);
                assert_eq!(page.has_more, example["has_more"]);
                responses.push(page);
            }
            insta::assert_snapshot!(text(&responses));
        }
    };
}

/// Debug output without the lines of absent fields.
fn text(responses: &[impl std::fmt::Debug]) -> String {
    let text = format!("{responses:#?}");
    let is_present =
        |line: &&str| ![": None,", ": Absent,", "other: {},"].iter().any(|end| line.ends_with(end));
    text.lines().filter(is_present).collect::<Vec<_>>().join("\n")
}

decodes_examples!(run, Run, |client| client.runs("thread_abc123").retrieve("run_abc123"));
decodes_example_pages!(run_list, RunList, Run, |client| client.runs("thread_abc123").list());
decodes_examples!(run_step, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .retrieve("step_abc123"));
decodes_example_pages!(run_step_list, RunStepList, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .list());
decodes_examples!(assistant, Assistant, |client| client.assistants().retrieve("asst_abc123"));
decodes_examples!(thread, Thread, |client| client.threads().retrieve("thread_abc123"));
decodes_examples!(message, Message, |client| client
    .messages("thread_abc123")
    .retrieve("msg_abc123"));
decodes_example_pages!(message_list, MessageList, Message, |client| client
    .messages("thread_abc123")
    .list());

decodes_example_pages!(assistant_list, AssistantList, Assistant, |client| client
    .assistants()
    .list());
decodes_examples!(deleted_assistant, DeletedAssistant, |client| client
    .assistants()
    .delete("asst_abc123"));
decodes_examples!(deleted_thread, DeletedThread, |client| client.threads().delete("thread_abc123"));
decodes_examples!(deleted_message, DeletedMessage, |client| client
    .messages("thread_abc123")
    .delete("msg_abc123"));

/// Servers may send properties that the specification does not have, and in any order.
#[tokio::test]
async fn unknown_and_reordered_properties_are_accepted() {
    let expected = examples("Run").swap_remove(1);
    let mut reversed: serde_json::Map<String, Value> =
        expected.as_object().unwrap().clone().into_iter().rev().collect();
    reversed.insert("new_in_2030".to_owned(), serde_json::json!({"deep": [1, null]}));
    let server = RecordingServer::with_json(Value::Object(reversed.clone())).await;
    let run = server.client().runs("thread_abc123").retrieve("run_def456").await.unwrap();
    assert_eq!(run.other()["new_in_2030"], reversed["new_in_2030"]);
    assert_eq!(serde_json::to_value(&run).unwrap(), Value::Object(reversed));
}
