//! Methods of runs and messages.

use runstep_api::Outcome;
use runstep_api::types::{Message, MessageDelta, Run, RunStatus};
use serde_json::{Value, json};

fn run(status: &str) -> Run {
    let examples: Value = serde_json::from_str(include_str!("../examples.json")).unwrap();
    let mut run = examples["Run"][0].clone();
    run["status"] = status.into();
    run["required_action"] = json!({
        "type": "submit_tool_outputs",
        "submit_tool_outputs": { "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{}" } },
            { "id": "call_2", "type": "future" },
        ] },
    });
    run["last_error"] = json!({ "code": "server_error", "message": "broken" });
    run["incomplete_details"] = json!({ "reason": "max_prompt_tokens" });
    serde_json::from_value(run).unwrap()
}

#[test]
fn terminal_statuses_are_the_five_ends() {
    let terminal = ["completed", "failed", "incomplete", "cancelled", "expired"];
    for status in terminal {
        assert!(run(status).is_terminal(), "{status}");
    }
    for status in ["queued", "in_progress", "requires_action", "cancelling", "frozen"] {
        assert!(!run(status).is_terminal(), "{status}");
    }
}

#[test]
fn outcome_has_the_data_of_the_status() {
    assert!(matches!(run("completed").outcome(), Outcome::Completed(run) if run.is_terminal()));
    let waiting = run("requires_action");
    assert!(matches!(waiting.outcome(), Outcome::RequiresAction(calls) if calls.len() == 1));
    let failed = run("failed");
    assert!(matches!(failed.outcome(), Outcome::Failed(Some(error)) if error.message == "broken"));
    let incomplete = run("incomplete");
    assert!(matches!(
        incomplete.outcome(),
        Outcome::Incomplete(Some(reason)) if *reason == "max_prompt_tokens"
    ));
    assert_eq!(run("cancelled").outcome(), Outcome::Cancelled);
    assert_eq!(run("expired").outcome(), Outcome::Expired);
    for status in ["queued", "in_progress", "cancelling", "frozen"] {
        assert_eq!(run(status).outcome(), Outcome::Active(&RunStatus::from(status)));
    }
}

#[test]
fn function_calls_are_those_that_the_run_waits_for() {
    let waiting = run("requires_action");
    let ids: Vec<&str> = waiting.function_calls().iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_1"]);
    assert!(run("in_progress").function_calls().is_empty());
}

#[test]
fn text_concatenates_the_text_parts() {
    let examples: Value = serde_json::from_str(include_str!("../examples.json")).unwrap();
    let text =
        |value: &str| json!({ "type": "text", "text": { "value": value, "annotations": [] } });
    let mut message = examples["Message"][0].clone();
    message["content"] = json!([text("a"), { "type": "future" }, text("b")]);
    let message: Message = serde_json::from_value(message).unwrap();
    assert_eq!(message.text(), "ab");

    let part = |value: &str| json!({ "index": 0, "type": "text", "text": { "value": value } });
    let delta = |content: Value| -> MessageDelta {
        let delta = json!({ "id": "msg_1", "object": "thread.message.delta", "delta": { "content": content } });
        serde_json::from_value(delta).unwrap()
    };
    assert_eq!(delta(json!([part("a"), { "index": 1, "type": "future" }, part("b")])).text(), "ab");
    assert_eq!(delta(json!([])).text(), "");
}
