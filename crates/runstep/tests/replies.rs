//! What each reply becomes: all examples of the specification, through a request and back.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use serde_json::Value;
use support::{Recorder, examples, json};

macro_rules! decoded {
    ($test:ident, $Reply:ident, |$client:ident| $request:expr) => {
        #[tokio::test]
        async fn $test() {
            let examples = examples(stringify!($Reply));
            let given = examples.clone();
            let server = Recorder::start(move |number| json(&given[number])).await;
            let $client = server.client();
            let mut replies = Vec::new();
            for example in &examples {
                let reply: runstep::types::$Reply = $request.await.unwrap();
                assert_eq!(&serde_json::to_value(&reply).unwrap(), example);
                replies.push(reply);
            }
            insta::assert_snapshot!(text(&replies));
        }
    };
}

/// Debug, without the lines that say that something is not there.
fn text(replies: &[impl std::fmt::Debug]) -> String {
    let text = format!("{replies:#?}");
    let there = |line: &&str| !line.ends_with(": None,") && !line.ends_with(": Absent,");
    text.lines().filter(there).collect::<Vec<_>>().join("\n")
}

decoded!(run, Run, |client| client.runs("thread_abc123").retrieve("run_abc123"));
decoded!(run_list, RunList, |client| client.runs("thread_abc123").list());
decoded!(run_step, RunStep, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .retrieve("step_abc123"));
decoded!(run_step_list, RunStepList, |client| client
    .runs("thread_abc123")
    .steps("run_abc123")
    .list());
decoded!(assistant, Assistant, |client| client.assistants().retrieve("asst_abc123"));
decoded!(thread, Thread, |client| client.threads().retrieve("thread_abc123"));
decoded!(message, Message, |client| client.messages("thread_abc123").retrieve("msg_abc123"));
decoded!(message_list, MessageList, |client| client.messages("thread_abc123").list());

decoded!(assistant_list, AssistantList, |client| client.assistants().list());
decoded!(deleted_assistant, DeletedAssistant, |client| client.assistants().delete("asst_abc123"));
decoded!(deleted_thread, DeletedThread, |client| client.threads().delete("thread_abc123"));
decoded!(deleted_message, DeletedMessage, |client| client
    .messages("thread_abc123")
    .delete("msg_abc123"));

/// A server may answer with more, or in another order, than the specification says.
#[tokio::test]
async fn properties_in_another_order_and_unknown_ones_do_not_matter() {
    let expected = examples("Run").swap_remove(1);
    let mut reversed: serde_json::Map<String, Value> =
        expected.as_object().unwrap().clone().into_iter().rev().collect();
    reversed.insert("new_in_2030".to_owned(), serde_json::json!({"deep": [1, null]}));
    let server = Recorder::with_json(Value::Object(reversed)).await;
    let run = server.client().runs("thread_abc123").retrieve("run_def456").await.unwrap();
    assert_eq!(serde_json::to_value(&run).unwrap(), expected);
}
