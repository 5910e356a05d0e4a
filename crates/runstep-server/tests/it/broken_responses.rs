//! Empty and broken responses of both kinds of providers: the run fails or is incomplete, says what
//! came, and never requires action.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use runstep_server::Server;
use runstep_server::model::Responses;
use serde_json::{Value, json};

use crate::harness::upstream::{
    MockResponse, Upstream, delta_chunk, finish_chunk, text_delta, usage_chunk,
};
use crate::harness::{Fixture, TestClient, function_tool};

/// A stream of chat completion chunks, which ends with usage and `[DONE]`.
fn chat(chunks: impl IntoIterator<Item = Value>) -> MockResponse {
    MockResponse::chunks(chunks.into_iter().chain([usage_chunk(20, 8)]))
}

/// The same without the end.
fn open_chat(chunks: impl IntoIterator<Item = Value>) -> MockResponse {
    let chunks = [usage_chunk(20, 8)].into_iter().chain(chunks);
    chunks.fold(MockResponse::stream(), MockResponse::chunk)
}

fn chat_call(arguments: &str) -> Value {
    let function = json!({"name": "weather", "arguments": arguments});
    delta_chunk(json!({"tool_calls": [{"index": 0, "id": "a", "function": function}]}))
}

/// The events of a response up to its end.
fn open_events(events: impl IntoIterator<Item = Value>) -> MockResponse {
    events.into_iter().fold(MockResponse::stream(), |stream, event| {
        stream.text(&format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
    })
}

/// A response with these items, each of which is only in the last event.
fn whole(status: &str, output: &Value) -> Value {
    json!({"type": format!("response.{status}"), "response": {"status": status, "output": output,
        "usage": {"input_tokens": 20, "output_tokens": 8}}})
}

fn item(item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": 0, "item": item})
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "m", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn call(arguments: &str) -> Value {
    json!({"type": "function_call", "id": "f", "call_id": "c", "name": "weather",
        "arguments": arguments})
}

fn arguments(delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": delta})
}

fn text(delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0,
        "delta": delta})
}

/// Executes a run with this response of a provider. Returns the run.
async fn run_with(response: MockResponse, is_chat: bool, timeout: Duration) -> Value {
    let upstream = Upstream::new([response]).await;
    let builder = if is_chat {
        let model = upstream.builder().max_retries(0).idle_timeout(timeout).build().unwrap();
        Server::builder().model(model)
    } else {
        let zero = Duration::ZERO;
        let model = Responses::builder(upstream.url()).backoff(zero, zero).max_retries(0);
        Server::builder().model(model.idle_timeout(timeout).build().unwrap())
    };
    let client = TestClient::from_builder(builder);
    let assistant = client.create_assistant(json!({"tools": [function_tool("weather")]})).await;
    let thread = client.create_thread("Hello there").await;
    Fixture { client, assistant, thread }.create_run_and_wait(json!({})).await
}

fn pings(mut response: MockResponse, ping: &str) -> MockResponse {
    for _ in 0..400 {
        response = response.wait(Duration::from_millis(20)).text(ping);
    }
    response.hang()
}

