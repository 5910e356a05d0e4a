//! The forms in which providers send responses.

use runstep_server::model::ModelEvent;
use serde_json::{Value, json};

use super::provider::{Events, builder, built_in_tools, fixture};
use crate::harness::message_text;
use crate::harness::upstream::{MockResponse, Upstream, collect_response, text_event, usage_event};

/// The events of the model for this response.
async fn model_events(response: MockResponse) -> Vec<ModelEvent> {
    let upstream = Upstream::new([response]).await;
    let model = builder(&upstream).max_retries(0).build().unwrap();
    collect_response(&model).await.into_iter().collect::<Result<_, _>>().unwrap()
}

fn end() -> [ModelEvent; 2] {
    [ModelEvent::MessageEnd, usage_event(20, 8)]
}

#[tokio::test]
async fn text_is_streamed_once() {
    let response = Events::new().message().delta("Hello ").delta("there.");
    let events = model_events(response.end_message("Hello there.", json!([])).complete()).await;
    let [first, second] = end();
    assert_eq!(events, [text_event("Hello "), text_event("there."), first, second]);
}

#[tokio::test]
async fn refusal_is_no_text() {
    let events = model_events(Events::new().refusal("I can't.").complete()).await;
    let [first, second] = end();
    assert_eq!(events, [ModelEvent::Refusal("I can't.".to_owned()), first, second]);
}

#[tokio::test]
async fn parts_that_were_not_streamed_are_taken_from_the_item_and_the_response() {
    let content = json!([{"type": "output_text", "text": "Hello", "annotations": []}]);
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant",
        "status": "completed", "content": content});
    let [first, second] = end();
    let expected = [text_event("Hello"), first, second];
    let from_item = Events::new().done(item.clone()).complete();
    assert_eq!(model_events(from_item).await, expected);
    let mut response = Events::new().whole("completed");
    response["output"] = json!([item]);
    let last = json!({"type": "response.completed", "response": response});
    assert_eq!(model_events(Events::new().event(last).response()).await, expected);
    // A provider that does not stream.
    assert_eq!(model_events(MockResponse::json(200, &response)).await, expected);
}

#[tokio::test]
async fn citations_of_a_complete_text_are_in_their_places() {
    let citation = json!({"type": "file_citation", "index": 5, "file_id": "file-a",
        "filename": "a.md"});
    let content =
        json!([{"type": "output_text", "text": "Hello there", "annotations": [citation]}]);
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant",
        "status": "completed", "content": content});
    let upstream = Upstream::new([Events::new().done(item).complete()]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    fixture.create_run_and_wait(json!({})).await;
    assert_eq!(message_text(&fixture.newest_message().await), "Hello【0:0†source】 there");
}

#[tokio::test]
async fn unlisted_items_and_events_are_ignored() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed",
        "action": {}});
    let link = json!({"type": "url_citation", "url": "https://example.com", "start_index": 0,
        "end_index": 5, "title": "Example"});
    let response = Events::new()
        .part("web_search_call.searching", json!({}))
        .done(search)
        .message()
        .delta("Hello")
        .annotation(0, link.clone())
        .end_message("Hello", json!([link]))
        .open()
        .chunk(json!({"type": "response.future.delta", "delta": {"kind": 1}}))
        .chunk(json!({"type": "keepalive"}));
    let last = json!({"type": "response.completed",
        "response": Events::new().whole("completed")});
    let [first, second] = end();
    let events = model_events(response.chunk(last).end()).await;
    assert_eq!(events, [text_event("Hello"), first, second]);
}

#[tokio::test]
async fn events_without_indices_belong_to_their_items() {
    let without_index = |name: &str, fields: Value| {
        let mut event = fields;
        event["type"] = name.into();
        event
    };
    let call = |id: &str, arguments: &str| {
        json!({"type": "function_call", "id": id,
        "call_id": id, "name": "weather", "arguments": arguments})
    };
    let added = "response.output_item.added";
    let delta = "response.function_call_arguments.delta";
    let response = [
        without_index(added, json!({"item": call("fc_1", "")})),
        without_index(delta, json!({"item_id": "fc_1", "delta": "{\"a\":1}"})),
        without_index(added, json!({"item": call("fc_2", "")})),
        without_index(delta, json!({"item_id": "fc_2", "delta": "{\"b\":2}"})),
        without_index("response.output_item.done", json!({"item": call("fc_1", "{\"a\":1}")})),
    ];
    let last = json!({"type": "response.completed",
        "response": {"status": "completed", "output": [call("fc_1", "{}"), call("fc_2", "{}")]}});
    let stream =
        response.into_iter().chain([last]).fold(MockResponse::stream(), MockResponse::chunk);
    let events = model_events(stream.end()).await;
    let calls = events.iter().filter(|event| matches!(event, ModelEvent::ToolCall { .. }));
    assert_eq!(calls.count(), 2);
    let arguments = |wanted: usize| -> String {
        let texts = events.iter().filter_map(|event| match event {
            ModelEvent::Arguments { index, text } if *index == wanted => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    };
    assert_eq!([arguments(0), arguments(1)], ["{\"a\":1}", "{\"b\":2}"]);
}

#[tokio::test]
async fn messages_of_one_response_are_separate() {
    let response = Events::new().text("Let me see.").text("18 degrees.").complete();
    let upstream = Upstream::new([response]).await;
    let fixture = fixture(&upstream, json!({})).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(fixture.message_texts().await, ["Hello there", "Let me see.", "18 degrees."]);
    let steps = fixture.list_steps(&run).await;
    let total: u64 = steps.iter().map(|step| step["usage"]["total_tokens"].as_u64().unwrap()).sum();
    assert_eq!(run["usage"]["total_tokens"], total);
}
