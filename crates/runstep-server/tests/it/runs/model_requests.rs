//! Requests to the model: settings of assistant and run, and the conversation.

use std::collections::HashSet;

use runstep_server::model::{
    ConversationItem, ModelRequest, NamedSchema, ResponseFormat, Scripted, ToolCall, ToolChoice,
    Turn,
};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, call_ids, function_tool, merged};

fn user(text: &str) -> ConversationItem {
    ConversationItem::User(text.to_owned())
}

fn assistant(text: &str) -> ConversationItem {
    ConversationItem::Assistant(text.to_owned())
}

/// Runs an assistant; returns the request that the model received.
async fn model_request(assistant: Value, run: Value) -> ModelRequest {
    let model = Scripted::new([Turn::text("Ok")]);
    let client = TestClient::with_model(model.clone());
    let assistant = client.create_assistant(assistant).await;
    let thread = client.create_thread("Hello").await;
    let run = Fixture { client, assistant, thread }.create_run_and_wait(run).await;
    assert_eq!(run["status"], "completed");
    model.requests().remove(0)
}

/// A create-assistant body with every setting that is sent to the model.
fn configured_assistant() -> Value {
    json!({
        "model": "own-model",
        "instructions": "Be kind.",
        "tools": [function_tool("weather")],
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
    })
}

#[tokio::test(start_paused = true)]
async fn assistant_settings_apply_without_overrides() {
    let request = model_request(configured_assistant(), json!({})).await;
    assert_eq!(request.model, "own-model");
    assert_eq!(request.instructions.as_deref(), Some("Be kind."));
    assert_eq!(request.conversation, [user("Hello")]);
    assert_eq!(request.tools.len(), 1);
    assert_eq!(request.tools[0].name, "weather");
    let parameters = function_tool("weather")["function"]["parameters"].clone();
    assert_eq!(request.tools[0].parameters, Some(parameters.into()));
    assert_eq!((request.temperature, request.top_p), (Some(0.5), Some(0.25)));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    assert_eq!(request.response_format, ResponseFormat::JsonObject);
    assert_eq!(request.tool_choice, ToolChoice::Auto);
    assert!(request.parallel_tool_calls);
    assert_eq!(request.max_completion_tokens, None);
}

#[tokio::test(start_paused = true)]
async fn run_settings_override_the_assistant() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let run = json!({
        "model": "other-model",
        "instructions": "Be short.",
        "additional_instructions": "Be true.",
        "additional_messages": [
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]},
        ],
        "tools": [function_tool("time"), function_tool("location")],
        "tool_choice": {"type": "function", "function": {"name": "location"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "temperature": 0,
        "top_p": 1,
        "reasoning_effort": "low",
        "max_completion_tokens": 300,
    });
    let request = model_request(configured_assistant(), run).await;
    assert_eq!(request.model, "other-model");
    let parts: Vec<_> = request.instructions.as_deref().unwrap().lines().collect();
    assert_eq!(parts, ["Be short.", "Be true."]);
    let existing = [user("Hello"), assistant("Hi")];
    let items: Vec<_> = request.conversation.iter().cloned().collect();
    assert_eq!(items[..2], existing);
    assert_eq!(items[2], user("And\nnow?"));
    let names: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["time", "location"]);
    assert_eq!(request.tool_choice, ToolChoice::Function("location".to_owned()));
    assert!(!request.parallel_tool_calls);
    assert_eq!(
        request.response_format,
        ResponseFormat::JsonSchema(NamedSchema {
            name: "x".to_owned(),
            description: None,
            schema: schema.into(),
            strict: false
        })
    );
    assert_eq!((request.temperature, request.top_p), (Some(0.0), Some(1.0)));
    assert_eq!(request.reasoning_effort.as_deref(), Some("low"));
    assert_eq!(request.max_completion_tokens, Some(300));
}

#[tokio::test(start_paused = true)]
async fn run_object_contains_its_settings() {
    let fixture = Fixture::with_turns([Turn::text("Ok")], &["weather"]).await;
    let fields = json!({
        "model": "other-model",
        "instructions": "Be short.",
        "tools": [function_tool("time")],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "response_format": {"type": "json_object"},
        "temperature": 0.5,
        "top_p": 0.25,
        "max_prompt_tokens": 256,
        "max_completion_tokens": 300,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3},
        "metadata": {"a": "b"},
    });
    let run = fixture.create_run(fields.clone()).await;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&run[name], value, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn additional_instructions_are_appended_to_the_assistants() {
    let assistant_fields = json!({"instructions": "Be kind."});
    let request =
        model_request(assistant_fields, json!({"additional_instructions": "Be true."})).await;
    assert_eq!(request.instructions.as_deref(), Some("Be kind.\nBe true."));
    let request = model_request(json!({}), json!({"additional_instructions": "Be true."})).await;
    assert_eq!(request.instructions.as_deref(), Some("Be true."));
    assert_eq!(model_request(json!({}), json!({})).await.instructions, None);
}

