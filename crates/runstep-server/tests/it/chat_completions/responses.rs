//! Successful responses, in the variants that providers send.

use runstep_server::model::ModelEvent;
use serde_json::{Value, json};

use crate::chat_completions::upstream::{
    ScriptedResponse, cost, delta, finish, good, hello, says, text, usage,
};

#[tokio::test]
async fn text_deltas_are_forwarded() {
    assert_eq!(good(hello()).await, [text("Hello "), text("there."), cost(9, 3)]);
}

#[tokio::test]
async fn finish_reason_determines_the_final_event() {
    let ended = |reason| ScriptedResponse::chunks([says("Hi"), finish(reason), usage(1, 1)]);
    for reason in ["stop", "tool_calls", "eos", ""] {
        assert_eq!(good(ended(reason)).await, [text("Hi"), cost(1, 1)], "{reason}");
    }
    for reason in ["length", "max_tokens"] {
        let events = good(ended(reason)).await;
        assert_eq!(events, [text("Hi"), ModelEvent::TokenLimit, cost(1, 1)], "{reason}");
    }
    let events = good(ended("content_filter")).await;
    assert_eq!(events, [text("Hi"), ModelEvent::ContentFilter, cost(1, 1)]);
}

#[tokio::test]
async fn refusal_is_separate_from_text() {
    let refusal = |text: &str| delta(json!({"content": null, "refusal": text}));
    let response =
        ScriptedResponse::chunks([refusal("I "), refusal("can't."), finish("stop"), usage(1, 1)]);
    let piece = |text: &str| ModelEvent::Refusal(text.to_owned());
    assert_eq!(good(response).await, [piece("I "), piece("can't."), cost(1, 1)]);
}

#[tokio::test]
async fn missing_and_invalid_usage_is_estimated() {
    // "Hello" is estimated at two tokens, and so is "Goodbye".
    let response = ScriptedResponse::chunks([says("Good"), says("bye"), finish("stop")]);
    assert_eq!(good(response).await.last(), Some(&cost(2, 2)));
    for odd in [json!(null), json!("much"), json!({"prompt_tokens": -1}), json!([])] {
        let odd = json!({"choices": [], "usage": odd});
        let response = ScriptedResponse::chunks([says("Good"), says("bye"), finish("stop"), odd]);
        assert_eq!(good(response).await.last(), Some(&cost(2, 2)));
    }
}

#[tokio::test]
async fn last_reported_usage_is_used() {
    let running = |tokens, chunk: Value| {
        let mut chunk = chunk;
        chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": tokens});
        chunk
    };
    let response = ScriptedResponse::chunks([
        running(1, says("a")),
        running(2, says("b")),
        running(2, finish("stop")),
    ]);
    assert_eq!(good(response).await, [text("a"), text("b"), cost(5, 2)]);
    let response = ScriptedResponse::chunks([says("a"), finish("stop"), usage(u64::MAX / 2, 1)]);
    assert_eq!(good(response).await.last(), Some(&cost(u32::MAX.into(), 1)));
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
    let response = ScriptedResponse::json(
        200,
        &json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
        }),
    );
    let arguments = ModelEvent::Arguments { index: 0, text: "{\"city\":\"Paris\"}".to_owned() };
    let call = ModelEvent::ToolCall { index: 0, name: "weather".to_owned() };
    assert_eq!(good(response).await, [text("Let me see."), call, arguments, cost(20, 8)]);
}

#[tokio::test]
async fn sse_variants_are_accepted() {
    let hi = says("Hi").to_string();
    let stop = finish("stop").to_string();
    let expected = [text("Hi"), cost(2, 1)];
    let streams = [
        ("line ends of Windows", format!("data: {hi}\r\n\r\ndata: {stop}\r\n\r\n")),
        ("no blank after the colon", format!("data:{hi}\n\ndata:{stop}\n\ndata:[DONE]\n\n")),
        (
            "comments, names and ids",
            format!(": wait\n\nevent: m\nid: 1\ndata: {hi}\n\ndata: {stop}\n\n"),
        ),
        ("no empty line at the end", format!("data: {hi}\n\ndata: {stop}\n\ndata: [DONE]")),
        (
            "data over several lines",
            format!("data: {}\n\ndata: {stop}\n\n", hi.replacen(',', ",\ndata: ", 2)),
        ),
        ("no reason, but a mark", format!("data: {hi}\n\ndata: [DONE]\n\n")),
        ("no mark, but a reason", format!("data: {hi}\n\ndata: {stop}\n\n")),
        ("empty data", format!("data:\n\ndata: {hi}\n\ndata\n\ndata: {stop}\n\n")),
        (
            "nulls",
            format!("data: {{\"choices\":null,\"error\":null}}\n\ndata: {hi}\n\ndata: {stop}\n\n"),
        ),
        ("nonsense after the end", format!("data: {hi}\n\ndata: {stop}\n\ndata: nonsense\n\n")),
    ];
    for (name, stream) in streams {
        assert_eq!(good(ScriptedResponse::stream().text(&stream).end()).await, expected, "{name}");
        // The same stream, one byte per chunk.
        let torn =
            stream.as_bytes().chunks(1).fold(ScriptedResponse::stream(), |response, byte| {
                response.text(std::str::from_utf8(byte).unwrap())
            });
        assert_eq!(good(torn.end()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn split_utf8_characters_are_joined() {
    let line = format!("data: {}\n\ndata: {}\n\n", says("süß 🌍"), finish("stop"));
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for byte in line.bytes() {
        bytes.extend_from_slice(b"1\r\n");
        bytes.push(byte);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(good(ScriptedResponse::raw(bytes)).await, [text("süß 🌍"), cost(2, 2)]);
}

#[tokio::test]
async fn content_parts_are_accepted() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": "lo"},
    ]);
    let response =
        ScriptedResponse::chunks([delta(json!({"content": parts})), finish("stop"), usage(1, 1)]);
    assert_eq!(good(response).await, [text("Hello"), cost(1, 1)]);
}

#[tokio::test]
async fn reasoning_is_not_part_of_the_text() {
    let thought = delta(json!({"reasoning_content": "hm", "reasoning": "hm", "content": null}));
    let response = ScriptedResponse::chunks([thought, says("Hi"), finish("stop"), usage(1, 9)]);
    assert_eq!(good(response).await, [text("Hi"), cost(1, 9)]);
}

/// Otherwise, the run would wait for a provider that keeps the connection open.
#[tokio::test]
async fn connection_left_open_after_the_end_is_closed() {
    let response = ScriptedResponse::stream().chunk(says("Hi")).chunk(finish("stop")).hang();
    let mut upstream = crate::chat_completions::upstream::Upstream::new([response]).await;
    let model = upstream.model();
    // Connecting requires the real clock; the rest of the test does not.
    let mut answer =
        runstep_server::model::Model::respond(&model, crate::chat_completions::upstream::request());
    let first = futures_util::StreamExt::next(&mut answer).await;
    assert_eq!(first, Some(Ok(text("Hi"))));
    tokio::time::pause();
    let rest: Vec<_> = futures_util::StreamExt::collect(answer).await;
    assert_eq!(rest, [Ok(cost(2, 1))]);
    tokio::time::resume();
    upstream.is_left().await;
}
