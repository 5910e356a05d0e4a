//! Toolboxes and answer types for runs that exist already: outputs of the caller, then of the toolbox.

use runstep::SubmitToolOutputs;
use runstep::tools::{ToolRun, Toolbox};
use runstep_server::model::Turn;
use serde_json::json;

use super::{PARIS, is_cancelled, never_finishing_weather_tools, weather_tools};
use crate::harness::{
    TestServer, ToolCall, ToolRunServer, default_response, event_response, is_submission,
    json_response, poll_fast, tool_run, tool_run_with,
};

const FIRST: ToolCall = ("call_1", "get_weather", PARIS);
const SECOND: ToolCall = ("call_2", "get_weather", PARIS);

/// Submits the caller's output of the first call.
fn submit(server: &ToolRunServer) -> SubmitToolOutputs {
    server.runs.submit_tool_outputs("run_abc123").output("call_1", "from the caller")
}

async fn poll(server: &ToolRunServer, tools: &Toolbox) -> runstep::Result<ToolRun> {
    poll_fast(submit(server)).toolbox(tools).and_poll().await
}

fn assert_outputs(server: &ToolRunServer) {
    let bodies = server.submitted_bodies();
    let place = |text: &str| bodies.find(text).unwrap_or_else(|| panic!("no {text} in {bodies}"));
    assert!(place("from the caller") < place("call_2"), "{bodies}");
    assert_eq!(server.submissions(), 2, "{bodies}");
}

#[tokio::test]
async fn toolbox_executes_the_rounds_after_submitted_outputs() {
    let server = tool_run([vec![FIRST], vec![SECOND]]).await;
    let run = poll(&server, &weather_tools()).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_outputs(&server);
}

#[tokio::test]
async fn toolbox_executes_the_rounds_after_submitted_outputs_on_a_stream() {
    let server = tool_run([vec![FIRST], vec![SECOND]]).await;
    let request = submit(&server).toolbox(&weather_tools());
    let run = request.stream().await.unwrap().final_run().await.unwrap();
    assert_eq!(run.status, "completed");
    assert_outputs(&server);
}

/// Responses after the submission still require the submitted call, which the caller has answered.
#[tokio::test]
async fn answered_call_is_not_executed_if_the_run_is_stale() {
    let server = tool_run_with([vec![FIRST], vec![SECOND]], |request, state| {
        if is_submission(request) && state.submitted_rounds == 0 {
            let stale = state.run();
            state.submitted_rounds += 1;
            state.lifetime = 601; // the next poll is stale, too
            return Some(json_response(&stale));
        }
        if request.method == "GET" && state.lifetime == 601 && !request.path().contains("/steps") {
            state.lifetime = 600;
            state.submitted_rounds -= 1;
            let response = default_response(request, state);
            state.submitted_rounds += 1;
            return Some(response);
        }
        None
    })
    .await;
    assert_eq!(poll(&server, &weather_tools()).await.unwrap().status, "completed");
    assert_outputs(&server);
}

/// The fields and options of the submission are sent as the caller has set them.
#[tokio::test]
async fn options_of_the_submission_are_kept() {
    let server = tool_run([vec![FIRST]]).await;
    let request = submit(&server).toolbox(&weather_tools()).extra("color", "red");
    let request = poll_fast(request.header("idempotency-key", "submission"));
    assert_eq!(request.and_poll().await.unwrap().status, "completed");
    let requests = server.http.requests();
    let submission = requests.iter().find(|request| is_submission(request)).unwrap();
    assert_eq!(submission.header("idempotency-key"), Some("submission"));
    assert!(String::from_utf8_lossy(&submission.body).contains("\"color\":\"red\""));
}

#[tokio::test]
async fn deadline_during_calls_of_a_stream_cancels_the_run_if_configured() {
    for cancel in [false, true] {
        let server = tool_run_with([vec![FIRST]], |request, state| {
            let is_create = request.path().ends_with("/runs");
            is_create.then(|| event_response(&state.run(), &state.run()))
        })
        .await;
        let (tools, token) = never_finishing_weather_tools();
        let request = server.create_run(&tools).deadline(std::time::Duration::from_millis(200));
        let mut events = request.cancel_on_deadline(cancel).stream().await.unwrap();
        let error = events.final_run().await.unwrap_err();
        assert!(error.is_deadline(), "{error}");
        assert_eq!(error.run().unwrap().id, "run_abc123");
        assert!(is_cancelled(&token) && events.has_ended());
        assert_eq!((server.submissions(), server.cancels()), (0, usize::from(cancel)));
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Answer {
    degrees: i32,
}

/// A run that was created elsewhere is followed to its answer, by polling and as a stream.
#[tokio::test]
async fn existing_runs_have_typed_answers() {
    let tools = || Toolbox::new().function("get_weather", || async { "18 degrees" });
    let turns = || [Turn::call("get_weather", json!({})), Turn::text(r#"{"degrees": 18}"#)];
    let server = TestServer::with_turns(turns()).await;
    let created = server.create_run().await.unwrap();
    let request = server.runs.poll(&created.id).response_as::<Answer>().toolbox(&tools());
    assert_eq!(request.await.unwrap().parse().unwrap().degrees, 18);

    let server = TestServer::with_turns(turns()).await;
    let created = server.create_run().await.unwrap();
    let request = server.runs.stream(&created.id).toolbox(&tools()).response_as::<Answer>();
    let mut events = request.await.unwrap();
    assert_eq!(events.answer().await.unwrap().parse().unwrap().degrees, 18);
}

/// A person answers the call of a run whose answer is typed.
#[tokio::test]
async fn resumed_runs_have_typed_answers() {
    let server = TestServer::with_turns([
        Turn::call("get_weather", json!({})),
        Turn::text(r#"{"degrees": 18}"#),
    ])
    .await;
    let tools = Toolbox::new().tool(crate::harness::function_tool("get_weather"));
    let suspended = server.create_run().response_as::<Answer>().toolbox(&tools).and_poll().await;
    let suspended = suspended.unwrap().suspended().unwrap().clone();
    let call_id = suspended.calls[0].id.clone();
    let resume = server.runs.resume(suspended).response_as::<Answer>().answer(call_id, "18");
    assert_eq!(resume.and_poll().await.unwrap().parse().unwrap().degrees, 18);
}