#[tokio::test(start_paused = true)]
async fn empty_tools_disable_tools_and_null_inherits_them() {
    let assistant_fields = json!({"tools": [function_tool("weather")]});
    assert_eq!(model_request(assistant_fields.clone(), json!({"tools": []})).await.tools, []);
    assert_eq!(model_request(assistant_fields, json!({"tools": null})).await.tools.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tool_choice_is_sent_to_the_model() {
    let assistant_fields = json!({"tools": [function_tool("weather")]});
    let cases = [
        (json!("none"), ToolChoice::None),
        (json!("auto"), ToolChoice::Auto),
        (json!("required"), ToolChoice::Required),
        (json!(null), ToolChoice::Auto),
    ];
    for (choice, expected) in cases {
        let request = model_request(assistant_fields.clone(), json!({"tool_choice": choice})).await;
        assert_eq!(request.tool_choice, expected);
    }
}

/// Creates a run, with its thread or on an existing one; returns the ended run, without ids and
/// timestamps, and the request that the model received.
async fn run_and_request(with_thread: bool, fields: Value) -> (Value, Option<ModelRequest>) {
    let model = Scripted::new([Turn::text("Ok")]);
    let client = TestClient::with_model(model.clone());
    let assistant = json!({"instructions": "Be kind.", "tools": [function_tool("weather")]});
    let body = merged(json!({"assistant_id": client.create_assistant(assistant).await}), fields);
    let run = if with_thread {
        let messages = json!([{"role": "user", "content": "Hello"}]);
        let body = merged(json!({"thread": {"messages": messages}}), body);
        client.post("/threads/runs", body).await.ok()
    } else {
        let thread = client.create_thread("Hello").await;
        client.post(&format!("/threads/{thread}/runs"), body).await.ok()
    };
    let thread = run["thread_id"].as_str().unwrap().to_owned();
    let mut run = Fixture { client, assistant: String::new(), thread }.wait_for_run(&run).await;
    for (name, value) in run.as_object_mut().unwrap() {
        if name.ends_with("id") || name.ends_with("_at") {
            *value = Value::Null;
        }
    }
    (run, model.requests().pop())
}

#[tokio::test(start_paused = true)]
async fn create_thread_and_run_applies_every_field_of_the_specification() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let request = &document["components"]["schemas"]["CreateThreadAndRunRequest"];
    for name in request["properties"].as_object().unwrap().keys() {
        let value = match name.as_str() {
            "model" => json!("other-model"),
            "instructions" => json!("Be short."),
            "tools" => json!([function_tool("time")]),
            "metadata" => json!({"r": "2"}),
            "temperature" => json!(0.5),
            "top_p" => json!(0.25),
            "max_prompt_tokens" | "max_completion_tokens" => json!(256),
            "truncation_strategy" => json!({"type": "last_messages", "last_messages": 1}),
            "tool_choice" => json!("none"),
            "parallel_tool_calls" => json!(false),
            "response_format" => json!({"type": "json_object"}),
            "reasoning_effort" => json!("low"),
            // Tested below and in other tests.
            "assistant_id" | "thread" | "tool_resources" | "stream" => continue,
            other => panic!("add a value for '{other}'"),
        };
        let body = json!({ name: value });
        let with_field = run_and_request(true, body.clone()).await;
        assert_ne!(with_field, run_and_request(true, json!({})).await, "{name} has no effect");
        assert_eq!(with_field, run_and_request(false, body).await, "{name}");
    }

    let model = Scripted::new([Turn::text("Ok")]);
    let client = TestClient::with_model(model.clone());
    let body = json!({
        "assistant_id": client.create_assistant(json!({"model": "own-model"})).await,
        "thread": {"messages": [{"role": "user", "content": "Hello"}], "metadata": {"t": "1"}},
        "stream": true,
    });
    let events = client.stream_events("/threads/runs", body.clone()).await;
    assert_eq!(events[0].data["metadata"], json!({"t": "1"}));
    let request = &model.requests()[0];
    assert_eq!(
        (request.model.as_str(), &request.conversation),
        ("own-model", &vec![user("Hello")].into())
    );
    let resources = json!({"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}});
    let error = client.post("/threads/runs", merged(body, resources)).await.expect_error(400);
    assert_eq!(error["param"], "tool_resources.file_search");
}

#[tokio::test(start_paused = true)]
async fn create_thread_and_run_does_not_require_a_thread() {
    let model = Scripted::new([Turn::text("Ok")]);
    let client = TestClient::with_model(model.clone());
    let body = json!({"assistant_id": client.create_assistant(json!({})).await});
    let run = client.post("/threads/runs", body).await.ok();
    let thread = run["thread_id"].as_str().unwrap().to_owned();
    let fixture = Fixture { client, assistant: String::new(), thread };
    fixture.wait_for_run(&run).await;
    assert_eq!(fixture.message_texts().await, ["Ok"]);
    assert_eq!(model.requests()[0].conversation, []);
}

#[tokio::test(start_paused = true)]
async fn truncation_strategy_keeps_the_newest_messages() {
    let added = json!([
        {"role": "assistant", "content": "One"},
        {"role": "user", "content": "Two"},
    ]);
    let cases = [
        (json!({"type": "last_messages", "last_messages": 1}), vec![user("Two")]),
        (json!({"type": "last_messages", "last_messages": 2}), vec![assistant("One"), user("Two")]),
        (
            json!({"type": "last_messages", "last_messages": 9}),
            vec![user("Hello"), assistant("One"), user("Two")],
        ),
        (json!({"type": "auto"}), vec![user("Hello"), assistant("One"), user("Two")]),
    ];
    for (strategy, expected) in cases {
        let run = json!({"additional_messages": added, "truncation_strategy": strategy});
        assert_eq!(model_request(json!({}), run).await.conversation, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn prompt_above_the_limit_loses_its_oldest_messages() {
    let long = "word".repeat(200);
    let added = json!([
        {"role": "user", "content": long},
        {"role": "user", "content": "Last"},
    ]);
    let run = json!({"additional_messages": added, "max_prompt_tokens": 256});
    assert_eq!(
        model_request(json!({}), run.clone()).await.conversation,
        [user("Hello"), user(&long), user("Last")]
    );
    let assistant_fields = json!({"instructions": "word".repeat(100)});
    assert_eq!(model_request(assistant_fields, run).await.conversation, [user("Last")]);
}

#[tokio::test(start_paused = true)]
async fn tool_rounds_are_part_of_the_conversation() {
    let model = Scripted::new([
        Turn::text("Let me check.").and_call("weather", json!({"city": "Paris"})).usage(5, 100),
        Turn::call("weather", json!({"city": "Rome"})).and_call("time", json!({})).usage(5, 50),
        Turn::text("Done.").usage(5, 1),
        Turn::text("You are welcome."),
    ]);
    let fixture = Fixture::with_model(model.clone(), &["weather", "time"]).await;
    let first = fixture.create_run_and_wait(json!({"max_completion_tokens": 300})).await;
    fixture.submit_outputs(&first, &["sun"]).await;
    let second = fixture.wait_for_run(&first).await;
    fixture.submit_outputs(&second, &["rain", "noon"]).await;
    assert_eq!(fixture.wait_for_run(&first).await["status"], "completed");

    let ids: Vec<String> = [call_ids(&first), call_ids(&second)].concat();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 3);
    assert!(ids.iter().all(|id| id.starts_with("call_")));
    let call = |id: usize, name: &str, arguments: &str| ToolCall {
        id: ids[id].clone(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    };
    let output = |id: usize, output: &str| ConversationItem::ToolOutput {
        call_id: ids[id].clone(),
        output: output.to_owned(),
    };
    let requests = model.requests();
    let expected = [
        user("Hello there"),
        assistant("Let me check."),
        ConversationItem::ToolCalls(vec![call(0, "weather", r#"{"city":"Paris"}"#)]),
        output(0, "sun"),
        ConversationItem::ToolCalls(vec![
            call(1, "weather", r#"{"city":"Rome"}"#),
            call(2, "time", "{}"),
        ]),
        output(1, "rain"),
        output(2, "noon"),
    ];
    assert_eq!(requests[0].conversation, expected[..1]);
    assert_eq!(requests[1].conversation, expected[..4]);
    assert_eq!(requests[2].conversation, expected);
    let budgets: Vec<_> = requests.iter().map(|request| request.max_completion_tokens).collect();
    assert_eq!(budgets, [Some(300), Some(200), Some(150)]);

    // Later runs include the calls of earlier runs in their places.
    let added = json!([{"role": "user", "content": "Thanks!"}]);
    fixture.create_run_and_wait(json!({"additional_messages": added})).await;
    let later = [assistant("Done."), user("Thanks!")];
    assert_eq!(model.requests()[3].conversation, [&expected[..], &later[..]].concat()[..]);
}
