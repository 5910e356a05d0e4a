//! Methods of runs and messages.

use runstep_api::types::{Message, MessageDelta, Run, RunList, RunStatus, Thread};
use runstep_api::{Outcome, decode};
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

#[test]
fn strings_in_the_place_of_content_are_text() {
    let message = |content: Value| {
        let json = json!({"id": "msg_1", "role": "assistant", "content": content}).to_string();
        decode::<Message>(json.as_bytes()).unwrap().text()
    };
    assert_eq!(message(json!("hello")), "hello");
    assert_eq!(message(json!(["he", {"type": "text", "text": "llo"}])), "hello");
    assert_eq!(message(json!([{"type": "image", "text": "no"}, 7])), "");
    let delta = |content: Value| {
        let json = json!({"id": "msg_1", "delta": {"content": content}}).to_string();
        decode::<MessageDelta>(json.as_bytes()).unwrap().text().into_owned()
    };
    assert_eq!(delta(json!("hello")), "hello");
    assert_eq!(delta(json!([{"index": 0, "type": "text", "text": "hello"}])), "hello");
}

#[test]
fn maps_have_the_entries_that_decode() {
    let json = json!({"id": "thread_1", "metadata": {"user": "u1", "ref": null}});
    let thread = decode::<Thread>(json.to_string().as_bytes()).unwrap();
    assert_eq!(thread.metadata.as_ref().unwrap()["user"], "u1");
    let written = serde_json::to_value(&thread).unwrap();
    assert_eq!(written["metadata"], json["metadata"]);
}

/// Whether such an object is a list at all is for the caller to decide.
#[test]
fn object_without_data_has_no_entries_and_keeps_the_rest() {
    for json in [json!({"object": "list"}), json!({"detail": "Not Found"}), json!({})] {
        let list = decode::<RunList>(json.to_string().as_bytes()).unwrap();
        assert_eq!(list.data, []);
        assert_eq!(list.other().get("detail"), json.get("detail"));
    }
}

#[test]
fn list_has_the_entries_that_decode_and_keeps_the_others() {
    let json =
        json!({"data": [{"id": "r", "thread_id": "t", "status": "queued"}, {"id": 7}, null]});
    let list = decode::<RunList>(json.to_string().as_bytes()).unwrap();
    assert_eq!(list.data.len(), 1);
    assert_eq!(list.other()["data"], json["data"]);
    assert_eq!(serde_json::to_value(&list).unwrap()["data"], json["data"]);
    // Servers in Go write null for an empty list.
    let list = decode::<RunList>(br#"{"data": null}"#).unwrap();
    assert_eq!(list.data, []);
    assert!(list.other().is_empty());
}

/// A run with these times, in seconds: started, completed, failed, cancelled.
fn run_with_times(times: [Option<i64>; 4]) -> runstep_api::types::Run {
    let [started_at, completed_at, failed_at, cancelled_at] = times;
    let json = serde_json::json!({
        "id": "run_1", "object": "thread.run", "thread_id": "thread_1", "status": "completed",
        "started_at": started_at, "completed_at": completed_at, "failed_at": failed_at,
        "cancelled_at": cancelled_at,
    });
    serde_json::from_value(json).unwrap()
}

#[test]
fn durations_are_from_the_start_to_the_end() {
    let seconds = |times| run_with_times(times).duration().map(|duration| duration.as_secs());
    assert_eq!(seconds([Some(100), Some(107), None, None]), Some(7));
    assert_eq!(seconds([Some(100), None, Some(101), None]), Some(1));
    assert_eq!(seconds([Some(100), None, None, Some(100)]), Some(0));
    assert_eq!(seconds([Some(100), None, None, None]), None);
    assert_eq!(seconds([None, Some(107), None, None]), None);
    assert_eq!(seconds([Some(107), Some(100), None, None]), Some(0));
    assert_eq!(seconds([Some(i64::MIN), Some(i64::MAX), None, None]), Some(i64::MAX as u64));
    let json = serde_json::json!({
        "id": "step_1", "object": "thread.run.step", "thread_id": "thread_1", "run_id": "run_1",
        "type": "message_creation", "status": "expired", "created_at": 100, "expired_at": 160,
        "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_1"}},
    });
    let step: runstep_api::types::RunStep = serde_json::from_value(json).unwrap();
    assert_eq!(step.duration().map(|duration| duration.as_secs()), Some(60));
}

#[test]
fn usages_are_added() {
    use runstep_api::types::Usage;

    let usage = |json: &str| serde_json::from_str::<Usage>(json).unwrap();
    let partial = usage(r#"{"total_tokens": 5}"#);
    assert_eq!(Usage::new(1, 2, 3) + Usage::new(10, 20, 30), Usage::new(11, 22, 33));
    assert_eq!(partial.clone() + partial.clone(), usage(r#"{"total_tokens": 10}"#));
    assert_eq!(partial.clone() + Usage::new(1, 2, 3), Usage::new(1, 2, 8));
    assert_eq!(Usage::new(1, 2, u64::MAX) + partial.clone(), Usage::new(1, 2, u64::MAX));
    assert_eq!([Usage::new(1, 2, 3), partial].iter().sum::<Usage>(), Usage::new(1, 2, 8));
    assert_eq!(std::iter::empty::<Usage>().sum::<Usage>(), Usage::new(0, 0, 0));
}

#[test]
fn statuses_are_parsed() {
    use runstep_api::types::RunStatus;

    assert_eq!("in_progress".parse::<RunStatus>().unwrap(), RunStatus::InProgress);
    assert_eq!("new".parse::<RunStatus>().unwrap(), RunStatus::Unknown("new".to_owned()));
}
