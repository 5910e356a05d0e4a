//! Runs on a server with this model.

use std::time::Duration;

use runstep_server::Server;
use serde_json::{Value, json};

use crate::harness::upstream::{
    MockResponse, Upstream, delta_chunk, finish_chunk, hello_response, text_delta, usage_chunk,
};
use crate::harness::{Event, Fixture, event_names, message_text};

/// A fixture on a server whose model uses this provider without retries.
async fn fixture(upstream: &Upstream, functions: &[&str]) -> Fixture {
    Fixture::with_model(upstream.builder().max_retries(0).build().unwrap(), functions).await
}

fn call_chunk(name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    delta_chunk(
        json!({"tool_calls": [{"index": 0, "id": "call_of_provider", "function": function}]}),
    )
}

/// The data of the events with this name.
fn data_of<'a>(events: &'a [Event], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event.name == name).map(|event| &event.data).collect()
}

#[tokio::test]
async fn tool_call_and_its_output_are_sent_to_the_provider() {
    let first = [text_delta("Let me see."), call_chunk("weather", "{\"city\":\"Paris\"}")];
    let first = MockResponse::chunks(
        first.into_iter().chain([finish_chunk("tool_calls"), usage_chunk(20, 8)]),
    );
    let second =
        MockResponse::chunks([text_delta("18 degrees."), finish_chunk("stop"), usage_chunk(40, 4)]);
    let upstream = Upstream::new([first, second]).await;
    let fixture = fixture(&upstream, &["weather"]).await;

    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    let call = &run["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "weather", "arguments": "{\"city\":\"Paris\"}"}));
    let run = fixture.submit_outputs(&run, &["18"]).await;
    let run = fixture.wait_for_run(&run).await;
    assert_eq!(run["status"], "completed");
    let expected = json!({"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72});
    assert_eq!(run["usage"], expected);
    assert_eq!(fixture.message_texts().await, ["Hello there", "Let me see.", "18 degrees."]);

    let sent = upstream.requests().pop().unwrap().body;
    insta::assert_json_snapshot!(sent["messages"], {
        "[1].tool_calls[0].id" => "[call]",
        "[2].tool_call_id" => "[call]",
    });
    assert_eq!(sent["messages"][1]["tool_calls"][0]["id"], sent["messages"][2]["tool_call_id"]);
}

#[tokio::test]
async fn provider_text_is_streamed() {
    let upstream = Upstream::new([hello_response()]).await;
    let events = fixture(&upstream, &[]).await.stream_run(json!({})).await;
    let deltas = data_of(&events, "thread.message.delta");
    let values = deltas.iter().map(|delta| &delta["delta"]["content"][0]["text"]["value"]);
    assert_eq!(values.collect::<Vec<_>>(), ["Hello ", "there."]);
    assert_eq!(event_names(&events).last(), Some(&"done"));
}

#[tokio::test]
async fn refusal_is_a_separate_content_part() {
    let refusal = |text: &str| delta_chunk(json!({"refusal": text}));
    let chunks = [
        text_delta("Well. "),
        text_delta("No."),
        refusal("I "),
        refusal("can't."),
        finish_chunk("stop"),
    ];
    let upstream = Upstream::new([MockResponse::chunks(chunks)]).await;
    let fixture = fixture(&upstream, &[]).await;
    let events = fixture.stream_run(json!({})).await;
    let deltas = data_of(&events, "thread.message.delta");
    let parts = deltas.iter().map(|delta| delta["delta"]["content"][0].clone());
    insta::assert_json_snapshot!(parts.collect::<Vec<_>>());
    let completed = data_of(&events, "thread.message.completed");
    insta::assert_json_snapshot!(completed[0]["content"]);
}

#[tokio::test]
async fn truncated_output_leaves_the_run_incomplete() {
    let cases = [
        ("length", json!({"reason": "max_completion_tokens"}), "max_tokens"),
        // The API does not have this reason for runs.
        ("content_filter", json!({}), "content_filter"),
    ];
    for (reason, run_details, message_reason) in cases {
        let upstream =
            Upstream::new([MockResponse::chunks([text_delta("Hel"), finish_chunk(reason)])]).await;
        let fixture = fixture(&upstream, &[]).await;
        let events = fixture.stream_run(json!({})).await;
        let run = data_of(&events, "thread.run.incomplete")[0];
        assert_eq!(run["incomplete_details"], run_details, "{reason}");
        let message = data_of(&events, "thread.message.incomplete")[0];
        assert_eq!(message["incomplete_details"]["reason"], message_reason);
        assert_eq!(message_text(message), "Hel");
    }
    let chunks = [call_chunk("weather", "{\"ci"), finish_chunk("content_filter")];
    let upstream = Upstream::new([MockResponse::chunks(chunks)]).await;
    let fixture = fixture(&upstream, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "incomplete");
    let step = fixture.list_steps(&run).await.remove(0);
    let message = "The arguments were cut off by the model's content filter.";
    assert_eq!(
        (&step["status"], &step["last_error"]["message"]),
        (&json!("failed"), &json!(message))
    );
}

#[tokio::test]
async fn provider_failure_becomes_the_last_error() {
    let error = |message: &str| json!({"error": {"message": message}});
    let cases = [
        (429, error("Slow down"), "rate_limit_exceeded"),
        (400, error("The context length is 4096 tokens"), "invalid_prompt"),
        (500, error("boom"), "server_error"),
    ];
    for (status, body, code) in cases {
        let upstream = Upstream::new([MockResponse::json(status, &body)]).await;
        let run = fixture(&upstream, &[]).await.create_run_and_wait(json!({})).await;
        assert_eq!((&run["status"], &run["last_error"]["code"]), (&json!("failed"), &json!(code)));
        let message = run["last_error"]["message"].as_str().unwrap();
        assert!(message.contains(body["error"]["message"].as_str().unwrap()), "{message}");
    }
}

#[tokio::test]
async fn call_of_a_function_that_was_not_offered_fails_the_run() {
    let upstream = Upstream::new([MockResponse::chunks([
        call_chunk("other", "{}"),
        finish_chunk("tool_calls"),
    ])])
    .await;
    let run = fixture(&upstream, &["weather"]).await.create_run_and_wait(json!({})).await;
    assert_eq!(run["last_error"]["code"], "server_error");
}

#[tokio::test]
async fn cancel_and_expiry_abort_the_provider_request() {
    for status in ["cancelled", "expired"] {
        let mut upstream =
            Upstream::new([MockResponse::stream().chunk(text_delta("Hi")).hang()]).await;
        let lifetime = Duration::from_secs(if status == "expired" { 2 } else { 600 });
        let builder = Server::builder().model(upstream.model()).run_lifetime(lifetime);
        let fixture = Fixture::from_builder(builder, &[]).await;
        let mut events = fixture.open_run_stream(json!({})).await;
        events.read_until("thread.message.delta").await;
        if status == "cancelled" {
            let run = fixture.newest_run().await;
            fixture.cancel_run(&run).await.ok();
        }
        upstream.wait_for_disconnect().await;
        let names: Vec<String> =
            events.read_to_end().await.into_iter().map(|event| event.name).collect();
        assert!(names.contains(&format!("thread.run.{status}")), "{names:?}");
    }
}

#[tokio::test]
async fn image_urls_are_sent_to_the_provider() {
    let upstream = Upstream::new([hello_response()]).await;
    let fixture = fixture(&upstream, &[]).await;
    let image = json!({"url": "https://example.com/a.png", "detail": "low"});
    let content = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": image},
    ]);
    let message = fixture.add_message(content.clone()).await;
    assert_eq!(message["content"][1]["image_url"], image);
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    let sent = upstream.requests().remove(0).body;
    assert_eq!(sent["messages"][1], json!({"role": "user", "content": content}));
    // This server does not support files.
    let file = json!([{"type": "image_file", "image_file": {"file_id": "file_1"}}]);
    let response = fixture.try_add_message(file).await;
    assert_eq!(response.expect_error(400)["param"], "content[0].type");
}

