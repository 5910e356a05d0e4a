//! Snapshots of messages and steps, accumulated from deltas and from synthesized deltas.

use runstep::{RunEvent, RunStream};
use serde_json::{Value, json};

use super::fixtures::{message_creation, message_with_content, run, step_with_details};
use crate::harness::{EVENT_STREAM, RecordingServer, http_response, json_response, sse_event};

/// The final content of the message: a part of every known type and one of an unknown type.
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

/// The same content as deltas, with indexes in mixed order.
fn content_deltas() -> Vec<Value> {
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

/// The final details of the tool-call step.
fn tool_calls() -> Value {
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

fn tool_call_deltas() -> Vec<Value> {
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
            tool_calls()["tool_calls"][2]["file_search"].clone()}),
        json!({"index": 1, "type": "code_interpreter", "code_interpreter": {"outputs": [
            {"index": 2, "type": "table", "rows": "b"},
        ]}}),
        json!({"index": 3, "type": "browser", "browser": {"query": "Paris"}}),
    ]
}

/// The events before the first delta.
fn initial_events() -> String {
    let no_calls = json!({"type": "tool_calls", "tool_calls": []});
    [
        sse_event("thread.run.created", &run("queued")),
        sse_event(
            "thread.run.step.created",
            &step_with_details("step_1", "in_progress", message_creation()),
        ),
        sse_event("thread.message.created", &message_with_content("in_progress", json!([]))),
        sse_event("thread.run.step.created", &step_with_details("step_2", "in_progress", no_calls)),
    ]
    .concat()
}

async fn stream(server: &RecordingServer) -> RunStream {
    server.client().runs("thread_1").create("asst_1").stream().await.unwrap()
}

/// The content and step details that a stream accumulates from these events.
async fn accumulate(events: String) -> (Value, Value) {
    let events = events + &sse_event("thread.run.completed", &run("completed"));
    let server =
        RecordingServer::start(move |_| http_response(200, EVENT_STREAM, events.clone())).await;
    let collected = stream(&server).await.collect().await.unwrap();
    let content = serde_json::to_value(&collected.messages[0].content).unwrap();
    (content, serde_json::to_value(&collected.steps[1].step_details).unwrap())
}

#[tokio::test]
async fn deltas_of_every_type_add_up_to_final_content() {
    let mut events = initial_events();
    for delta in content_deltas() {
        let data = json!({"id": "msg_1", "delta": {"content": [delta]}});
        events += &sse_event("thread.message.delta", &data);
    }
    for delta in tool_call_deltas() {
        let details = json!({"type": "tool_calls", "tool_calls": [delta]});
        let data = json!({"id": "step_2", "delta": {"step_details": details}});
        events += &sse_event("thread.run.step.delta", &data);
    }
    let (content, details) = accumulate(events).await;
    assert_eq!(content, self::content());
    assert_eq!(details, tool_calls());
}

#[tokio::test]
async fn synthesized_deltas_complete_the_content() {
    // The stream breaks after this many deltas of each object; the rest is synthesized.
    for delta_count in [0, 1, 3, 5, 7] {
        let mut events = initial_events();
        for delta in content_deltas().iter().take(delta_count).filter(|delta| delta["index"] == 0) {
            let data = json!({"id": "msg_1", "delta": {"content": [delta]}});
            events += &sse_event("thread.message.delta", &data);
        }
        for delta in tool_call_deltas().iter().take(delta_count).filter(|delta| {
            // A delta whose predecessors are missing cannot be placed by its index.
            delta["index"].as_u64().unwrap() < 2
        }) {
            let details = json!({"type": "tool_calls", "tool_calls": [delta]});
            let data = json!({"id": "step_2", "delta": {"step_details": details}});
            events += &sse_event("thread.run.step.delta", &data);
        }
        let cut = events.clone();
        let server = RecordingServer::start_with(move |number, request| match number {
            0 => http_response(200, EVENT_STREAM, cut.clone()),
            _ => {
                let steps = [
                    step_with_details("step_1", "completed", message_creation()),
                    step_with_details("step_2", "completed", tool_calls()),
                ];
                json_response(&match request.path().rsplit('/').next().unwrap() {
                    "run_1" => run("completed"),
                    "steps" => json!({"object": "list", "data": steps, "has_more": false}),
                    "msg_1" => message_with_content("completed", content()),
                    other => panic!("{other}"),
                })
            }
        })
        .await;
        let mut stream = stream(&server).await;
        while let Some(next) = stream.try_next().await.unwrap() {
            let is_delta = matches!(next, RunEvent::MessageDelta(_) | RunEvent::StepDelta(_));
            if stream.is_synthesized() && is_delta {
                let data = serde_json::from_str(&next.data().unwrap()).unwrap();
                events += &sse_event(next.event(), &data);
            }
        }
        // A reader of the deltas alone has the same content as the stream.
        let (content, details) = accumulate(events).await;
        assert_eq!(content, self::content(), "after {delta_count} deltas");
        assert_eq!(details, tool_calls(), "after {delta_count} deltas");
    }
}

