//! Earlier runs of a thread in later requests.

use runstep_server::{History, Server};
use serde_json::{Value, json};

use super::provider::{Events, assert_snapshot, builder, fixture, normalized};
use crate::harness::upstream::{MockResponse, Upstream};
use crate::harness::{Fixture, TestClient, function_tool};

fn tools() -> Value {
    json!({"tools": [{"type": "code_interpreter"}, function_tool("weather")]})
}

/// The responses of a run that computes and calls a function, and of a second run.
fn responses() -> [MockResponse; 3] {
    let first = Events::new()
        .reasoning("secret")
        .code("print(6 * 7)", json!([{"type": "logs", "logs": "42"}]))
        .text("Let me see.")
        .function("weather", "{}")
        .complete();
    let second = Events::new().text("18 degrees.").complete();
    [first, second, Events::new().text("Yes.").complete()]
}

/// Executes both runs; returns the input of the last request.
async fn input_of_second_run(fixture: &Fixture, upstream: &Upstream) -> Value {
    let run = fixture.create_run_and_wait(json!({})).await;
    let run = fixture.submit_outputs(&run, &["18"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    fixture.add_message("Really?").await;
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    upstream.requests().pop().unwrap().body["input"].clone()
}

#[tokio::test]
async fn calls_of_earlier_runs_are_in_their_places() {
    let upstream = Upstream::new(responses()).await;
    let fixture = fixture(&upstream, tools()).await;
    let input = input_of_second_run(&fixture, &upstream).await;
    assert_snapshot("input_of_second_run", &normalized(input));
}

#[tokio::test]
async fn history_can_be_messages_only() {
    let upstream = Upstream::new(responses()).await;
    let model = builder(&upstream).build().unwrap();
    let server = Server::builder().model(model).history(History::MessagesOnly);
    let client = TestClient::from_builder(server);
    let assistant = client.create_assistant(tools()).await;
    let thread = client.create_thread("Hello there").await;
    let fixture = Fixture { client, assistant, thread };
    let input = input_of_second_run(&fixture, &upstream).await;
    let roles =
        input.as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap_or("none"));
    let roles: Vec<&str> = roles.collect();
    assert_eq!(roles, ["user", "assistant", "assistant", "user"]);
}

#[tokio::test]
async fn rejected_reasoning_of_earlier_runs_is_omitted() {
    let [first, second, third] = responses();
    let error = json!({"error": {"message": "The encrypted content could not be verified."}});
    let script = [first, second, MockResponse::json(400, &error), third];
    let upstream = Upstream::new(script).await;
    let fixture = fixture(&upstream, tools()).await;
    let input = input_of_second_run(&fixture, &upstream).await;
    let kinds = input.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap());
    let expected =
        ["message", "message", "function_call", "function_call_output", "message", "message"];
    assert_eq!(kinds.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn truncation_never_separates_outputs_from_their_calls() {
    let long = "word ".repeat(2000);
    let call = Events::new().text("Let me see.").function("weather", "{}").complete();
    let second = Events::new().text("18 degrees.").complete();
    let script = [call, second, Events::new().text("Yes.").complete()];
    let upstream = Upstream::new(script).await;
    let model = builder(&upstream).build().unwrap();
    // The output of the call fits, and the call with its message does not.
    let server = Server::builder().model(model).max_context_tokens(2600);
    let client = TestClient::from_builder(server);
    let assistant = client.create_assistant(tools()).await;
    let thread = client.create_thread("Hello there").await;
    let fixture = Fixture { client, assistant, thread };
    let run = fixture.create_run_and_wait(json!({})).await;
    let run = fixture.submit_outputs(&run, &[&long]).await;
    fixture.wait_for_run(&run).await;
    fixture.add_message("Really?").await;
    fixture.create_run_and_wait(json!({"instructions": "x".repeat(380)})).await;
    let input = upstream.requests().pop().unwrap().body["input"].clone();
    let items = input.as_array().unwrap();
    let position = |kind: &str| items.iter().position(|item| item["type"] == kind);
    let (call, output) = (position("function_call"), position("function_call_output"));
    assert_eq!(call.is_some(), output.is_some(), "{input}");
    assert!(call <= output, "{input}");
    assert_eq!(items.last().unwrap()["content"][0]["text"], "Really?");
}

#[tokio::test]
async fn truncation_keeps_the_first_message_and_the_newest() {
    let upstream = Upstream::new([Events::new().text("Yes.").complete()]).await;
    let model = builder(&upstream).build().unwrap();
    let client = TestClient::from_builder(Server::builder().model(model).max_context_tokens(100));
    let assistant = client.create_assistant(json!({})).await;
    let thread = client.create_thread("Hello there").await;
    let fixture = Fixture { client, assistant, thread };
    // Each has 40 tokens, so two of them fit.
    for number in 1..=5 {
        fixture.add_message(format!("{number} {}", "x".repeat(158))).await;
    }
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    let input = upstream.requests().pop().unwrap().body["input"].clone();
    let texts = input.as_array().unwrap().iter().map(|item| {
        let text = item["content"][0]["text"].as_str().unwrap();
        text.split(' ').next().unwrap()
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["Hello", "4", "5"]);
}
