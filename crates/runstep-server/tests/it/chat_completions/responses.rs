//! What becomes of replies that are good, in all the ways in which providers write them.

use runstep_server::model::ModelEvent;
use serde_json::{Value, json};

use crate::chat_completions::upstream::{
    Reply, cost, delta, finish, good, hello, says, text, usage,
};

#[tokio::test]
async fn text_comes_as_it_is_streamed() {
    assert_eq!(good(hello()).await, [text("Hello "), text("there."), cost(9, 3)]);
}

#[tokio::test]
async fn the_reason_of_the_end_decides() {
    let ended = |reason| Reply::chunks([says("Hi"), finish(reason), usage(1, 1)]);
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
async fn a_refusal_is_no_text() {
    let refusal = |text: &str| delta(json!({"content": null, "refusal": text}));
    let reply = Reply::chunks([refusal("I "), refusal("can't."), finish("stop"), usage(1, 1)]);
    let piece = |text: &str| ModelEvent::Refusal(text.to_owned());
    assert_eq!(good(reply).await, [piece("I "), piece("can't."), cost(1, 1)]);
}

#[tokio::test]
async fn usage_is_estimated_when_it_is_not_told() {
    // Two tokens of "Hello", and two of seven characters.
    let reply = Reply::chunks([says("Good"), says("bye"), finish("stop")]);
    assert_eq!(good(reply).await.last(), Some(&cost(2, 2)));
    for odd in [json!(null), json!("much"), json!({"prompt_tokens": -1}), json!([])] {
        let odd = json!({"choices": [], "usage": odd});
        let reply = Reply::chunks([says("Good"), says("bye"), finish("stop"), odd]);
        assert_eq!(good(reply).await.last(), Some(&cost(2, 2)));
    }
}

#[tokio::test]
async fn the_last_usage_counts() {
    let running = |tokens, chunk: Value| {
        let mut chunk = chunk;
        chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": tokens});
        chunk
    };
    let reply =
        Reply::chunks([running(1, says("a")), running(2, says("b")), running(2, finish("stop"))]);
    assert_eq!(good(reply).await, [text("a"), text("b"), cost(5, 2)]);
    let reply = Reply::chunks([says("a"), finish("stop"), usage(u64::MAX / 2, 1)]);
    assert_eq!(good(reply).await.last(), Some(&cost(u32::MAX.into(), 1)));
}

#[tokio::test]
async fn a_provider_that_does_not_stream_is_understood() {
    let message = json!({
        "role": "assistant",
        "content": "Let me see.",
        "refusal": null,
        "tool_calls": [{"id": "a", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}}],
    });
    let reply = Reply::json(
        200,
        &json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
        }),
    );
    let arguments = ModelEvent::Arguments { index: 0, text: "{\"city\":\"Paris\"}".to_owned() };
    let call = ModelEvent::ToolCall { index: 0, name: "weather".to_owned() };
    assert_eq!(good(reply).await, [text("Let me see."), call, arguments, cost(20, 8)]);
}

#[tokio::test]
async fn streams_are_written_in_many_ways() {
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
        assert_eq!(good(Reply::stream().text(&stream).end()).await, expected, "{name}");
        // The same, torn where no text should be.
        let torn = stream
            .as_bytes()
            .chunks(1)
            .fold(Reply::stream(), |reply, byte| reply.text(std::str::from_utf8(byte).unwrap()));
        assert_eq!(good(torn.end()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_character_may_be_torn() {
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
    assert_eq!(good(Reply::raw(bytes)).await, [text("süß 🌍"), cost(2, 2)]);
}

#[tokio::test]
async fn content_may_be_in_parts() {
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Hel"},
        {"type": "text", "text": "lo"},
    ]);
    let reply = Reply::chunks([delta(json!({"content": parts})), finish("stop"), usage(1, 1)]);
    assert_eq!(good(reply).await, [text("Hello"), cost(1, 1)]);
}

#[tokio::test]
async fn reasoning_is_no_part_of_the_answer() {
    let thought = delta(json!({"reasoning_content": "hm", "reasoning": "hm", "content": null}));
    let reply = Reply::chunks([thought, says("Hi"), finish("stop"), usage(1, 9)]);
    assert_eq!(good(reply).await, [text("Hi"), cost(1, 9)]);
}

/// The program would wait for ever for a provider that keeps its connection open.
#[tokio::test]
async fn a_reply_that_stays_open_after_its_end_is_left() {
    let reply = Reply::stream().chunk(says("Hi")).chunk(finish("stop")).hang();
    let mut upstream = crate::chat_completions::upstream::Upstream::new([reply]).await;
    let model = upstream.model();
    // Connecting needs the real clock; the wait does not.
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
