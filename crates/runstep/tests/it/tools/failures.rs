//! Calls that fail, and calls that need approval.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstep::tools::{
    Approval, FailurePolicy, PendingCall, ToolContext, ToolErrorKind, ToolOptions, Toolbox,
};
use runstep::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{SharedToken, is_cancelled, progress_log};
use crate::harness::{ToolCall, error_response, poll_fast, tool_run, tool_run_with};

#[derive(Deserialize, JsonSchema)]
struct Add {
    left: i64,
    right: i64,
}

const ONE_AND_TWO: &str = r#"{"left": 1, "right": 2}"#;

/// A toolbox with a function that succeeds and one for each kind of failure.
fn tools() -> Toolbox {
    let short = ToolOptions::default().timeout(Duration::from_millis(1));
    Toolbox::new()
        .function("add", |args: Add| async move { (args.left + args.right).to_string() })
        .function("refuse", || async { Err::<String, _>("the database is closed") })
        .function("panic", || async {
            panic!("at secret.rs");
            #[allow(unreachable_code)] // for the type
            ""
        })
        .function_with("sleep", short, std::future::pending::<String>)
}

/// Each kind of failure, with a call that causes it.
const FAILURES: [(ToolErrorKind, ToolCall); 5] = [
    (ToolErrorKind::UnknownTool, ("call_1", "subtract", ONE_AND_TWO)),
    (ToolErrorKind::Arguments, ("call_2", "add", r#"{"left": "one", "right": 2}"#)),
    (ToolErrorKind::Handler, ("call_3", "refuse", "{}")),
    (ToolErrorKind::Panic, ("call_4", "panic", "{}")),
    (ToolErrorKind::Timeout, ("call_5", "sleep", "")),
];

fn tool_error_kind(error: &Error) -> ToolErrorKind {
    assert_eq!(error.kind(), ErrorKind::Tool, "{error}");
    error.tool_error().unwrap().kind()
}

#[tokio::test]
async fn error_text_is_submitted_as_output() {
    let mut calls = FAILURES.map(|(_, call)| call).to_vec();
    calls.push(("call_6", "add", "{\"left\": 1"));
    calls.push(("call_7", "add", ONE_AND_TWO));
    let server = tool_run([calls]).await;
    let run = poll_fast(server.create_run(&tools())).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn too_many_failed_rounds_cancel_the_run() {
    for (expected_kind, (_, name, arguments)) in FAILURES {
        let server = tool_run(["a", "b", "c", "d"].map(|id| vec![(id, name, arguments)])).await;
        let error = poll_fast(server.create_run(&tools())).and_poll().await.unwrap_err();
        assert_eq!(tool_error_kind(&error), expected_kind);
        assert_eq!(error.tool_error().unwrap().call_id(), "d");
        assert_eq!(error.run().unwrap().status, "cancelling");
        assert_eq!((server.submissions(), server.cancels()), (3, 1));
    }
}

#[tokio::test]
async fn successful_round_resets_failure_count() {
    let failing_round = |id| vec![(id, "refuse", "{}")];
    let server = tool_run([
        failing_round("a"),
        failing_round("b"),
        vec![("c", "add", ONE_AND_TWO)],
        failing_round("d"),
        failing_round("e"),
    ])
    .await;
    let policy = FailurePolicy::default().max_consecutive_failures(2);
    let run =
        poll_fast(server.create_run(&tools()).failure_policy(policy)).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!((server.submissions(), server.cancels()), (5, 0));
}

#[tokio::test]
async fn parallel_failures_count_as_one() {
    let four = ["a", "b", "c", "d"].map(|id| (id, "refuse", "{}")).to_vec();
    let server = tool_run([four]).await;
    let policy = FailurePolicy::default().max_consecutive_failures(1);
    let run =
        poll_fast(server.create_run(&tools()).failure_policy(policy)).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
}

#[tokio::test]
async fn first_failure_cancels_run_without_tolerance() {
    for (expected_kind, call) in FAILURES {
        let server = tool_run([vec![call]]).await;
        let request = server.create_run(&tools()).failure_policy(FailurePolicy::none());
        let error = poll_fast(request).and_poll().await.unwrap_err();
        assert_eq!(tool_error_kind(&error), expected_kind);
        assert_eq!((server.submissions(), server.cancels()), (0, 1));
    }
}

#[tokio::test]
async fn fatal_failure_cancels_parallel_calls() {
    let token = SharedToken::default();
    let handler_token = Arc::clone(&token);
    let tools = tools().function("wait", move |_: Add, context: ToolContext| {
        *handler_token.lock().unwrap() = Some(context.cancellation().clone());
        std::future::pending::<String>()
    });
    let server =
        tool_run([vec![("call_1", "wait", ONE_AND_TWO), ("call_2", "refuse", "{}")]]).await;
    let request = server.create_run(&tools).failure_policy(FailurePolicy::none());
    let error = poll_fast(request).and_poll().await.unwrap_err();
    assert_eq!(tool_error_kind(&error), ToolErrorKind::Handler);
    assert!(is_cancelled(&token));
}

#[tokio::test]
async fn fatal_failure_kind_cancels_run_immediately() {
    let policy = FailurePolicy::default().fatal(ToolErrorKind::Panic);
    for (expected_kind, call) in FAILURES {
        let server = tool_run([vec![call]]).await;
        let request = server.create_run(&tools()).failure_policy(policy.clone());
        let result = poll_fast(request).and_poll().await;
        match expected_kind {
            ToolErrorKind::Panic => {
                assert_eq!(tool_error_kind(&result.unwrap_err()), expected_kind)
            }
            _ => assert_eq!(result.unwrap().status, "completed"),
        }
    }
}

#[tokio::test]
async fn failed_cancel_does_not_replace_tool_error() {
    let server = tool_run_with([vec![("call_1", "refuse", "{}")]], |request, _| {
        let message = "Cannot cancel run with status 'completed'.";
        request.target.ends_with("/cancel").then(|| error_response(400, message))
    })
    .await;
    let request = server.create_run(&tools()).failure_policy(FailurePolicy::none());
    let error = poll_fast(request).and_poll().await.unwrap_err();
    assert_eq!(tool_error_kind(&error), ToolErrorKind::Handler);
    assert_eq!(error.run().unwrap().status, "requires_action");
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn calls_can_be_approved_denied_or_edited() {
    let calls = vec![
        ("call_1", "add", ONE_AND_TWO),
        ("call_2", "add", ONE_AND_TWO),
        ("call_3", "add", ONE_AND_TWO),
    ];
    let server = tool_run([calls]).await;
    let (log, append) = progress_log();
    let request = server
        .create_run(&tools())
        .approve(|call: PendingCall| async move {
            assert_eq!(
                (call.run_id.as_str(), call.arguments.as_str()),
                ("run_abc123", ONE_AND_TWO)
            );
            match call.id.as_str() {
                "call_1" => Approval::Allow,
                "call_2" => Approval::Deny("additions are not allowed".to_owned()),
                _ => Approval::Edit(json!({"left": 40, "right": 2})),
            }
        })
        .on_progress(append);
    poll_fast(request).and_poll().await.unwrap();
    log.lock().unwrap().sort();
    insta::assert_snapshot!("approval_events", log.lock().unwrap().join("\n"));
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn approvals_are_requested_sequentially_in_call_order() {
    let calls = ["a", "b", "c"].map(|id| (id, "add", ONE_AND_TWO)).to_vec();
    let server = tool_run([calls]).await;
    let (approved, pending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (order, counter) = (Arc::clone(&approved), Arc::clone(&pending));
    let request = server.create_run(&tools()).approve(move |call| {
        let (order, counter) = (Arc::clone(&order), Arc::clone(&counter));
        async move {
            assert_eq!(
                counter.fetch_add(1, Ordering::SeqCst),
                0,
                "two approvals are pending at once"
            );
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            order.lock().unwrap().push(call.id);
            counter.fetch_sub(1, Ordering::SeqCst);
            Approval::Allow
        }
    });
    poll_fast(request).and_poll().await.unwrap();
    assert_eq!(*approved.lock().unwrap(), ["a", "b", "c"]);
    assert!(!server.submitted_bodies().contains("Error"), "{}", server.submitted_bodies());
}

#[tokio::test]
async fn panicking_approval_prevents_the_call() {
    let server = tool_run([vec![("call_1", "add", ONE_AND_TWO)]]).await;
    let request = server.create_run(&tools()).approve(|call: PendingCall| async move {
        assert!(call.name.is_empty(), "approval failed");
        Approval::Allow
    });
    let error =
        poll_fast(request.failure_policy(FailurePolicy::none())).and_poll().await.unwrap_err();
    assert_eq!(tool_error_kind(&error), ToolErrorKind::Panic);
    assert_eq!((server.submissions(), server.cancels()), (0, 1));
}

#[tokio::test]
async fn unknown_function_needs_no_approval() {
    let server = tool_run([vec![("call_1", "subtract", ONE_AND_TWO)]]).await;
    let request = server
        .create_run(&tools())
        .approve(|call| async move { panic!("approval requested for {call:?}") });
    let request = request.failure_policy(FailurePolicy::none());
    let error = poll_fast(request).and_poll().await.unwrap_err();
    assert_eq!(tool_error_kind(&error), ToolErrorKind::UnknownTool);
}