#[tokio::test]
async fn empty_and_broken_responses_end_the_run_with_what_came() {
    let reasoning = json!({"type": "reasoning", "id": "r", "summary": []});
    let unlisted = json!({"type": "web_search_call", "id": "w", "status": "completed"});
    let thinking = delta_chunk(json!({"reasoning_content": "hm"}));
    let old = delta_chunk(json!({"function_call": {"name": "weather", "arguments": "{}"}}));
    let half = "{\"city\":\"Pa";
    let cases: [(&str, [Option<MockResponse>; 2]); 14] = [
        (
            "empty answer",
            [
                Some(chat([text_delta(""), finish_chunk("stop")])),
                Some(open_events([whole("completed", &json!([message("")]))]).end()),
            ],
        ),
        (
            "no output",
            [
                Some(chat([finish_chunk("stop")])),
                Some(open_events([whole("completed", &json!([]))]).end()),
            ],
        ),
        (
            "only items without a counterpart",
            [None, Some(open_events([whole("completed", &json!([unlisted]))]).end())],
        ),
        (
            "only reasoning",
            [
                Some(chat([thinking.clone(), finish_chunk("stop")])),
                Some(open_events([whole("completed", &json!([reasoning]))]).end()),
            ],
        ),
        (
            "reasoning up to the token limit",
            [
                Some(chat([thinking, finish_chunk("length")])),
                Some(open_events([whole("incomplete", &json!([reasoning]))]).end()),
            ],
        ),
        (
            "call cut by [DONE]",
            [
                Some(open_chat([chat_call(half)]).done()),
                Some(open_events([item(call("")), arguments(half)]).done()),
            ],
        ),
        (
            "call cut by the end of the stream",
            [
                Some(open_chat([chat_call(half)]).end()),
                Some(open_events([item(call("")), arguments(half)]).end()),
            ],
        ),
        (
            "call cut by the end of the connection",
            [
                Some(open_chat([chat_call(half)])),
                Some(open_events([item(call("")), arguments(half)])),
            ],
        ),
        (
            "call cut, and reported as complete",
            [
                Some(chat([chat_call(half), finish_chunk("tool_calls")])),
                Some(open_events([whole("completed", &json!([call(half)]))]).end()),
            ],
        ),
        (
            "call cut by the token limit",
            [
                Some(chat([chat_call(half), finish_chunk("length")])),
                Some(open_events([whole("incomplete", &json!([call(half)]))]).end()),
            ],
        ),
        ("announced calls", [Some(chat([finish_chunk("tool_calls")])), None]),
        ("obsolete call", [Some(chat([old, finish_chunk("function_call")])), None]),
        (
            "call of a function without a name",
            [
                Some(chat([
                    delta_chunk(json!({"tool_calls": [{"index": 0,
                        "function": {"arguments": "{}"}}]})),
                    finish_chunk("tool_calls"),
                ])),
                Some(
                    open_events([whole(
                        "completed",
                        &json!([{"type": "function_call", "arguments": "{}"}]),
                    )])
                    .end(),
                ),
            ],
        ),
        (
            "text cut by the end of the connection",
            [Some(open_chat([text_delta("Hel")])), Some(open_events([text("Hel")]))],
        ),
    ];
    let mut report = String::new();
    for (name, responses) in cases {
        writeln!(report, "{name}").unwrap();
        for (response, api) in responses.into_iter().zip(["chat completions", "responses"]) {
            let Some(response) = response else { continue };
            let run = run_with(response, api == "chat completions", Duration::from_secs(60)).await;
            let status = run["status"].as_str().unwrap();
            assert!(["failed", "incomplete"].contains(&status), "{name}, {api}: {run}");
            assert_eq!(run["required_action"], Value::Null, "{name}, {api}");
            let cause = match status {
                "failed" => &run["last_error"]["message"],
                _ => &run["incomplete_details"]["reason"],
            };
            let usage = &run["usage"]["total_tokens"];
            writeln!(report, "  {api}: {status}, {usage} tokens, {cause}").unwrap();
        }
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn provider_that_only_pings_ends_the_run() {
    let progress = "event: response.in_progress\ndata: {\"type\":\"response.in_progress\"}\n\n";
    let cases = [
        (MockResponse::stream(), ": ping\n\n", true),
        (open_chat([text_delta("Hel")]), "data: {\"choices\":[]}\n\n", true),
        (MockResponse::stream(), ": ping\n\n", false),
        (open_events([text("Hel")]), progress, false),
    ];
    let timeout = Duration::from_secs(1);
    let runs =
        cases.map(|(response, ping, is_chat)| run_with(pings(response, ping), is_chat, timeout));
    for run in join_all(runs).await {
        assert_eq!(run["status"], "failed", "{run}");
        assert_eq!(run["last_error"]["code"], "server_error");
        // The other message is that of a machine that was too busy to send a ping in time.
        let message = run["last_error"]["message"].as_str().unwrap();
        let is_stalled = message.contains("only signs of life") || message.contains("sent nothing");
        assert!(is_stalled, "{message}");
    }
}
