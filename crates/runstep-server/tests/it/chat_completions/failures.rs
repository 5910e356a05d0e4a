//! Failures of the provider: their kind and message, which never contains the key.

use std::fmt::Write as _;
use std::time::Duration;

use runstep_server::model::{ChatCompletions, ModelError, ModelErrorKind};
use serde_json::{Value, json};

use crate::harness::upstream::{
    MockResponse, Upstream, collect_response, delta_chunk, finish_chunk, model_events, text_delta,
    text_event, usage_chunk, usage_event,
};

/// The error that ends the model's stream.
async fn failure(response: MockResponse) -> ModelError {
    model_events(response).await.pop().unwrap().unwrap_err()
}

fn error(message: &str, kind: &str, code: Value) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// A provider may repeat parts of the key in its message.
#[tokio::test]
async fn provider_message_about_a_rejected_key_is_not_quoted() {
    let message = "Incorrect API key provided: sk-ab***yz";
    let invalid = error(message, "invalid_request_error", json!("invalid_api_key"));
    let responses = [
        MockResponse::json(400, &invalid),
        MockResponse::json(200, &invalid),
        MockResponse::chunks([invalid]),
        MockResponse::chunks([error(message, "authentication_error", json!(null))]),
        MockResponse::chunks([error(message, "error", json!(401))]),
        MockResponse::chunks([error(message, "error", json!("403"))]),
    ];
    for response in responses {
        let case = format!("{response:?}");
        let ModelError { kind, message, .. } = failure(response).await;
        assert_eq!(kind, ModelErrorKind::Server, "{case}");
        let expected = "The model's provider rejected the key of this server";
        assert!(message.starts_with(expected) && !message.contains("sk-"), "{case}: {message}");
    }
}

