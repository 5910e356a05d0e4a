//! Messages and steps from pieces of every kind, and the pieces that are made up for after a cut.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use runstep::{RunEvent, RunStream};
use serde_json::{Value, json};
use support::{Recorder, example, reply};

const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];

fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["id"] = "run_1".into();
    run["thread_id"] = "thread_1".into();
    run["status"] = status.into();
    run
}

fn message(status: &str, content: Value) -> Value {
    let mut message = example("Message");
    message["id"] = "msg_1".into();
    message["status"] = status.into();
    message["content"] = content;
    message
}

fn step(id: &str, status: &str, details: Value) -> Value {
    let mut step = example("RunStep");
    step["id"] = id.into();
    step["status"] = status.into();
    step["type"] = details["type"].clone();
    step["step_details"] = details;
    step
}

fn creation() -> Value {
    json!({"type": "message_creation", "message_creation": {"message_id": "msg_1"}})
}

/// What the message has in the end: a part of every kind, and one that nobody knows.
fn content() -> Value {
    let citation = json!({
        "type": "file_citation", "text": "[1]", "file_citation": {"file_id": "file_1"},
        "start_index": 3, "end_index": 6,
    });
    let path = json!({
        "type": "file_path", "text": "a.csv", "file_path": {"file_id": "file_2"},
        "start_index": 8, "end_index": 13,
    });
    json!([
        {"type": "text", "text": {"value": "It [1]: a.csv", "annotations": [citation, path, {"type": "star", "note": "new"}]}},
        {"type": "refusal", "refusal": "I cannot."},
        {"type": "image_file", "image_file": {"file_id": "file_3", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "sound", "sound": {"text": "la la", "id": "sound_1"}},
    ])
}

/// The same in pieces; indexes come in no order.
fn content_pieces() -> Vec<Value> {
    vec![
        json!({"index": 0, "type": "text", "text": {"value": "It "}}),
        json!({"index": 3, "type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
        json!({"index": 0, "type": "text", "text": {"annotations": [
            {"index": 1, "type": "file_path", "text": "a.csv", "file_path": {"file_id": "file_2"}},
        ]}}),
        json!({"index": 1, "type": "refusal", "refusal": "I can"}),
        json!({"index": 0, "type": "text", "text": {"value": "[1]: a.csv", "annotations": [
            {"index": 0, "type": "file_citation", "text": "[1]", "start_index": 3, "end_index": 6},
        ]}}),
        json!({"index": 1, "type": "refusal", "refusal": "not."}),
        json!({"index": 4, "type": "sound", "sound": {"text": "la ", "id": "sound_1"}}),
        json!({"index": 0, "type": "text", "text": {"annotations": [
            {"index": 0, "type": "file_citation", "file_citation": {"file_id": "file_1"}},
            {"index": 1, "type": "file_path", "start_index": 8, "end_index": 13},
            {"index": 2, "type": "star", "note": "n"},
        ]}}),
        json!({"index": 2, "type": "image_file", "image_file": {"file_id": "file_3", "detail": "low"}}),
        json!({"index": 0, "type": "text", "text": {"annotations": [
            {"index": 2, "type": "star", "note": "ew"},
        ]}}),
        json!({"index": 3, "type": "image_url", "image_url": {"detail": "high"}}),
        json!({"index": 4, "type": "sound", "sound": {"text": "la", "id": "sound_1"}}),
    ]
}

/// What the step of tools has in the end.
fn calls() -> Value {
    json!({"type": "tool_calls", "tool_calls": [
        {"type": "function", "id": "call_1",
            "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}", "output": null}},
        {"type": "code_interpreter", "id": "call_2", "code_interpreter": {
            "input": "print(1 + 1)",
            "outputs": [
                {"type": "logs", "logs": "2\n3"},
                {"type": "image", "image": {"file_id": "file_4"}},
                {"type": "table", "rows": "a,b"},
            ],
        }},
        {"type": "file_search", "id": "call_3", "file_search": {
            "ranking_options": {"ranker": "auto", "score_threshold": 0.5},
            "results": [{"file_id": "file_5", "file_name": "a.md", "score": 0.75}],
        }},
        {"type": "browser", "id": "call_4", "browser": {"query": "weather Paris"}},
    ]})
}

fn call_pieces() -> Vec<Value> {
    vec![
        json!({"index": 0, "type": "function", "id": "call_1",
            "function": {"name": "get_weather", "arguments": ""}}),
        json!({"index": 1, "type": "code_interpreter", "id": "call_2",
            "code_interpreter": {"input": "print("}}),
        json!({"index": 0, "type": "function", "function": {"arguments": "{\"city\":"}}),
        json!({"index": 3, "type": "browser", "id": "call_4", "browser": {"query": "weather "}}),
        json!({"index": 1, "type": "code_interpreter", "code_interpreter": {"input": "1 + 1)"}}),
        json!({"index": 1, "type": "code_interpreter", "code_interpreter": {"outputs": [
            {"index": 0, "type": "logs", "logs": "2\n"},
            {"index": 1, "type": "image", "image": {"file_id": "file_4"}},
        ]}}),
        json!({"index": 0, "type": "function", "function": {"arguments": "\"Paris\"}"}}),
        json!({"index": 2, "type": "file_search", "id": "call_3", "file_search": {}}),
        json!({"index": 1, "type": "code_interpreter", "code_interpreter": {"outputs": [
            {"index": 2, "type": "table", "rows": "a,"},
            {"index": 0, "type": "logs", "logs": "3"},
        ]}}),
        json!({"index": 2, "type": "file_search", "file_search":
            calls()["tool_calls"][2]["file_search"].clone()}),
        json!({"index": 1, "type": "code_interpreter", "code_interpreter": {"outputs": [
            {"index": 2, "type": "table", "rows": "b"},
        ]}}),
        json!({"index": 3, "type": "browser", "browser": {"query": "Paris"}}),
    ]
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn beginning() -> String {
    let no_calls = json!({"type": "tool_calls", "tool_calls": []});
    [
        event("thread.run.created", &run("queued")),
        event("thread.run.step.created", &step("step_1", "in_progress", creation())),
        event("thread.message.created", &message("in_progress", json!([]))),
        event("thread.run.step.created", &step("step_2", "in_progress", no_calls)),
    ]
    .concat()
}

async fn stream(recorder: &Recorder) -> RunStream {
    recorder.client().runs("thread_1").create("asst_1").stream().await.unwrap()
}

/// What is known when all of these have been told, and no object whole.
async fn known_after(events: String) -> (Value, Value) {
    let events = events + &event("thread.run.completed", &run("completed"));
    let recorder = Recorder::start(move |_| reply(200, EVENTS, events.clone())).await;
    let told = stream(&recorder).await.collect().await.unwrap();
    let content = serde_json::to_value(&told.messages[0].content).unwrap();
    (content, serde_json::to_value(&told.steps[1].step_details).unwrap())
}

#[tokio::test]
async fn pieces_of_every_kind_add_up_to_the_whole() {
    let mut events = beginning();
    for piece in content_pieces() {
        let data = json!({"id": "msg_1", "delta": {"content": [piece]}});
        events += &event("thread.message.delta", &data);
    }
    for piece in call_pieces() {
        let details = json!({"type": "tool_calls", "tool_calls": [piece]});
        let data = json!({"id": "step_2", "delta": {"step_details": details}});
        events += &event("thread.run.step.delta", &data);
    }
    let (content, details) = known_after(events).await;
    assert_eq!(content, self::content());
    assert_eq!(details, calls());
}

#[tokio::test]
async fn what_is_made_up_for_adds_up_to_the_whole_as_well() {
    // The stream breaks off after so many pieces of each; the rest is made up for.
    for told in [0, 1, 3, 5, 7] {
        let mut events = beginning();
        for piece in content_pieces().iter().take(told).filter(|piece| piece["index"] == 0) {
            let data = json!({"id": "msg_1", "delta": {"content": [piece]}});
            events += &event("thread.message.delta", &data);
        }
        for piece in call_pieces().iter().take(told).filter(|piece| {
            // What comes after something that is not there has no place of its own.
            piece["index"].as_u64().unwrap() < 2
        }) {
            let details = json!({"type": "tool_calls", "tool_calls": [piece]});
            let data = json!({"id": "step_2", "delta": {"step_details": details}});
            events += &event("thread.run.step.delta", &data);
        }
        let cut = events.clone();
        let recorder = Recorder::answering(move |number, request| match number {
            0 => reply(200, EVENTS, cut.clone()),
            _ => {
                let path = request.target.split('?').next().unwrap();
                let steps =
                    [step("step_1", "completed", creation()), step("step_2", "completed", calls())];
                support::json(&match path.rsplit('/').next().unwrap() {
                    "run_1" => run("completed"),
                    "steps" => json!({"object": "list", "data": steps, "has_more": false}),
                    "msg_1" => message("completed", content()),
                    other => panic!("{other}"),
                })
            }
        })
        .await;
        let mut stream = stream(&recorder).await;
        while let Some(next) = stream.try_next().await.unwrap() {
            let is_piece = matches!(next, RunEvent::MessageDelta(_) | RunEvent::StepDelta(_));
            if stream.is_recovered() && is_piece {
                let data = serde_json::from_str(&next.data().unwrap()).unwrap();
                events += &event(next.event(), &data);
            }
        }
        // Whoever had only the pieces knows as much as the stream itself.
        let (content, details) = known_after(events).await;
        assert_eq!(content, self::content(), "after {told}");
        assert_eq!(details, calls(), "after {told}");
    }
}

#[tokio::test]
async fn an_index_out_of_all_reason_costs_no_memory() {
    let piece = |index: u64| {
        let piece = json!({"index": index, "type": "text", "text": {"value": "x"}});
        let data = json!({"id": "msg_1", "delta": {"content": [piece]}});
        event("thread.message.delta", &data)
    };
    let events = beginning() + &piece(u64::MAX) + &piece(7) + &piece(u64::MAX);
    let (content, _) = known_after(events).await;
    let texts: Vec<&Value> =
        content.as_array().unwrap().iter().map(|part| &part["text"]["value"]).collect();
    assert_eq!(texts, ["x", "xx"]);
}

#[tokio::test]
async fn what_is_told_twice_is_given_once() {
    let ended = event("thread.run.step.completed", &step("step_2", "completed", calls()));
    let events = beginning() + &ended + &ended;
    let events = events + &event("thread.run.completed", &run("completed"));
    let recorder = Recorder::start(move |_| reply(200, EVENTS, events.clone())).await;
    let mut stream = stream(&recorder).await;
    let mut names = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        names.push(event.event().to_owned());
    }
    let count = names.iter().filter(|name| *name == "thread.run.step.completed").count();
    assert_eq!((count, stream.steps().len()), (1, 2), "{names:?}");
}

/// A piece of something that was never told whole has no place, and is still given.
#[tokio::test]
async fn a_piece_of_nothing_is_given_and_kept_nowhere() {
    let data = json!({"id": "msg_9", "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "x"}}]}});
    let events = event("thread.run.created", &run("queued"))
        + &event("thread.message.delta", &data)
        + &event("thread.run.completed", &run("completed"));
    let recorder = Recorder::start(move |_| reply(200, EVENTS, events.clone())).await;
    let mut stream = stream(&recorder).await;
    let text = stream.text_deltas().try_next().await.unwrap();
    assert_eq!(text.as_deref(), Some("x"));
    assert!(stream.messages().is_empty());
}
