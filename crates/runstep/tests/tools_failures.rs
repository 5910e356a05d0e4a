//! What becomes of calls that give no output, and of those that may not run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rounds::{Call, quickly, rounds};
use runstep::tools::{
    Approval, FailurePolicy, FunctionCall, ToolContext, ToolErrorKind, ToolEvent, ToolOptions,
    Toolbox,
};
use runstep::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct Add {
    left: i64,
    right: i64,
}

const FINE: &str = r#"{"left": 1, "right": 2}"#;

/// A toolbox with a function that succeeds and one for each way to fail.
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

/// Each way to fail, by what the model calls.
const WAYS: [(ToolErrorKind, Call); 5] = [
    (ToolErrorKind::UnknownTool, ("call_1", "subtract", FINE)),
    (ToolErrorKind::Arguments, ("call_2", "add", r#"{"left": "one", "right": 2}"#)),
    (ToolErrorKind::Handler, ("call_3", "refuse", "{}")),
    (ToolErrorKind::Panic, ("call_4", "panic", "{}")),
    (ToolErrorKind::Timeout, ("call_5", "sleep", "")),
];

fn kind(error: &Error) -> ToolErrorKind {
    assert_eq!(error.kind(), ErrorKind::Tool, "{error}");
    error.tool_error().unwrap().kind()
}

#[tokio::test]
async fn the_model_is_told_what_went_wrong() {
    let mut calls = WAYS.map(|(_, call)| call).to_vec();
    calls.push(("call_6", "add", "{\"left\": 1"));
    calls.push(("call_7", "add", FINE));
    let world = rounds([calls]).await;
    let run = quickly(world.with(&tools()).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn too_many_rounds_with_failures_cancel_the_run() {
    for (way, (_, name, arguments)) in WAYS {
        let world = rounds(["a", "b", "c", "d"].map(|id| vec![(id, name, arguments)])).await;
        let error = quickly(world.with(&tools()).and_poll()).await.unwrap_err();
        assert_eq!(kind(&error), way);
        assert_eq!(error.tool_error().unwrap().call_id(), "d");
        assert_eq!(error.run().unwrap().status, "cancelling");
        assert_eq!((world.submissions(), world.cancels()), (3, 1));
    }
}

#[tokio::test]
async fn a_round_without_failures_begins_the_count_anew() {
    let failing = |id| vec![(id, "refuse", "{}")];
    let world =
        rounds([failing("a"), failing("b"), vec![("c", "add", FINE)], failing("d"), failing("e")])
            .await;
    let policy = FailurePolicy::default().in_a_row(2);
    let run = quickly(world.with(&tools()).failure_policy(policy).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!((world.submissions(), world.cancels()), (5, 0));
}

#[tokio::test]
async fn calls_that_fail_side_by_side_count_as_one_failure() {
    let four = ["a", "b", "c", "d"].map(|id| (id, "refuse", "{}")).to_vec();
    let world = rounds([four]).await;
    let policy = FailurePolicy::default().in_a_row(1);
    let run = quickly(world.with(&tools()).failure_policy(policy).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
}

#[tokio::test]
async fn the_first_failure_ends_the_run_where_none_is_tolerated() {
    for (way, call) in WAYS {
        let world = rounds([vec![call]]).await;
        let request = world.with(&tools()).failure_policy(FailurePolicy::none());
        let error = quickly(request.and_poll()).await.unwrap_err();
        assert_eq!(kind(&error), way);
        assert_eq!((world.submissions(), world.cancels()), (0, 1));
    }
}

#[tokio::test]
async fn a_failure_for_good_cancels_the_calls_beside_it() {
    let seen: Arc<Mutex<Option<CancellationToken>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let tools = tools().function("wait", move |_: Add, context: ToolContext| {
        *keep.lock().unwrap() = Some(context.cancellation().clone());
        std::future::pending::<String>()
    });
    let world = rounds([vec![("call_1", "wait", FINE), ("call_2", "refuse", "{}")]]).await;
    let request = world.with(&tools).failure_policy(FailurePolicy::none());
    let error = quickly(request.and_poll()).await.unwrap_err();
    assert_eq!(kind(&error), ToolErrorKind::Handler);
    assert!(seen.lock().unwrap().take().unwrap().is_cancelled());
}

#[tokio::test]
async fn a_kind_of_failure_can_end_the_run_at_once() {
    let policy = FailurePolicy::default().fatal(ToolErrorKind::Panic);
    for (way, call) in WAYS {
        let world = rounds([vec![call]]).await;
        let request = world.with(&tools()).failure_policy(policy.clone());
        let ended = quickly(request.and_poll()).await;
        match way {
            ToolErrorKind::Panic => assert_eq!(kind(&ended.unwrap_err()), way),
            _ => assert_eq!(ended.unwrap().status, "completed"),
        }
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_cancelled_does_not_hide_the_error() {
    let world = rounds::rounds_but([vec![("call_1", "refuse", "{}")]], |request, _| {
        let message = "Cannot cancel run with status 'completed'.";
        request.target.ends_with("/cancel").then(|| rounds::refusal(400, message))
    })
    .await;
    let request = world.with(&tools()).failure_policy(FailurePolicy::none());
    let error = quickly(request.and_poll()).await.unwrap_err();
    assert_eq!(kind(&error), ToolErrorKind::Handler);
    assert_eq!(error.run().unwrap().status, "requires_action");
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn a_call_may_run_be_denied_or_be_changed() {
    let calls = vec![("call_1", "add", FINE), ("call_2", "add", FINE), ("call_3", "add", FINE)];
    let world = rounds([calls]).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&told);
    let request = world
        .with(&tools())
        .approve(|call: FunctionCall| async move {
            assert_eq!((call.run_id.as_str(), call.arguments.as_str()), ("run_abc123", FINE));
            match call.id.as_str() {
                "call_1" => Approval::Allow,
                "call_2" => Approval::Deny("additions are for adults".to_owned()),
                _ => Approval::Edit(json!({"left": 40, "right": 2})),
            }
        })
        .on_progress(move |event| {
            let what = match event {
                ToolEvent::Started(call) => format!("started with {}", call.arguments),
                ToolEvent::Finished { output, .. } => format!("finished: {output}"),
                ToolEvent::Denied { reason, .. } => format!("denied: {reason}"),
                other => format!("{other:?}"),
            };
            keep.lock().unwrap().push(format!("{} {what}", event.call().id));
        });
    quickly(request.and_poll()).await.unwrap();
    told.lock().unwrap().sort();
    insta::assert_snapshot!("approvals_told", told.lock().unwrap().join("\n"));
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn one_thing_is_asked_at_a_time_in_the_order_of_the_calls() {
    let calls = ["a", "b", "c"].map(|id| (id, "add", FINE)).to_vec();
    let world = rounds([calls]).await;
    let (asked, asking) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (keep, counter) = (Arc::clone(&asked), Arc::clone(&asking));
    let request = world.with(&tools()).approve(move |call| {
        let (keep, counter) = (Arc::clone(&keep), Arc::clone(&counter));
        async move {
            assert_eq!(counter.fetch_add(1, Ordering::SeqCst), 0, "two things are asked at once");
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            keep.lock().unwrap().push(call.id);
            counter.fetch_sub(1, Ordering::SeqCst);
            Approval::Allow
        }
    });
    quickly(request.and_poll()).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["a", "b", "c"]);
    assert!(!world.submitted().contains("Error"), "{}", world.submitted());
}

#[tokio::test]
async fn a_hook_that_panics_lets_nothing_run() {
    let world = rounds([vec![("call_1", "add", FINE)]]).await;
    let request = world.with(&tools()).approve(|call: FunctionCall| async move {
        assert!(call.name.is_empty(), "no such luck");
        Approval::Allow
    });
    let error =
        quickly(request.failure_policy(FailurePolicy::none()).and_poll()).await.unwrap_err();
    assert_eq!(kind(&error), ToolErrorKind::Panic);
    assert_eq!((world.submissions(), world.cancels()), (0, 1));
}

#[tokio::test]
async fn a_name_that_is_unknown_is_not_asked_about() {
    let world = rounds([vec![("call_1", "subtract", FINE)]]).await;
    let request = world.with(&tools()).approve(|call| async move { panic!("asked of {call:?}") });
    let request = request.failure_policy(FailurePolicy::none());
    let error = quickly(request.and_poll()).await.unwrap_err();
    assert_eq!(kind(&error), ToolErrorKind::UnknownTool);
}
