//! Successful responses, in the variants that providers send.

use futures_util::StreamExt as _;
use runstep_server::model::{Model as _, ModelEvent};
use serde_json::{Value, json};

use crate::harness::upstream::{
    MockResponse, Upstream, delta_chunk, finish_chunk, hello_response, ok_events, request,
    text_delta, text_event, usage_chunk, usage_event,
};

#[tokio::test]
async fn text_deltas_are_forwarded() {
    assert_eq!(
        ok_events(hello_response()).await,
        [text_event("Hello "), text_event("there."), usage_event(9, 3)]
    );
}

#[tokio::test]
async fn finish_reason_determines_the_final_event() {
    let response =
        |reason| MockResponse::chunks([text_delta("Hi"), finish_chunk(reason), usage_chunk(1, 1)]);
    for reason in ["stop", "tool_calls", "eos", ""] {
        assert_eq!(
            ok_events(response(reason)).await,
            [text_event("Hi"), usage_event(1, 1)],
            "{reason}"
        );
    }
    for reason in ["length", "max_tokens"] {
        let events = ok_events(response(reason)).await;
        assert_eq!(
            events,
            [text_event("Hi"), ModelEvent::TokenLimit, usage_event(1, 1)],
            "{reason}"
        );
    }
    let events = ok_events(response("content_filter")).await;
    assert_eq!(events, [text_event("Hi"), ModelEvent::ContentFilter, usage_event(1, 1)]);
}

#[tokio::test]
async fn refusal_is_separate_from_text() {
    let refusal = |text: &str| delta_chunk(json!({"content": null, "refusal": text}));
    let response = MockResponse::chunks([
        refusal("I "),
        refusal("can't."),
        finish_chunk("stop"),
        usage_chunk(1, 1),
    ]);
    let part = |text: &str| ModelEvent::Refusal(text.to_owned());
    assert_eq!(ok_events(response).await, [part("I "), part("can't."), usage_event(1, 1)]);
}

#[tokio::test]
async fn missing_and_invalid_usage_is_estimated() {
    // "Hello" is estimated at two tokens, and so is "Goodbye".
    let response =
        MockResponse::chunks([text_delta("Good"), text_delta("bye"), finish_chunk("stop")]);
    assert_eq!(ok_events(response).await.last(), Some(&usage_event(2, 2)));
    for invalid_usage in [json!(null), json!("much"), json!({"prompt_tokens": -1}), json!([])] {
        let chunk = json!({"choices": [], "usage": invalid_usage});
        let response = MockResponse::chunks([
            text_delta("Good"),
            text_delta("bye"),
            finish_chunk("stop"),
            chunk,
        ]);
        assert_eq!(ok_events(response).await.last(), Some(&usage_event(2, 2)));
    }
}

#[tokio::test]
async fn last_reported_usage_is_used() {
    let with_usage = |tokens, mut chunk: Value| {
        chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": tokens});
        chunk
    };
    let response = MockResponse::chunks([
        with_usage(1, text_delta("a")),
        with_usage(2, text_delta("b")),
        with_usage(2, finish_chunk("stop")),
    ]);
    assert_eq!(ok_events(response).await, [text_event("a"), text_event("b"), usage_event(5, 2)]);
    let response =
        MockResponse::chunks([text_delta("a"), finish_chunk("stop"), usage_chunk(u64::MAX / 2, 1)]);
    assert_eq!(ok_events(response).await.last(), Some(&usage_event(u32::MAX.into(), 1)));
}

#[tokio::test]
async fn response_without_streaming_is_accepted() {
    let message = json!({
        "role": "assistant",
        "content": "Let me see.",
        "refusal": null,
        "tool_calls": [{"id": "a", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}}],
    });
    let response = MockResponse::json(
        200,
        &json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
        }),
    );
    let arguments = ModelEvent::Arguments { index: 0, text: "{\"city\":\"Paris\"}".to_owned() };
    let call = ModelEvent::ToolCall { index: 0, name: "weather".to_owned() };
    assert_eq!(
        ok_events(response).await,
        [text_event("Let me see."), call, arguments, usage_event(20, 8)]
    );
}

