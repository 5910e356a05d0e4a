//! `Run::outcome` has one variant for every status; `into_completed` accepts one of them.

use runstep::types::{Run, RunErrorCode, RunIncompleteReason};
use runstep::{ErrorKind, IntoCompleted as _, Outcome, RunRef};
use serde_json::{Value, json};

use crate::harness::{example, run_with_status};

fn run(status: &str, fields: &Value) -> Run {
    let mut run = run_with_status(status);
    for (name, value) in fields.as_object().unwrap() {
        run[name] = value.clone();
    }
    serde_json::from_value(run).unwrap()
}

#[test]
fn completed_contains_the_run() {
    let run = run("completed", &json!({}));
    assert_eq!(run.outcome(), Outcome::Completed(&run));
    assert!(run.is_terminal());
}

#[test]
fn requires_action_contains_function_calls() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let unknown = json!({"id": "call_3", "type": "telepathy"});
    let action = json!({"required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [call("call_1"), unknown, call("call_2")]},
    }});
    let run = run("requires_action", &action);
    let Outcome::RequiresAction(calls) = run.outcome() else { panic!("{:?}", run.outcome()) };
    assert_eq!(calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["call_1", "call_2"]);
    assert!(!run.is_terminal());
}

#[test]
fn unknown_action_contains_no_calls() {
    for action in [Value::Null, json!({"type": "submit_tool_approval", "submit_tool_approval": {}})]
    {
        let run = run("requires_action", &json!({"required_action": action}));
        assert_eq!(run.outcome(), Outcome::RequiresAction(Vec::new()));
    }
}

#[test]
fn failed_contains_error_if_known() {
    let details = json!({"last_error": {"code": "rate_limit_exceeded", "message": "Too many."}});
    let failed = run("failed", &details);
    let Outcome::Failed(Some(error)) = failed.outcome() else { panic!("{:?}", failed.outcome()) };
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        (Some(&RunErrorCode::RateLimitExceeded), "Too many.")
    );
    let failed = run("failed", &json!({"last_error": null}));
    assert_eq!(failed.outcome(), Outcome::Failed(None));
    assert!(failed.is_terminal());
}

#[test]
fn incomplete_contains_reason_if_known() {
    let details = json!({"incomplete_details": {"reason": "max_prompt_tokens"}});
    let incomplete = run("incomplete", &details);
    assert_eq!(
        incomplete.outcome(),
        Outcome::Incomplete(Some(&RunIncompleteReason::MaxPromptTokens))
    );
    for no_details in [Value::Null, json!({})] {
        let incomplete = run("incomplete", &json!({"incomplete_details": no_details}));
        assert_eq!(incomplete.outcome(), Outcome::Incomplete(None));
        assert!(incomplete.is_terminal());
    }
}

#[test]
fn cancelled_and_expired_are_terminal() {
    let (cancelled, expired) = (run("cancelled", &json!({})), run("expired", &json!({})));
    assert_eq!(cancelled.outcome(), Outcome::Cancelled);
    assert_eq!(expired.outcome(), Outcome::Expired);
    assert!(cancelled.is_terminal() && expired.is_terminal());
}

#[test]
fn other_statuses_are_under_way() {
    for status in ["queued", "in_progress", "cancelling", "frozen", ""] {
        let run = run(status, &json!({}));
        let Outcome::Active(reported) = run.outcome() else { panic!("{status}") };
        assert_eq!(reported, status);
        assert!(!run.is_terminal());
    }
}

/// `Outcome` is exhaustive: this `match` compiles without a wildcard arm.
#[test]
fn match_on_outcome_is_exhaustive() {
    let statuses: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let statuses = statuses["components"]["schemas"]["RunStatus"]["enum"].as_array().unwrap();
    assert_eq!(statuses.len(), 9);
    for status in statuses {
        let status = status.as_str().unwrap();
        let run = run(status, &json!({}));
        let is_terminal = match run.outcome() {
            Outcome::RequiresAction(_) | Outcome::Active(_) => false,
            Outcome::Completed(_)
            | Outcome::Failed(_)
            | Outcome::Incomplete(_)
            | Outcome::Cancelled
            | Outcome::Expired => true,
        };
        assert_eq!(is_terminal, run.is_terminal(), "{status}");
    }
}

/// Some servers keep `required_action` in a run that no longer requires action.
#[test]
fn only_requires_action_has_function_calls() {
    let action = example("Run")["required_action"].clone();
    let action = match action {
        Value::Null => {
            json!({"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]}})
        }
        action => action,
    };
    let with_action = json!({"required_action": action});
    assert_eq!(run("requires_action", &with_action).function_calls().len(), 1);
    for status in ["queued", "in_progress", "cancelling", "completed", "frozen"] {
        assert!(run(status, &with_action).function_calls().is_empty(), "{status}");
    }
}

#[test]
fn only_a_completed_run_is_returned_as_completed() {
    let completed = run("completed", &json!({}));
    assert_eq!(completed.clone().into_completed().unwrap(), completed);
    for status in ["queued", "requires_action", "failed", "incomplete", "cancelled", "expired"] {
        let run = run(status, &json!({}));
        let error = run.clone().into_completed().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotCompleted);
        assert_eq!(error.run(), Some(&run));
    }
}

#[test]
fn error_of_failed_run_has_its_message_and_code() {
    let details = json!({"last_error": {"code": "rate_limit_exceeded", "message": "Too many."}});
    let error = run("failed", &details).into_completed().unwrap_err();
    assert_eq!(error.message(), "the run has not completed: Too many.");
    assert_eq!(error.code(), Some("rate_limit_exceeded"));
    let details =
        json!({"incomplete_details": {"reason": "max_prompt_tokens"}, "last_error": null});
    let error = run("incomplete", &details).into_completed().unwrap_err();
    assert_eq!(error.message(), "the run has not completed: max_prompt_tokens");
}

#[test]
fn run_ref_is_displayed_and_serialized() {
    let run = RunRef::from(("thread_1", "run_1"));
    assert_eq!(run.to_string(), "thread_1/run_1");
    let json = json!({"thread_id": "thread_1", "run_id": "run_1"});
    assert_eq!(serde_json::to_value(&run).unwrap(), json);
    assert_eq!(serde_json::from_value::<RunRef>(json).unwrap(), run);
}

#[test]
fn error_kinds_are_displayed_as_one_word() {
    assert_eq!(ErrorKind::InvalidRequest.to_string(), "invalid_request");
    assert_eq!(format!("{:>8}", ErrorKind::Api), "     api");
    assert_eq!(runstep::tools::ToolErrorKind::Timeout.to_string(), "timeout");
}

#[test]
fn error_type_of_result_can_be_overridden() {
    let parsed: runstep::Result<u8, std::num::ParseIntError> = "7".parse();
    assert_eq!(parsed, Ok(7));
}
