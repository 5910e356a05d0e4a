//! Function calls, in the variants in which providers split and number them.

use runstep_server::model::ModelEvent;
use serde_json::{Value, json};

use crate::harness::upstream::{
    MockResponse, delta_chunk, finish_chunk, model_events, ok_events, text_delta, text_event,
};

/// The names and complete arguments of the calls in these deltas.
async fn calls(parts: impl IntoIterator<Item = Value>) -> Vec<(String, String)> {
    let chunks = parts.into_iter().map(|part| delta_chunk(json!({"tool_calls": [part]})));
    let events = ok_events(MockResponse::chunks(chunks.chain([finish_chunk("tool_calls")]))).await;
    joined_calls(&events)
}

fn joined_calls(events: &[ModelEvent]) -> Vec<(String, String)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events {
        match event {
            ModelEvent::ToolCall { index, name } => {
                assert_eq!(*index, calls.len(), "calls are not numbered in order");
                calls.push((name.clone(), String::new()));
            }
            ModelEvent::Arguments { index, text } => calls[*index].1.push_str(text),
            _ => {}
        }
    }
    calls
}

fn paris_and_rome() -> Vec<(String, String)> {
    let call = |city: &str| ("weather".to_owned(), format!("{{\"city\":\"{city}\"}}"));
    vec![call("Paris"), call("Rome")]
}

#[tokio::test]
async fn call_parts_are_matched_by_index() {
    let begin = |index: u64, id: &str| {
        json!({"index": index, "id": id, "type": "function",
            "function": {"name": "weather", "arguments": ""}})
    };
    let append = |index: u64, text: &str| json!({"index": index, "function": {"arguments": text}});
    let sequential = [
        begin(0, "a"),
        append(0, "{\"city\":"),
        append(0, "\"Paris\"}"),
        begin(1, "b"),
        append(1, "{\"city\":\"Rome\"}"),
    ];
    assert_eq!(calls(sequential).await, paris_and_rome());
    let interleaved = [
        begin(3, "a"),
        begin(7, "b"),
        append(7, "{\"city\":\"Ro"),
        append(3, "{\"city\":\"Paris\"}"),
        append(7, "me\"}"),
    ];
    assert_eq!(calls(interleaved).await, paris_and_rome());
}

#[tokio::test]
async fn argument_deltas_are_forwarded() {
    let part = |part: Value| delta_chunk(json!({"tool_calls": [part]}));
    let events = ok_events(MockResponse::chunks([
        text_delta("Let me see."),
        part(json!({"index": 0, "id": "a", "function": {"name": "weather", "arguments": ""}})),
        part(json!({"index": 0, "function": {"arguments": "{\"city\""}})),
        part(json!({"index": 0, "function": {"arguments": ":1}"}})),
        finish_chunk("tool_calls"),
    ]))
    .await;
    let arguments = |text: &str| ModelEvent::Arguments { index: 0, text: text.to_owned() };
    assert_eq!(
        events[..4],
        [
            text_event("Let me see."),
            ModelEvent::ToolCall { index: 0, name: "weather".to_owned() },
            arguments("{\"city\""),
            arguments(":1}"),
        ]
    );
}