#[tokio::test]
async fn run_settings_are_sent_to_the_provider() {
    let upstream = Upstream::new([hello_response()]).await;
    let fixture = fixture(&upstream, &["weather"]).await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let settings = json!({
        "model": "gpt-4o",
        "instructions": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 256,
        "parallel_tool_calls": false,
        "tool_choice": "required",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "shape", "description": "A shape", "schema": schema, "strict": true}},
    });
    fixture.create_run_and_wait(settings).await;
    insta::assert_json_snapshot!(upstream.requests().remove(0).body);
}

#[tokio::test]
async fn run_with_a_cut_off_call_fails_with_the_known_usage() {
    let cut = [call_chunk("weather", "{\"ci"), usage_chunk(20, 8)];
    let upstream = Upstream::new([MockResponse::chunks(cut)]).await;
    let fixture = fixture(&upstream, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["required_action"], Value::Null);
    let message =
        "The model's provider ended its response within the arguments of the function 'weather'.";
    assert_eq!(run["last_error"], json!({"code": "server_error", "message": message}));
    let expected = json!({"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28});
    assert_eq!(run["usage"], expected);
    let steps = fixture.list_steps(&run).await;
    assert_eq!(steps[0]["status"], "failed");
    assert_eq!(steps[0]["usage"], expected);
}

#[tokio::test]
async fn run_with_an_empty_response_fails() {
    let upstream =
        Upstream::new([MockResponse::chunks([finish_chunk("stop"), usage_chunk(9, 0)])]).await;
    let fixture = fixture(&upstream, &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["last_error"]["code"], "server_error");
    assert_eq!(run["last_error"]["message"], "The model's provider returned an empty response.");
    assert_eq!(run["usage"]["prompt_tokens"], 9);
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
}
