//! `Run::outcome`: one variant for every status.

use runstep::Outcome;
use runstep::types::{Run, RunErrorCode, RunIncompleteReason};
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
        (&error.code, error.message.as_str()),
        (&RunErrorCode::RateLimitExceeded, "Too many.")
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