#[tokio::test]
async fn huge_index_allocates_no_memory() {
    let delta_event = |index: u64| {
        let delta = json!({"index": index, "type": "text", "text": {"value": "x"}});
        let data = json!({"id": "msg_1", "delta": {"content": [delta]}});
        sse_event("thread.message.delta", &data)
    };
    let events =
        initial_events() + &delta_event(u64::MAX) + &delta_event(7) + &delta_event(u64::MAX);
    let (content, _) = accumulate(events).await;
    let texts: Vec<&Value> =
        content.as_array().unwrap().iter().map(|part| &part["text"]["value"]).collect();
    assert_eq!(texts, ["x", "xx"]);
}

#[tokio::test]
async fn duplicate_event_is_yielded_once() {
    let completed = sse_event(
        "thread.run.step.completed",
        &step_with_details("step_2", "completed", tool_calls()),
    );
    let events = initial_events() + &completed + &completed;
    let events = events + &sse_event("thread.run.completed", &run("completed"));
    let server =
        RecordingServer::start(move |_| http_response(200, EVENT_STREAM, events.clone())).await;
    let mut stream = stream(&server).await;
    let mut names = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        names.push(event.event().to_owned());
    }
    let count = names.iter().filter(|name| *name == "thread.run.step.completed").count();
    assert_eq!((count, stream.steps().len()), (1, 2), "{names:?}");
}

fn text_delta(text: &str) -> String {
    let content = json!([{"index": 0, "type": "text", "text": {"value": text}}]);
    sse_event("thread.message.delta", &json!({"id": "msg_1", "delta": {"content": content}}))
}

/// Some servers emit deltas before the message, or no other events of the message.
#[tokio::test]
async fn snapshot_of_a_message_begins_with_its_first_delta() {
    let only_deltas = sse_event("thread.run.created", &run("queued"))
        + &text_delta("It ")
        + &text_delta("is")
        + &sse_event("thread.run.completed", &run("completed"));
    let server =
        RecordingServer::start(move |_| http_response(200, EVENT_STREAM, only_deltas.clone()))
            .await;
    let mut stream = stream(&server).await;
    let text = stream.text_deltas().try_next().await.unwrap();
    assert_eq!(text.as_deref(), Some("It "));
    assert_eq!(stream.messages()[0].text(), "It ");
    stream.final_run().await.unwrap();
    let [message] = stream.messages() else { panic!("{:?}", stream.messages()) };
    assert_eq!((message.id.as_str(), message.text().as_str()), ("msg_1", "It is"));
    assert_eq!(message.thread_id.as_deref(), Some("thread_1"));
    assert_eq!(message.run_id.as_deref(), Some("run_1"));
    assert_eq!((&message.status, &message.role), (&None, &None));
}

