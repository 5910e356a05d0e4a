//! Tool loops that stop for a person and continue later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runstep::tools::{
    Approval, PendingCall, ResumeRun, SuspendedRun, ToolErrorKind, ToolEvent, ToolRun,
    ToolStreamEvent, Toolbox, WithToolbox,
};
use runstep::{ErrorKind, IntoCompleted as _, StreamEnd};
use runstep_server::model::{Scripted, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::GetWeather;
use crate::harness::{TestServer, ToolCall, ToolRunServer, function_tool, poll_fast, tool_run};

const WEATHER: ToolCall = ("call_1", "get_weather", r#"{"city": "Paris"}"#);
const REFUND: ToolCall = ("call_2", "refund", r#"{"amount": 7}"#);

#[derive(Deserialize, JsonSchema)]
struct Refund {
    amount: u32,
}

/// The executed calls, with their arguments.
type Log = Arc<Mutex<Vec<String>>>;

/// Returns a toolbox that logs its calls.
fn tools() -> (Toolbox, Log) {
    let log = Log::default();
    let (weather, refund) = (Arc::clone(&log), Arc::clone(&log));
    let tools = Toolbox::new()
        .function("get_weather", move |args: GetWeather| {
            weather.lock().unwrap().push(format!("get_weather {}", args.city));
            async { "18 degrees" }
        })
        .function("refund", move |args: Refund| {
            refund.lock().unwrap().push(format!("refund {}", args.amount));
            async { "refunded" }
        });
    (tools, log)
}

/// Defers refunds.
async fn defer_refunds(call: PendingCall) -> Approval {
    if call.name == "refund" { Approval::Defer } else { Approval::Allow }
}

/// Returns a run that is suspended with a refund, and its server.
async fn suspended_run(rounds: Vec<Vec<ToolCall>>) -> (ToolRunServer, Toolbox, Log, SuspendedRun) {
    let server = tool_run(rounds).await;
    let (tools, log) = tools();
    let request = server.create_run(&tools).approve(defer_refunds);
    let run = poll_fast(request).and_poll().await.unwrap();
    assert_eq!(run.status, "requires_action");
    // As if it were saved for another process.
    let saved = serde_json::to_string(&run.into_suspended().unwrap()).unwrap();
    (server, tools, log, serde_json::from_str(&saved).unwrap())
}

async fn finish(request: ResumeRun<WithToolbox>) -> runstep::Result<ToolRun> {
    poll_fast(request).and_poll().await
}

fn entries(log: &Log) -> Vec<String> {
    log.lock().unwrap().clone()
}

/// The outputs of the only submission by call id.
fn submitted(server: &ToolRunServer) -> BTreeMap<String, String> {
    assert_eq!(server.submissions(), 1);
    let body: Value = serde_json::from_str(&server.submitted_bodies()).unwrap();
    let output = |output: &Value| {
        let text = |name: &str| output[name].as_str().unwrap().to_owned();
        (text("tool_call_id"), text("output"))
    };
    body["tool_outputs"].as_array().unwrap().iter().map(output).collect()
}

fn outputs(weather: &str, refund: &str) -> BTreeMap<String, String> {
    let pair = |id: &str, output: &str| (id.to_owned(), output.to_owned());
    BTreeMap::from([pair("call_1", weather), pair("call_2", refund)])
}

#[tokio::test]
async fn deferred_call_suspends_the_loop_after_the_other_calls() {
    let (server, _, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    assert_eq!(entries(&log), ["get_weather Paris"]);
    assert_eq!((server.submissions(), server.cancels()), (0, 0));
    assert_eq!(suspended.run_ref.to_string(), "thread_abc123/run_abc123");
    let [call] = suspended.calls.try_into().unwrap();
    assert_eq!((call.id.as_str(), call.name.as_str()), ("call_2", "refund"));
    assert_eq!(call.arguments, REFUND.2);
    let [output] = suspended.outputs.try_into().unwrap();
    assert_eq!(output.tool_call_id.as_deref(), Some("call_1"));
    assert_eq!(output.output.as_deref(), Some("18 degrees"));
}

#[tokio::test]
async fn answer_resumes_the_loop_and_nothing_is_executed_twice() {
    let weather_again = ("call_3", "get_weather", r#"{"city": "Oslo"}"#);
    let rounds = vec![vec![WEATHER, REFUND], vec![weather_again]];
    let (server, tools, log, suspended) = suspended_run(rounds).await;
    let resume = server.runs.resume(suspended).answer("call_2", "refunded by hand");
    let run = finish(resume.toolbox(&tools)).await.unwrap().into_completed().unwrap();
    assert!(run.suspended().is_none());
    assert_eq!(entries(&log), ["get_weather Paris", "get_weather Oslo"]);
    assert_eq!(server.submissions(), 2);
    let bodies = server.submitted_bodies();
    assert!(bodies.contains("refunded by hand") && bodies.contains("18 degrees"), "{bodies}");
}

#[tokio::test]
async fn decision_executes_edits_or_denies_the_call() {
    for (approval, executed, output) in [
        (Approval::Allow, Some("refund 7"), "refunded"),
        (Approval::Edit(json!({"amount": 5})), Some("refund 5"), "refunded"),
        (Approval::Deny("too late".to_owned()), None, "This call was denied: too late"),
    ] {
        let (server, tools, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
        let resume = server.runs.resume(suspended).decide("call_2", approval);
        // The hook is not called again for a call that was decided.
        let run = finish(resume.toolbox(&tools).approve(defer_refunds)).await.unwrap();
        assert_eq!(run.status, "completed");
        let expected: Vec<&str> = ["get_weather Paris"].into_iter().chain(executed).collect();
        assert_eq!(entries(&log), expected);
        assert_eq!(submitted(&server), outputs("18 degrees", output));
    }
}

#[tokio::test]
async fn call_can_be_deferred_again() {
    let (server, tools, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    let resume = server.runs.resume(suspended.clone()).decide("call_2", Approval::Defer);
    let run = finish(resume.toolbox(&tools)).await.unwrap();
    assert_eq!(run.suspended(), Some(&suspended));
    assert_eq!((server.submissions(), entries(&log).len()), (0, 1));
}

#[tokio::test]
async fn function_without_handler_is_deferred() {
    let server = tool_run([vec![WEATHER, REFUND]]).await;
    let tools = Toolbox::new()
        .function("get_weather", |_: GetWeather| async { "18 degrees" })
        .tool(function_tool("refund"));
    let run = poll_fast(server.create_run(&tools)).and_poll().await.unwrap();
    let suspended = run.into_suspended().unwrap();
    assert_eq!(suspended.calls[0].name, "refund");
    let resume = server.runs.resume(suspended).answer("call_2", "refunded");
    finish(resume.toolbox(&tools)).await.unwrap().into_completed().unwrap();
    assert_eq!(submitted(&server), outputs("18 degrees", "refunded"));
}

#[tokio::test]
async fn unknown_function_still_fails() {
    let server = tool_run([vec![("call_1", "unknown", "{}")]]).await;
    let tools = Toolbox::new().tool(function_tool("refund"));
    let run = poll_fast(server.create_run(&tools)).and_poll().await.unwrap();
    assert!(run.suspended().is_none());
    assert!(server.submitted_bodies().contains("unknown function"));
}

#[tokio::test]
async fn outputs_can_be_submitted_without_a_toolbox() {
    for verb in ["await", "poll", "stream"] {
        let (server, _, _, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
        let resume = server.runs.resume(suspended).answer("call_2", "refunded");
        let status = match verb {
            "await" => resume.await.unwrap().status,
            "poll" => poll_fast(resume).and_poll().await.unwrap().status,
            _ => resume.stream().await.unwrap().final_run().await.unwrap().status,
        };
        assert_eq!(status, if verb == "await" { "queued" } else { "completed" });
        assert_eq!(submitted(&server), outputs("18 degrees", "refunded"));
    }
}

#[tokio::test]
async fn invalid_answers_are_rejected_before_anything_is_sent() {
    let (server, tools, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    let before = server.http.count();
    let resume = || server.runs.resume(suspended.clone());
    let elsewhere = server.http.client().runs("thread_other").resume(suspended.clone());
    let invalid = [
        (resume(), "deferred calls without an answer: call_2"),
        (resume().answer("call_2", "a").answer("call_9", "b"), "no deferred call call_9"),
        (elsewhere.answer("call_2", "a"), "is not a run of the thread thread_other"),
    ];
    for (request, message) in invalid {
        let error = request.clone().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(message), "{error}");
        let error = finish(request.clone().toolbox(&tools)).await.unwrap_err();
        assert!(error.message().contains(message), "{error}");
        let error = request.toolbox(&tools).stream().await.unwrap_err();
        assert!(error.message().contains(message), "{error}");
    }
    let error = resume().decide("call_2", Approval::Allow).await.unwrap_err();
    assert!(error.message().contains("cannot be executed without a toolbox"), "{error}");
    assert_eq!((server.http.count(), entries(&log).len()), (before, 1));
}

#[tokio::test]
async fn second_resumption_executes_nothing() {
    let (server, tools, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    let resume = || server.runs.resume(suspended.clone()).decide("call_2", Approval::Allow);
    finish(resume().toolbox(&tools)).await.unwrap();
    let error = finish(resume().toolbox(&tools)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.run().unwrap().status, "completed");
    let error = resume().toolbox(&tools).stream().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(entries(&log), ["get_weather Paris", "refund 7"]);
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn expired_run_executes_nothing() {
    let (server, tools, log, suspended) = suspended_run(vec![vec![REFUND]]).await;
    server.state.lock().unwrap().status = Some("expired");
    let resume = server.runs.resume(suspended).decide("call_2", Approval::Allow);
    let error = finish(resume.toolbox(&tools)).await.unwrap_err();
    assert_eq!(error.run().unwrap().status, "expired");
    assert!(entries(&log).is_empty());
}

/// A server that reuses the ids of calls, and a round that another process has resumed.
#[tokio::test]
async fn decision_does_not_apply_to_another_call_with_the_same_id() {
    let expensive = ("call_2", "refund", r#"{"amount": 5000}"#);
    let other_function = ("call_2", "get_weather", WEATHER.2);
    for next in [expensive, other_function] {
        let (server, tools, log, suspended) =
            suspended_run(vec![vec![WEATHER, REFUND], vec![WEATHER, next]]).await;
        server.state.lock().unwrap().submitted_rounds = 1;
        let resume = || server.runs.resume(suspended.clone());
        let allowed = || resume().decide("call_2", Approval::Allow).toolbox(&tools);
        let answered = || resume().answer("call_2", "refunded by hand");
        for error in [
            finish(allowed()).await.unwrap_err(),
            allowed().stream().await.unwrap_err(),
            finish(answered().toolbox(&tools)).await.unwrap_err(),
            answered().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert_eq!(error.run().unwrap().status, "requires_action");
        }
        assert_eq!((server.submissions(), entries(&log).len()), (0, 1));
    }
}

#[tokio::test]
async fn nothing_is_submitted_to_a_run_that_does_not_require_it() {
    let (server, _, _, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    server.state.lock().unwrap().status = Some("expired");
    let resume = || server.runs.resume(suspended.clone()).answer("call_2", "refunded");
    for error in [
        resume().await.unwrap_err(),
        poll_fast(resume()).and_poll().await.unwrap_err(),
        resume().stream().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert_eq!(error.run().unwrap().status, "expired");
    }
    assert_eq!(server.submissions(), 0);
}

#[tokio::test]
async fn rounds_are_counted_across_the_suspension() {
    let rounds = vec![vec![WEATHER], vec![REFUND], vec![WEATHER]];
    let (server, tools, _, suspended) = suspended_run(rounds).await;
    assert_eq!(suspended.rounds, 2);
    let resume = server.runs.resume(suspended).answer("call_2", "refunded");
    let error = finish(resume.toolbox(&tools).max_rounds(2)).await.unwrap_err();
    assert_eq!((error.kind(), server.submissions()), (ErrorKind::Tool, 2));
}

#[tokio::test]
async fn failed_call_after_approval_is_reported() {
    let (server, _, _, suspended) = suspended_run(vec![vec![REFUND]]).await;
    let resume = server.runs.resume(suspended).decide("call_2", Approval::Allow);
    let failed = Arc::new(Mutex::new(None));
    let kind = Arc::clone(&failed);
    let request = resume.toolbox(&Toolbox::new()).on_progress(move |event| {
        if let ToolEvent::Failed { error, .. } = event {
            *kind.lock().unwrap() = Some(error.kind());
        }
    });
    finish(request).await.unwrap();
    assert_eq!(*failed.lock().unwrap(), Some(ToolErrorKind::UnknownTool));
}

#[tokio::test]
async fn suspended_run_is_not_cancelled_on_drop() {
    let server = tool_run([vec![REFUND]]).await;
    let (tools, _) = tools();
    let request = server.create_run(&tools).approve(defer_refunds);
    let run = poll_fast(request).cancel_on_drop(true).and_poll().await.unwrap();
    drop(run);
    let request = server.create_run(&tools).approve(defer_refunds).stream();
    let mut events = request.await.unwrap();
    while events.try_next().await.unwrap().is_some() {}
    drop(events);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(server.cancels(), 0);
}

#[tokio::test]
async fn stream_ends_with_the_suspended_state() {
    let server = tool_run([vec![WEATHER, REFUND]]).await;
    let (tools, log) = tools();
    let request = server.create_run(&tools).approve(defer_refunds);
    let mut events = request.stream().await.unwrap();
    let mut deferred = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        if let ToolStreamEvent::Tool(event @ ToolEvent::Deferred(_)) = event {
            deferred.push(event.call().id.clone());
        }
    }
    assert_eq!(deferred, ["call_2"]);
    assert_eq!((events.end(), events.has_ended()), (Some(StreamEnd::RequiresAction), true));
    let suspended = events.suspended().unwrap();
    assert_eq!((suspended.calls.len(), suspended.outputs.len(), suspended.rounds), (1, 1, 1));
    assert_eq!((entries(&log).len(), server.submissions()), (1, 0));
}

/// Against the real server, over a suspension and a later round.
#[tokio::test]
async fn resumed_stream_has_the_events_of_calls_and_run() {
    let model = Scripted::new([
        Turn::call("get_weather", json!({"city": "Paris"}))
            .and_call("refund", json!({"amount": 7})),
        Turn::call("get_weather", json!({"city": "Oslo"})),
        Turn::text("Done."),
    ]);
    let server = TestServer::with_model(model).await;
    let (tools, log) = tools();
    let mut events =
        server.create_run().toolbox(&tools).approve(defer_refunds).stream().await.unwrap();
    while events.try_next().await.unwrap().is_some() {}
    let suspended = events.suspended().unwrap().clone();
    drop(events);

    let call_id = suspended.calls[0].id.clone();
    let resume = server.runs.resume(suspended).decide(call_id, Approval::Allow);
    let mut events = resume.idle_timeout(None).toolbox(&tools).stream().await.unwrap();
    assert_eq!(events.run().unwrap().status, "requires_action");
    let mut names = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            ToolStreamEvent::Tool(ToolEvent::Started(call)) => names.push(call.name),
            ToolStreamEvent::Run(event) => names.push(event.event().to_owned()),
            _ => {}
        }
    }
    assert_eq!(names[0], "refund");
    assert_eq!(names.last().map(String::as_str), Some("thread.run.completed"));
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_eq!(events.messages().last().unwrap().text(), "Done.");
    let expected = ["get_weather Paris", "refund 7", "get_weather Oslo"];
    assert_eq!(entries(&log), expected);
}

#[tokio::test]
async fn run_created_elsewhere_can_be_suspended() {
    let server = tool_run([vec![REFUND]]).await;
    let (tools, _) = tools();
    let poll = server.runs.poll("run_abc123").interval(std::time::Duration::from_millis(1));
    let run = poll.toolbox(&tools).approve(defer_refunds).await.unwrap();
    assert_eq!(run.into_suspended().unwrap().calls[0].id, "call_2");
}

#[tokio::test]
async fn structured_answer_has_the_suspended_state() {
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Summary {
        #[allow(dead_code)]
        text: String,
    }
    let server = tool_run([vec![REFUND]]).await;
    let (tools, _) = tools();
    let request = server.create_run(&tools).approve(defer_refunds).response_as::<Summary>();
    let answer = poll_fast(request).and_poll().await.unwrap();
    assert_eq!(answer.suspended().unwrap().calls.len(), 1);
    assert_eq!(answer.parse().unwrap_err().kind(), ErrorKind::NoAnswer);
}

/// A call with an output was executed already, or answered by a person.
#[tokio::test]
async fn suspended_run_with_a_call_twice_is_an_error() {
    let (server, tools, log, suspended) = suspended_run(vec![vec![WEATHER, REFUND]]).await;
    let saved = serde_json::to_value(&suspended).unwrap();
    let (call, output) = (&saved["calls"][0], &saved["outputs"][0]);
    let mut call_of_output = call.clone();
    call_of_output["id"] = output["tool_call_id"].clone();
    for (property, more) in [("calls", &call_of_output), ("calls", call), ("outputs", output)] {
        let mut corrupt = saved.clone();
        corrupt[property].as_array_mut().unwrap().push(more.clone());
        let corrupt: SuspendedRun = serde_json::from_value(corrupt).unwrap();
        let resume = || {
            let resume = server.runs.resume(corrupt.clone()).decide("call_2", Approval::Allow);
            resume.decide("call_1", Approval::Allow).toolbox(&tools)
        };
        for error in
            [finish(resume()).await.unwrap_err(), resume().stream().await.map(|_| ()).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains("corrupt"), "{error}");
        }
    }
    assert_eq!(entries(&log), ["get_weather Paris"]);
    assert_eq!(server.submissions(), 0);
}
