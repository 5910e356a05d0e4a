//! Where a run stands: one case for every status.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use runstep::Outcome;
use runstep::prelude::*;
use runstep::types::{Run, RunErrorCode, RunIncompleteReason};
use serde_json::{Value, json};
use support::example;

fn run(status: &str, more: &Value) -> Run {
    let mut run = example("Run");
    run["status"] = status.into();
    for (name, value) in more.as_object().unwrap() {
        run[name] = value.clone();
    }
    serde_json::from_value(run).unwrap()
}

#[test]
fn a_completed_run_is_given_itself() {
    let run = run("completed", &json!({}));
    assert_eq!(run.outcome(), Outcome::Completed(&run));
    assert!(run.is_terminal());
}

#[test]
fn a_run_that_requires_action_gives_its_calls() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let strange = json!({"id": "call_3", "type": "telepathy"});
    let action = json!({"required_action": {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [call("call_1"), strange, call("call_2")]},
    }});
    let run = run("requires_action", &action);
    let Outcome::RequiresAction(calls) = run.outcome() else { panic!("{:?}", run.outcome()) };
    assert_eq!(calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>(), ["call_1", "call_2"]);
    assert!(!run.is_terminal());
}

#[test]
fn an_action_that_nobody_knows_gives_no_calls() {
    for action in [Value::Null, json!({"type": "submit_tool_approval", "submit_tool_approval": {}})]
    {
        let run = run("requires_action", &json!({"required_action": action}));
        assert_eq!(run.outcome(), Outcome::RequiresAction(Vec::new()));
    }
}

#[test]
fn a_failed_run_says_why_if_it_knows() {
    let because = json!({"last_error": {"code": "rate_limit_exceeded", "message": "Too many."}});
    let failed = run("failed", &because);
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
fn an_incomplete_run_says_why_if_it_knows() {
    let because = json!({"incomplete_details": {"reason": "max_prompt_tokens"}});
    let cut = run("incomplete", &because);
    assert_eq!(cut.outcome(), Outcome::Incomplete(Some(&RunIncompleteReason::MaxPromptTokens)));
    for nothing in [Value::Null, json!({})] {
        let cut = run("incomplete", &json!({"incomplete_details": nothing}));
        assert_eq!(cut.outcome(), Outcome::Incomplete(None));
        assert!(cut.is_terminal());
    }
}

#[test]
fn other_ends_are_ends() {
    let (cancelled, expired) = (run("cancelled", &json!({})), run("expired", &json!({})));
    assert_eq!(cancelled.outcome(), Outcome::Cancelled);
    assert_eq!(expired.outcome(), Outcome::Expired);
    assert!(cancelled.is_terminal() && expired.is_terminal());
}

#[test]
fn whatever_else_is_under_way() {
    for status in ["queued", "in_progress", "cancelling", "frozen", ""] {
        let run = run(status, &json!({}));
        let Outcome::UnderWay(told) = run.outcome() else { panic!("{status}") };
        assert_eq!(told, status);
        assert!(!run.is_terminal());
    }
}

/// No case is left out, so that a `match` needs no others: this compiles, or it does not.
#[test]
fn a_match_is_exhaustive() {
    let statuses: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let statuses = statuses["components"]["schemas"]["RunStatus"]["enum"].as_array().unwrap();
    assert_eq!(statuses.len(), 9);
    for status in statuses {
        let status = status.as_str().unwrap();
        let run = run(status, &json!({}));
        let ended = match run.outcome() {
            Outcome::RequiresAction(_) | Outcome::UnderWay(_) => false,
            Outcome::Completed(_)
            | Outcome::Failed(_)
            | Outcome::Incomplete(_)
            | Outcome::Cancelled
            | Outcome::Expired => true,
        };
        assert_eq!(ended, run.is_terminal(), "{status}");
    }
}

/// Some servers leave the action in a run that has gone on.
#[test]
fn only_a_run_that_requires_action_has_calls() {
    let action = example("Run")["required_action"].clone();
    let action = match action {
        Value::Null => {
            json!({"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]}})
        }
        action => action,
    };
    let with = json!({"required_action": action});
    assert_eq!(run("requires_action", &with).function_calls().len(), 1);
    for status in ["queued", "in_progress", "cancelling", "completed", "frozen"] {
        assert!(run(status, &with).function_calls().is_empty(), "{status}");
    }
}