#[tokio::test]
async fn later_events_complete_objects_that_begin_with_deltas() {
    let step_delta = |delta: &Value| {
        let details = json!({"type": "tool_calls", "tool_calls": [delta]});
        sse_event(
            "thread.run.step.delta",
            &json!({"id": "step_2", "delta": {"step_details": details}}),
        )
    };
    let content_delta = |delta: &Value| {
        let data = json!({"id": "msg_1", "delta": {"content": [delta]}});
        sse_event("thread.message.delta", &data)
    };
    let (messages, steps) = (content_deltas(), tool_call_deltas());
    for early in [1, 4, 12] {
        let mut events = sse_event("thread.run.created", &run("queued"));
        events += &sse_event(
            "thread.run.step.created",
            &step_with_details("step_1", "in_progress", message_creation()),
        );
        events.extend(messages.iter().take(early).map(content_delta));
        events.extend(steps.iter().take(early).map(step_delta));
        for name in ["thread.message.created", "thread.message.in_progress"] {
            events += &sse_event(name, &message_with_content("in_progress", json!([])));
        }
        for name in ["thread.run.step.created", "thread.run.step.in_progress"] {
            let no_calls = json!({"type": "tool_calls", "tool_calls": []});
            events += &sse_event(name, &step_with_details("step_2", "in_progress", no_calls));
        }
        events.extend(messages.iter().skip(early).map(content_delta));
        events.extend(steps.iter().skip(early).map(step_delta));
        let (content, details) = accumulate(events.clone()).await;
        assert_eq!((content, details), (self::content(), tool_calls()), "{early} early deltas");

        let events = events + &sse_event("thread.run.completed", &run("completed"));
        let server =
            RecordingServer::start(move |_| http_response(200, EVENT_STREAM, events.clone())).await;
        let collected = stream(&server).await.collect().await.unwrap();
        assert_eq!(collected.messages[0].role.as_ref().unwrap().as_str(), "assistant");
        assert_eq!(collected.messages[0].status.as_ref().unwrap().as_str(), "in_progress");
        assert!(collected.steps[1].created_at.is_some());
    }
}

/// Some servers create a message with an empty text.
#[tokio::test]
async fn empty_text_of_a_created_message_does_not_replace_early_deltas() {
    let empty = json!([{"type": "text", "text": {"value": "", "annotations": []}}]);
    let created = sse_event("thread.message.created", &message_with_content("in_progress", empty));
    let events = initial_events().replace("thread.message.created", "thread.message.other")
        + &text_delta("It ")
        + &created
        + &text_delta("is");
    let whole = json!([{"type": "text", "text": {"value": "It is", "annotations": []}}]);
    assert_eq!(accumulate(events).await.0, whole);
}

/// A complete message replaces content from deltas, whatever that is.
#[tokio::test]
async fn ended_message_replaces_content_of_early_deltas() {
    for content in [json!([]), self::content()] {
        let events = initial_events().replace("thread.message.created", "thread.message.other")
            + &text_delta("early")
            + &sse_event(
                "thread.message.completed",
                &message_with_content("completed", content.clone()),
            );
        assert_eq!(accumulate(events).await.0, content);
    }
}

#[tokio::test]
async fn recovery_synthesizes_what_deltas_without_a_message_lack() {
    let cut = sse_event("thread.run.created", &run("queued"))
        + &sse_event("thread.run.in_progress", &run("in_progress"))
        + &text_delta("It ");
    let whole = json!([{"type": "text", "text": {"value": "It is", "annotations": []}}]);
    let server = RecordingServer::start_with(move |number, request| match number {
        0 => http_response(200, EVENT_STREAM, cut.clone()),
        _ => {
            let steps = [step_with_details("step_1", "completed", message_creation())];
            json_response(&match request.path().rsplit('/').next().unwrap() {
                "steps" => json!({"object": "list", "data": steps, "has_more": false}),
                "run_1" => run("completed"),
                _ => message_with_content("completed", whole.clone()),
            })
        }
    })
    .await;
    let mut stream = stream(&server).await;
    let mut events = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        let text = match &event {
            RunEvent::MessageDelta(delta) => delta.text().into_owned(),
            _ => String::new(),
        };
        events.push((event.event().to_owned(), text));
    }
    let message_events: Vec<_> =
        events.iter().filter(|(name, _)| name.starts_with("thread.message")).collect();
    let names: Vec<&str> = message_events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "thread.message.delta",
            "thread.message.created",
            "thread.message.in_progress",
            "thread.message.delta",
            "thread.message.completed",
        ]
    );
    assert_eq!((message_events[0].1.as_str(), message_events[3].1.as_str()), ("It ", "is"));
    assert_eq!(stream.messages()[0].text(), "It is");
}