#[tokio::test]
async fn sse_variants_are_accepted() {
    let hi = text_delta("Hi").to_string();
    let stop = finish_chunk("stop").to_string();
    let expected = [text_event("Hi"), usage_event(2, 1)];
    let streams = [
        ("CRLF line ends", format!("data: {hi}\r\n\r\ndata: {stop}\r\n\r\n")),
        ("no space after the colon", format!("data:{hi}\n\ndata:{stop}\n\ndata:[DONE]\n\n")),
        (
            "comments, names and ids",
            format!(": wait\n\nevent: m\nid: 1\ndata: {hi}\n\ndata: {stop}\n\n"),
        ),
        ("no blank line at the end", format!("data: {hi}\n\ndata: {stop}\n\ndata: [DONE]")),
        (
            "data over several lines",
            format!("data: {}\n\ndata: {stop}\n\n", hi.replacen(',', ",\ndata: ", 2)),
        ),
        ("[DONE] without finish reason", format!("data: {hi}\n\ndata: [DONE]\n\n")),
        ("finish reason without [DONE]", format!("data: {hi}\n\ndata: {stop}\n\n")),
        ("empty data", format!("data:\n\ndata: {hi}\n\ndata\n\ndata: {stop}\n\n")),
        (
            "nulls",
            format!("data: {{\"choices\":null,\"error\":null}}\n\ndata: {hi}\n\ndata: {stop}\n\n"),
        ),
        (
            "malformed data after the end",
            format!("data: {hi}\n\ndata: {stop}\n\ndata: malformed\n\n"),
        ),
    ];
    for (name, stream) in streams {
        assert_eq!(ok_events(MockResponse::stream().text(&stream).end()).await, expected, "{name}");
        // The same stream, one byte per chunk.
        let split = stream.as_bytes().chunks(1).fold(MockResponse::stream(), |response, byte| {
            response.text(std::str::from_utf8(byte).unwrap())
        });
        assert_eq!(ok_events(split.end()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn split_utf8_characters_are_joined() {
    let line = format!("data: {}\n\ndata: {}\n\n", text_delta("süß 🌍"), finish_chunk("stop"));
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for byte in line.bytes() {
        bytes.extend_from_slice(b"1\r\n");
        bytes.push(byte);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(
        ok_events(MockResponse::raw(bytes)).await,
        [text_event("süß 🌍"), usage_event(2, 2)]
    );
}

#[tokio::test]
async fn content_parts_are_accepted() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": "lo"},
    ]);
    let response = MockResponse::chunks([
        delta_chunk(json!({"content": parts})),
        finish_chunk("stop"),
        usage_chunk(1, 1),
    ]);
    assert_eq!(ok_events(response).await, [text_event("Hello"), usage_event(1, 1)]);
}

#[tokio::test]
async fn reasoning_is_not_part_of_the_text() {
    let reasoning =
        delta_chunk(json!({"reasoning_content": "hm", "reasoning": "hm", "content": null}));
    let response = MockResponse::chunks([
        reasoning,
        text_delta("Hi"),
        finish_chunk("stop"),
        usage_chunk(1, 9),
    ]);
    assert_eq!(ok_events(response).await, [text_event("Hi"), usage_event(1, 9)]);
}

/// Otherwise, the run would wait for a provider that keeps the connection open.
#[tokio::test]
async fn connection_left_open_after_the_end_is_closed() {
    let response =
        MockResponse::stream().chunk(text_delta("Hi")).chunk(finish_chunk("stop")).hang();
    let mut upstream = Upstream::new([response]).await;
    let model = upstream.model();
    // Connecting requires the real clock; the rest of the test does not.
    let mut events = model.respond(request());
    let first = events.next().await;
    assert_eq!(first, Some(Ok(text_event("Hi"))));
    tokio::time::pause();
    let rest: Vec<_> = events.collect().await;
    assert_eq!(rest, [Ok(usage_event(2, 1))]);
    tokio::time::resume();
    upstream.wait_for_disconnect().await;
}
