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

/// Debug output without the lines of absent fields.
fn text(responses: &[impl std::fmt::Debug]) -> String {
    let text = format!("{responses:#?}");
    let is_present = |line: &&str| !line.ends_with(": None,") && !line.ends_with(": Absent,");
    text.lines().filter(is_present).collect::<Vec<_>>().join("\n")
}

decodes_examples!(run, Run, |client| client.runs("thread_abc123").retrieve("run_abc123"));
decodes_examples!(run_list, RunList, |client| client.runs("thread_abc123").list());
decodes_examples!(run_step, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .retrieve("step_abc123"));
decodes_examples!(run_step_list, RunStepList, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .list());
decodes_examples!(assistant, Assistant, |client| client.assistants().retrieve("asst_abc123"));
decodes_examples!(thread, Thread, |client| client.threads().retrieve("thread_abc123"));
decodes_examples!(message, Message, |client| client
    .messages("thread_abc123")
    .retrieve("msg_abc123"));
decodes_examples!(message_list, MessageList, |client| client.messages("thread_abc123").list());

decodes_examples!(assistant_list, AssistantList, |client| client.assistants().list());
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
    let server = RecordingServer::with_json(Value::Object(reversed)).await;
    let run = server.client().runs("thread_abc123").retrieve("run_def456").await.unwrap();
    assert_eq!(serde_json::to_value(&run).unwrap(), expected);
}
