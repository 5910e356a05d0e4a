//! Code as applications write it: it compiles, and its futures can be spawned.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use runstep::tools::{Approval, PendingCall, SuspendedRun, Toolbox};
use runstep::types::{FunctionDefinition, FunctionTool};
use runstep::{Client, Error, Field, Result, RunStream, Runs};
use runstep_server::model::{Scripted, Turn};
use serde_json::json;

use crate::harness::TestServer;

const MINUTE: Duration = Duration::from_secs(60);

fn tools() -> Toolbox {
    Toolbox::new().function("get_weather", || async { "18 degrees" })
}

/// A server whose model calls a function and then generates a message, twice.
async fn server() -> TestServer {
    let call = || Turn::call("get_weather", json!({}));
    TestServer::with_turns([call(), Turn::text("Sunny."), call(), Turn::text("Rainy.")]).await
}

#[tokio::test]
async fn options_have_any_order_and_mean_the_same_for_every_verb() {
    let server = server().await;
    let (runs, assistant, tools) = (&server.runs, &server.assistant_id, tools());
    let polled = runs.create(assistant).toolbox(&tools).model("scripted").deadline(MINUTE);
    assert_eq!(polled.cancel_on_drop(true).and_poll().await.unwrap().status, "completed");
    let streamed = runs.create(assistant).deadline(MINUTE).idle_timeout(MINUTE).toolbox(&tools);
    let mut events = streamed.metadata_entry("shift", "7").stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn outputs_of_a_caller_are_followed_by_those_of_a_toolbox() {
    let server = server().await;
    let run = server.create_run().and_poll().await.unwrap();
    let submit = server.runs.submit_tool_outputs(&run.id);
    let submit = submit.output(&run.function_calls()[0].id, "18 degrees").toolbox(&tools());
    let text: Vec<String> =
        submit.stream().await.unwrap().into_text_deltas().try_collect().await.unwrap();
    assert_eq!(text.concat(), "Sunny.");
}

/// A value, an option, or an explicit null.
#[tokio::test]
async fn setters_take_options_and_nulls() {
    let server = crate::harness::RecordingServer::with_json(crate::harness::example("Run")).await;
    let create = |instructions: Option<String>| {
        let create = server.client().runs("thread_1").create("asst_1").instructions(instructions);
        create.model(Some("m")).temperature(None::<f64>).response_format(Field::Null)
    };
    create(Some("Be brief.".to_owned())).await.unwrap();
    create(None).toolbox(&tools()).and_poll().await.unwrap();
    let requests = server.requests();
    let body = |number: usize| String::from_utf8(requests[number].body.to_vec()).unwrap();
    let expected = r#"{"assistant_id":"asst_1","instructions":"Be brief.","model":"m","response_format":null}"#;
    let sorted = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(sorted(&body(0)), sorted(expected));
    assert!(!body(1).contains("instructions"), "{}", body(1));
}

/// A tenant's key, another HTTP client, and another endpoint of the same host.
#[tokio::test]
async fn application_brings_its_http_client_and_its_tenants() {
    let file = json!({"id": "file_1", "bytes": 7});
    let server = crate::harness::RecordingServer::with_json(file).await;
    let http = runstep::reqwest::Client::new();
    let client = Client::builder(server.base_url()).http_client(http).build().unwrap();
    let tenant = client.with_api_key("key-of-a-tenant");
    let file = tenant.request(runstep::reqwest::Method::GET, "/files/file_1").await.unwrap();
    assert_eq!(file["bytes"], 7);
    assert_eq!(server.only_request().header("authorization"), Some("Bearer key-of-a-tenant"));
}

fn text_of(events: RunStream) -> impl Stream<Item = Result<String>> + Send + 'static {
    events.into_text_deltas()
}

/// One process starts a run and saves its position; another attaches to it.
#[tokio::test]
async fn another_process_attaches_to_a_run() {
    let server = TestServer::with_turns([Turn::text("Sunny.")]).await;
    let mut events = server.create_run().stream().await.unwrap();
    events.try_next().await.unwrap();
    let position = events.last_event_id().map(str::to_owned);
    let run_id = events.run().unwrap().id.clone();
    drop(events);
    let request = server.runs.stream(run_id).last_event_id(position.unwrap_or_default());
    let text: String = text_of(request.await.unwrap()).map(|piece| piece.unwrap()).collect().await;
    assert_eq!(text, "Sunny.");
}

/// A handler of a web framework: its future is spawned, and it uses `?` with its own errors.
async fn answer(
    runs: Runs,
    assistant_id: String,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let events = runs.create(assistant_id).toolbox(&tools()).stream().await?;
    let text: Vec<String> = events.into_text_deltas().try_collect().await?;
    Ok(text.concat())
}

#[tokio::test]
async fn futures_of_handlers_can_be_spawned() {
    let server = server().await;
    let task = tokio::spawn(answer(server.runs.clone(), server.assistant_id.clone()));
    assert_eq!(task.await.unwrap().unwrap(), "Sunny.");
}

/// A person approves the call an hour later, in another process.
#[tokio::test]
async fn person_approves_a_call_later() {
    let server = TestServer::with_model(Scripted::new([
        Turn::call("refund", json!({"amount": 7})),
        Turn::text("Done."),
    ]))
    .await;
    let declared = FunctionDefinition::new("refund").parameters(
        json!({"type": "object", "properties": {"amount": {"type": "integer"}}})
            .as_object()
            .unwrap()
            .clone(),
    );
    let tools = tools().tool(FunctionTool::new(declared));
    let approve = |call: PendingCall| async move {
        if call.name == "refund" { Approval::Defer } else { Approval::Allow }
    };
    let request = server.create_run().toolbox(&tools).approve(approve);
    let suspended = request.and_poll().await.unwrap().into_suspended().unwrap();
    let saved = serde_json::to_string(&suspended).unwrap();

    let suspended: SuspendedRun = serde_json::from_str(&saved).unwrap();
    let call_id = suspended.calls[0].id.clone();
    let resume = server.runs.resume(suspended).answer(call_id, "approved").toolbox(&tools);
    let mut events = resume.stream().await.unwrap();
    while let Some(_event) = events.try_next().await.unwrap() {}
    assert_eq!(events.run().unwrap().status, "completed");
}

/// Names of results and errors as signatures of applications use them.
#[test]
fn results_have_any_error_type() {
    fn parse(text: &str) -> Result<u8, std::num::ParseIntError> {
        text.parse()
    }
    fn fail() -> Result<(), Error> {
        Ok(())
    }
    assert!(parse("7").is_ok() && fail().is_ok());
}