#[tokio::test]
async fn index_and_id_variants_are_accepted() {
    let complete = |mut call: Value, city: &str| {
        let arguments = format!("{{\"city\":\"{city}\"}}");
        call["function"] = json!({"name": "weather", "arguments": arguments});
        call
    };
    let partial = |mut call: Value, text: &str| {
        call["function"] = json!({"name": "weather", "arguments": text});
        call
    };
    let cases: [(&str, Vec<Value>); 9] = [
        (
            "complete calls",
            vec![
                complete(json!({"index": 0, "id": "a"}), "Paris"),
                complete(json!({"index": 1, "id": "b"}), "Rome"),
            ],
        ),
        (
            "same index for all",
            vec![
                complete(json!({"index": 0, "id": "a"}), "Paris"),
                complete(json!({"index": 0, "id": "b"}), "Rome"),
            ],
        ),
        (
            "same index, no ids",
            vec![complete(json!({"index": 0}), "Paris"), complete(json!({"index": 0}), "Rome")],
        ),
        (
            "no index",
            vec![complete(json!({"id": "a"}), "Paris"), complete(json!({"id": "b"}), "Rome")],
        ),
        (
            "no index, no ids",
            vec![complete(json!({}), "Paris"), complete(json!({"id": ""}), "Rome")],
        ),
        (
            "no index, split, matched by ids",
            vec![
                json!({"id": "a", "function": {"name": "weather", "arguments": "{\"city\":"}}),
                json!({"id": "b", "function": {"name": "weather", "arguments": "{\"city\":\"R"}}),
                json!({"id": "a", "function": {"arguments": "\"Paris\"}"}}),
                json!({"id": "b", "function": {"arguments": "ome\"}"}}),
            ],
        ),
        (
            "no index, split, parts without ids",
            vec![
                json!({"id": "a", "function": {"name": "weather", "arguments": "{\"city\":"}}),
                json!({"function": {"arguments": "\"Paris\"}"}}),
                json!({"id": "b", "function": {"name": "weather"}}),
                json!({"function": {"arguments": "{\"city\":\"Rome\"}"}}),
            ],
        ),
        (
            "name repeated in each part",
            vec![
                partial(json!({"index": 0, "id": "a"}), "{\"city\":"),
                partial(json!({"index": 0, "id": "a"}), "\"Paris\"}"),
                partial(json!({"index": 0, "id": "a"}), ""),
                partial(json!({"index": 1, "id": "b"}), "{\"city\":\"Rome\"}"),
            ],
        ),
        (
            "id before the name",
            vec![
                json!({"index": 0, "id": "a"}),
                complete(json!({"index": 0}), "Paris"),
                json!({"index": 1, "id": "b", "function": {"name": ""}}),
                complete(json!({"index": 1}), "Rome"),
            ],
        ),
    ];
    for (name, parts) in cases {
        assert_eq!(calls(parts).await, paris_and_rome(), "{name}");
    }
}

#[tokio::test]
async fn missing_and_object_arguments_become_json_text() {
    for arguments in [json!(""), json!(null), json!({})] {
        let call =
            json!({"index": 0, "id": "a", "function": {"name": "now", "arguments": arguments}});
        assert_eq!(calls([call]).await, [("now".to_owned(), "{}".to_owned())]);
    }
    let object =
        json!({"index": 0, "function": {"name": "weather", "arguments": {"city": "Paris"}}});
    assert_eq!(calls([object]).await, paris_and_rome()[..1]);
    let without_arguments = json!({"index": 0, "function": {"name": "now"}});
    assert_eq!(calls([without_arguments]).await, [("now".to_owned(), "{}".to_owned())]);
}

#[tokio::test]
async fn truncated_call_ends_with_token_limit() {
    let part = json!({"index": 0, "function": {"name": "weather", "arguments": ""}});
    let chunks = [delta_chunk(json!({"tool_calls": [part]})), finish_chunk("length")];
    let events = ok_events(MockResponse::chunks(chunks)).await;
    assert_eq!(events.get(1), Some(&ModelEvent::TokenLimit));
}

#[tokio::test]
async fn nameless_calls_and_too_many_calls_are_errors() {
    let error_message = async |parts: Vec<Value>| {
        let chunks = [delta_chunk(json!({"tool_calls": parts})), finish_chunk("tool_calls")];
        model_events(MockResponse::chunks(chunks)).await.pop().unwrap().unwrap_err().message
    };
    let nameless = "The model's provider called a function without a name.";
    assert_eq!(
        error_message(vec![json!({"index": 0, "function": {"arguments": "{}"}})]).await,
        nameless
    );
    assert_eq!(error_message(vec![json!({"index": 0, "id": "a"})]).await, nameless);
    let many = (0..200).map(|index| json!({"index": index, "function": {"name": "f"}}));
    insta::assert_snapshot!(error_message(many.collect()).await, @"The model's provider called too many functions at once.");
}