#[tokio::test]
async fn error_responses_map_to_error_kinds() {
    let too_long = "This model's maximum context length is 4096 tokens.";
    let invalid = "invalid_request_error";
    let cases = [
        (429, error("Slow down", "requests", json!("rate_limit_exceeded"))),
        (429, error("You exceeded your quota", "insufficient_quota", json!("insufficient_quota"))),
        (403, error("Quota used up", "insufficient_quota", json!(null))),
        (400, error(too_long, invalid, json!("context_length_exceeded"))),
        (400, error(too_long, "BadRequestError", json!(400))),
        (400, json!({"object": "error", "message": too_long, "code": 400})),
        (
            400,
            error(
                "the request exceeds the available context size",
                "exceed_context_size_error",
                json!(400),
            ),
        ),
        (400, error("filtered", invalid, json!("content_filter"))),
        (
            400,
            json!({"error": {"message": "Invalid 'messages[0].content'", "param": "messages[0].content"}}),
        ),
        (413, json!({"detail": "too big"})),
        (
            400,
            error("Unsupported parameter: 'max_tokens'", invalid, json!("unsupported_parameter")),
        ),
        (404, json!({"error": "model 'x' not found, try pulling it first"})),
        (401, error("Incorrect API key provided: sk-ab***yz", invalid, json!("invalid_api_key"))),
        (422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]})),
        (500, error("boom", "server_error", json!(null))),
        (307, json!({})),
    ];
    let mut report = String::new();
    for (status, body) in cases {
        let ModelError { kind, message, .. } = failure(MockResponse::json(status, &body)).await;
        writeln!(report, "{kind:?}: {message}").unwrap();
    }
    let html = MockResponse::status(502, "content-type: text/html\r\n", "<html>Bad gateway</html>");
    let ModelError { kind, message, .. } = failure(html).await;
    writeln!(report, "{kind:?}: {message}").unwrap();
    let plain_text = MockResponse::status(503, "", "no healthy upstream");
    let ModelError { kind, message, .. } = failure(plain_text).await;
    writeln!(report, "{kind:?}: {message}").unwrap();
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn errors_within_the_stream_end_it() {
    let chunk = |error| json!({"error": error});
    let cases = [
        chunk(json!({"message": "Overloaded", "code": 502})),
        chunk(json!({"message": "Slow down", "code": 429})),
        chunk(json!({"message": "Slow down", "type": "rate_limit_error"})),
        chunk(json!({"message": "Too long", "code": "context_length_exceeded"})),
        chunk(json!("boom")),
        chunk(json!({})),
    ];
    let mut report = String::new();
    for chunk in cases {
        let events =
            model_events(MockResponse::stream().chunk(text_delta("Hi")).chunk(chunk).done()).await;
        let [Ok(first), Err(error)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*first, text_event("Hi"));
        writeln!(report, "{:?}: {}", error.kind, error.message).unwrap();
    }
    let named_event =
        MockResponse::stream().text("event: error\ndata: {\"message\":\"boom\"}\n\n").end();
    writeln!(report, "{}", failure(named_event).await.message).unwrap();
    let finish_reason = MockResponse::chunks([text_delta("Hi"), finish_chunk("error")]);
    writeln!(report, "{}", failure(finish_reason).await.message).unwrap();
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn truncated_and_malformed_responses_are_errors() {
    let long = "x".repeat(5 * 1024 * 1024);
    let cases = [
        ("cut after a part", MockResponse::stream().chunk(text_delta("Hi"))),
        ("cut within an event", MockResponse::stream().text("data: {\"choices\": [").end()),
        (
            "ends without finish reason and [DONE]",
            MockResponse::stream().chunk(text_delta("Hi")).end(),
        ),
        ("empty stream", MockResponse::stream().end()),
        ("only [DONE]", MockResponse::stream().done()),
        ("no response", MockResponse::raw("")),
        ("not HTTP", MockResponse::raw("hello?\r\n\r\n")),
        ("not JSON", MockResponse::stream().text("data: secret\n\n").done()),
        ("JSON that is not a chunk", MockResponse::chunks([json!(["secret"])])),
        ("wrong types", MockResponse::chunks([json!({"choices": "secret"})])),
        ("not UTF-8", MockResponse::raw(b"HTTP/1.1 200 OK\r\n\r\ndata: \xff\xff\n\n")),
        ("unterminated line", MockResponse::stream().text(&long)),
        (
            "unterminated event",
            MockResponse::stream().text(&format!("data: {}\n", &long[..3 << 20]).repeat(2)),
        ),
        (
            "complete body, not JSON",
            MockResponse::status(200, "content-type: application/json\r\n", "nope"),
        ),
        (
            "complete body, too long",
            MockResponse::status(200, "content-type: application/json\r\n", &long),
        ),
        ("complete body, empty object", MockResponse::json(200, &json!({}))),
        (
            "HTML page",
            MockResponse::status(200, "content-type: text/html; charset=utf-8\r\n", "<html>"),
        ),
    ];
    let mut report = String::new();
    for (name, response) in cases {
        let error = failure(response).await;
        assert_eq!(error.kind, ModelErrorKind::Server, "{name}");
        writeln!(report, "{name}: {}", error.message).unwrap();
    }
    assert!(!report.contains("secret"), "{report}");
    insta::assert_snapshot!(report);
}

/// A provider's stream of these deltas, with this finish reason and usage.
fn response_of(deltas: &[Value], finish_reason: Option<&str>) -> MockResponse {
    let chunks = deltas.iter().cloned().map(delta_chunk).chain(finish_reason.map(finish_chunk));
    MockResponse::chunks(chunks.chain([usage_chunk(9, 3)]))
}

#[tokio::test]
async fn empty_and_cut_off_responses_are_errors_with_the_reported_usage() {
    let reasoning = json!({"reasoning_content": "hm"});
    let thinking = json!({"content": [{"type": "thinking", "thinking": "hm"}]});
    let old_call = json!({"function_call": {"name": "f", "arguments": "{}"}});
    let call = |arguments: &str| {
        let function = json!({"name": "weather", "arguments": arguments});
        json!({"tool_calls": [{"index": 0, "id": "a", "function": function}]})
    };
    let empty = [json!({"role": "assistant", "content": ""}), json!({"content": null})];
    let cases = [
        ("empty content", response_of(&empty, Some("stop"))),
        ("no delta", response_of(&[], Some("stop"))),
        ("empty list of calls", response_of(&[json!({"tool_calls": []})], Some("stop"))),
        ("only reasoning", response_of(&[reasoning], Some("stop"))),
        ("only thinking", response_of(&[thinking], None)),
        ("announced calls", response_of(&[], Some("tool_calls"))),
        ("obsolete call", response_of(std::slice::from_ref(&old_call), Some("function_call"))),
        (
            "obsolete call after text",
            response_of(&[json!({"content": "Hi"}), old_call], Some("stop")),
        ),
        ("cut within a text", response_of(&[call("{\"ci")], None)),
        ("cut after a value", response_of(&[call("{\"city\":\"Paris\"")], Some("tool_calls"))),
        ("cut before the arguments", response_of(&[call("")], None)),
    ];
    let mut report = String::new();
    for (name, response) in cases {
        let mut events = model_events(response).await;
        let error = events.pop().unwrap().unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Server, "{name}");
        assert_eq!(events.pop(), Some(Ok(usage_event(9, 3))), "{name}");
        writeln!(report, "{name}: {}", error.message).unwrap();
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn invalid_arguments_that_are_complete_are_passed_on() {
    for arguments in ["{city}", "[1,]", "Paris"] {
        let function = json!({"name": "weather", "arguments": arguments});
        let call = json!({"tool_calls": [{"index": 0, "function": function}]});
        let events = model_events(response_of(&[call], Some("tool_calls"))).await;
        assert!(events.iter().all(Result::is_ok), "{events:?}");
    }
}

#[tokio::test]
async fn provider_that_only_keeps_the_connection_alive_fails() {
    for ping in [": ping\n\n", "data: {\"choices\":[]}\n\n"] {
        let mut response = MockResponse::stream();
        for _ in 0..400 {
            response = response.wait(Duration::from_millis(20)).text(ping);
        }
        let upstream = Upstream::new([response.hang()]).await;
        let builder = upstream.builder().idle_timeout(Duration::from_secs(1));
        let error = collect_response(&builder.build().unwrap()).await.pop().unwrap().unwrap_err();
        assert_eq!(
            error.message,
            "The model's provider sent no part of its response for 2 s, only signs of life."
        );
    }
}

#[tokio::test]
async fn refused_connection_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let model = ChatCompletions::builder(format!("http://{address}/v1")).max_retries(0).build();
    let error = collect_response(&model.unwrap()).await.pop().unwrap().unwrap_err();
    insta::assert_snapshot!(error.message, @"The model's provider cannot be reached: Connection refused (os error 111).");
}

#[tokio::test]
async fn idle_timeout_is_an_error_and_is_not_retried() {
    let cases = [
        ("before the response", MockResponse::default().hang()),
        (
            "within the response",
            MockResponse::stream().chunk(delta_chunk(json!({"role": "assistant"}))).hang(),
        ),
    ];
    for (name, response) in cases {
        let mut upstream = Upstream::new([response]).await;
        let model = upstream.builder().idle_timeout(Duration::from_millis(200)).build().unwrap();
        let error = collect_response(&model).await.pop().unwrap().unwrap_err();
        assert_eq!(error.message, "The model's provider sent nothing for 0.2 s.", "{name}");
        upstream.wait_for_disconnect().await;
        assert_eq!(upstream.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn comments_reset_the_idle_timeout() {
    let interval = Duration::from_millis(300);
    let mut response = MockResponse::stream();
    for _ in 0..8 {
        response = response.wait(interval).text(": still at work\n\n");
    }
    let upstream = Upstream::new([response.chunk(text_delta("Hi")).done()]).await;
    let builder = upstream.builder().max_retries(0).idle_timeout(Duration::from_secs(2));
    let events = collect_response(&builder.build().unwrap()).await;
    assert_eq!(events.first(), Some(&Ok(text_event("Hi"))), "{events:?}");
}

#[tokio::test]
async fn error_messages_never_contain_the_key() {
    let key = "sk-very-secret";
    let message = format!("Incorrect key sk-very-secret ({key})");
    let body = error(&message, "server_error", json!(null));
    let responses = [
        MockResponse::json(400, &body),
        MockResponse::json(401, &body),
        MockResponse::json(500, &body),
        MockResponse::status(500, "", &message),
        MockResponse::chunks([body]),
        MockResponse::stream().text(&format!("data: {key}\n\n")).done(),
    ];
    for response in responses {
        let upstream = Upstream::new([response]).await;
        let model = upstream.builder().api_key(key).max_retries(0).build().unwrap();
        let error = collect_response(&model).await.pop().unwrap().unwrap_err();
        assert!(!error.message.contains("very-secret"), "{}", error.message);
    }
}

#[tokio::test]
async fn output_above_the_size_limit_is_an_error() {
    let megabyte = text_delta(&"x".repeat(1 << 20));
    let response =
        (0..10).fold(MockResponse::stream(), |response, _| response.chunk(megabyte.clone()));
    let mut events = model_events(response.done()).await;
    let error = events.pop().unwrap().unwrap_err();
    insta::assert_snapshot!(error.message, @"The model's provider returned a response longer than 8 MiB.");
    assert!(events.iter().all(Result::is_ok));
}

#[tokio::test]
async fn long_error_messages_are_shortened() {
    let response = MockResponse::json(400, &error(&"x".repeat(100_000), "a", json!(null)));
    let message = failure(response).await.message;
    assert!(message.chars().count() < 600, "{} characters", message.chars().count());
}
