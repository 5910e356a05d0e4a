//! What a run says reaches the model, as the model is asked.

use std::collections::HashSet;

use crate::harness::{Api, Scene, call_ids, function, merged};
use runstep_server::model::{
    ConversationItem, ModelRequest, NamedSchema, ResponseFormat, Scripted, ToolCall, ToolChoice,
    Turn,
};
use serde_json::{Value, json};

fn user(text: &str) -> ConversationItem {
    ConversationItem::User(text.to_owned())
}

fn assistant(text: &str) -> ConversationItem {
    ConversationItem::Assistant(text.to_owned())
}

/// What the model is asked, for an assistant and a run.
async fn asked(assistant: Value, run: Value) -> ModelRequest {
    let model = Scripted::new([Turn::say("Ok")]);
    let api = Api::new(model.clone());
    let assistant = api.assistant(assistant).await;
    let thread = api.thread("Hello").await;
    let run = Scene { api, assistant, thread }.play(run).await;
    assert_eq!(run["status"], "completed");
    model.requests().remove(0)
}

#[tokio::test(start_paused = true)]
async fn without_overrides_the_assistant_decides() {
    let own = json!({
        "model": "own-model",
        "instructions": "Be kind.",
        "tools": [function("weather")],
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
    });
    let request = asked(own, json!({})).await;
    assert_eq!(request.model, "own-model");
    assert_eq!(request.instructions.as_deref(), Some("Be kind."));
    assert_eq!(request.conversation, [user("Hello")]);
    assert_eq!(request.tools.len(), 1);
    assert_eq!(request.tools[0].name, "weather");
    let parameters = function("weather")["function"]["parameters"].clone();
    assert_eq!(request.tools[0].parameters.as_ref(), parameters.as_object());
    assert_eq!((request.temperature, request.top_p), (Some(0.5), Some(0.25)));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    assert_eq!(request.response_format, ResponseFormat::JsonObject);
    assert_eq!(request.tool_choice, ToolChoice::Auto);
    assert!(request.parallel_tool_calls);
    assert_eq!(request.max_completion_tokens, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_says_goes_before_the_assistant() {
    let own = json!({
        "model": "own-model",
        "instructions": "Be kind.",
        "tools": [function("weather")],
        "temperature": 0.5,
        "top_p": 0.25,
        "reasoning_effort": "high",
        "response_format": {"type": "json_object"},
    });
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let run = json!({
        "model": "other-model",
        "instructions": "Be short.",
        "additional_instructions": "Be true.",
        "additional_messages": [
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "text", "text": "now?"}]},
        ],
        "tools": [merged(function("time"), json!({})), function("place")],
        "tool_choice": {"type": "function", "function": {"name": "place"}},
        "parallel_tool_calls": false,
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "temperature": 0,
        "top_p": 1,
        "reasoning_effort": "low",
        "max_completion_tokens": 300,
    });
    let request = asked(own, run).await;
    assert_eq!(request.model, "other-model");
    let parts: Vec<_> = request.instructions.as_deref().unwrap().lines().collect();
    assert_eq!(parts, ["Be short.", "Be true."]);
    let said = [user("Hello"), assistant("Hi")];
    assert_eq!(request.conversation[..2], said);
    assert_eq!(request.conversation[2], user("And\nnow?"));
    let names: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["time", "place"]);
    assert_eq!(request.tool_choice, ToolChoice::Function("place".to_owned()));
    assert!(!request.parallel_tool_calls);
    assert_eq!(
        request.response_format,
        ResponseFormat::JsonSchema(NamedSchema {
            name: "x".to_owned(),
            description: None,
            schema,
            strict: false
        })
    );
    assert_eq!((request.temperature, request.top_p), (Some(0.0), Some(1.0)));
    assert_eq!(request.reasoning_effort.as_deref(), Some("low"));
    assert_eq!(request.max_completion_tokens, Some(300));
}

#[tokio::test(start_paused = true)]
async fn a_run_shows_what_it_was_made_with() {
    let scene = Api::scripted([Turn::say("Ok")]).scene(&["weather"]).await;
    let given = json!({
        "model": "other-model",
        "instructions": "Be short.",
        "tools": [function("time")],
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
    let run = scene.start(given.clone()).await;
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&run[name], value, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn additional_instructions_are_added_to_the_assistants() {
    let own = json!({"instructions": "Be kind."});
    let request = asked(own, json!({"additional_instructions": "Be true."})).await;
    assert_eq!(request.instructions.as_deref(), Some("Be kind.\nBe true."));
    let request = asked(json!({}), json!({"additional_instructions": "Be true."})).await;
    assert_eq!(request.instructions.as_deref(), Some("Be true."));
    assert_eq!(asked(json!({}), json!({})).await.instructions, None);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_of_tools_means_none_and_null_means_the_assistants() {
    let own = json!({"tools": [function("weather")]});
    assert_eq!(asked(own.clone(), json!({"tools": []})).await.tools, []);
    assert_eq!(asked(own, json!({"tools": null})).await.tools.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tool_choices_reach_the_model() {
    let own = json!({"tools": [function("weather")]});
    let cases = [
        (json!("none"), ToolChoice::None),
        (json!("auto"), ToolChoice::Auto),
        (json!("required"), ToolChoice::Required),
        (json!(null), ToolChoice::Auto),
    ];
    for (choice, expected) in cases {
        let request = asked(own.clone(), json!({"tool_choice": choice})).await;
        assert_eq!(request.tool_choice, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn create_thread_and_run_passes_everything_on() {
    let model = Scripted::new([Turn::say("Ok")]);
    let api = Api::new(model.clone());
    let body = json!({
        "assistant_id": api.assistant(json!({"instructions": "Be kind."})).await,
        "thread": {"messages": [{"role": "user", "content": "Hello"}], "metadata": {"t": "1"}},
        "model": "other-model",
        "instructions": "Be short.",
        "tools": [function("time")],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "response_format": {"type": "json_object"},
        "temperature": 0.5,
        "top_p": 0.25,
        "max_completion_tokens": 300,
        "metadata": {"r": "2"},
    });
    let run = api.post("/threads/runs", body).await.ok();
    let thread = run["thread_id"].as_str().unwrap().to_owned();
    let metadata = &api.get(&format!("/threads/{thread}")).await.ok()["metadata"];
    assert_eq!((metadata, &run["metadata"]), (&json!({"t": "1"}), &json!({"r": "2"})));
    let scene = Scene { api, assistant: String::new(), thread };
    assert_eq!(scene.settle(&run).await["status"], "completed");
    let mut expected = ModelRequest::new("other-model", vec![user("Hello")]);
    expected.instructions = Some("Be short.".to_owned());
    expected.tools = model.requests()[0].tools.clone();
    assert_eq!(expected.tools[0].name, "time");
    expected.tool_choice = ToolChoice::Required;
    expected.parallel_tool_calls = false;
    expected.response_format = ResponseFormat::JsonObject;
    (expected.temperature, expected.top_p) = (Some(0.5), Some(0.25));
    expected.max_completion_tokens = Some(300);
    assert_eq!(model.requests(), [expected]);
}

/// What a run shows when it is made with a new thread, or on one that is there, and what the model
/// is asked. Ids and times are left out.
async fn made(with_thread: bool, more: Value) -> (Value, Option<ModelRequest>) {
    let model = Scripted::new([Turn::say("Ok")]);
    let api = Api::new(model.clone());
    let assistant = json!({"instructions": "Be kind.", "tools": [function("weather")]});
    let body = merged(json!({"assistant_id": api.assistant(assistant).await}), more);
    let run = if with_thread {
        let messages = json!([{"role": "user", "content": "Hello"}]);
        let body = merged(json!({"thread": {"messages": messages}}), body);
        api.post("/threads/runs", body).await.ok()
    } else {
        let thread = api.thread("Hello").await;
        api.post(&format!("/threads/{thread}/runs"), body).await.ok()
    };
    let thread = run["thread_id"].as_str().unwrap().to_owned();
    let mut run = Scene { api, assistant: String::new(), thread }.settle(&run).await;
    for (name, value) in run.as_object_mut().unwrap() {
        if name.ends_with("id") || name.ends_with("_at") {
            *value = Value::Null;
        }
    }
    (run, model.requests().pop())
}

#[tokio::test(start_paused = true)]
async fn create_thread_and_run_takes_every_field_of_the_specification() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let request = &document["components"]["schemas"]["CreateThreadAndRunRequest"];
    for name in request["properties"].as_object().unwrap().keys() {
        let value = match name.as_str() {
            "model" => json!("other-model"),
            "instructions" => json!("Be short."),
            "tools" => json!([function("time")]),
            "metadata" => json!({"r": "2"}),
            "temperature" => json!(0.5),
            "top_p" => json!(0.25),
            "max_prompt_tokens" | "max_completion_tokens" => json!(256),
            "truncation_strategy" => json!({"type": "last_messages", "last_messages": 1}),
            "tool_choice" => json!("none"),
            "parallel_tool_calls" => json!(false),
            "response_format" => json!({"type": "json_object"}),
            "reasoning_effort" => json!("low"),
            // These have tests of their own, below and elsewhere.
            "assistant_id" | "thread" | "tool_resources" | "stream" => continue,
            other => panic!("say here how '{other}' shows"),
        };
        let body = json!({ name: value });
        let shown = made(true, body.clone()).await;
        assert_ne!(shown, made(true, json!({})).await, "{name} does not reach the run");
        assert_eq!(shown, made(false, body).await, "{name}");
    }

    let model = Scripted::new([Turn::say("Ok")]);
    let api = Api::new(model.clone());
    let body = json!({
        "assistant_id": api.assistant(json!({"model": "own-model"})).await,
        "thread": {"messages": [{"role": "user", "content": "Hello"}]},
        "stream": true,
    });
    api.stream("/threads/runs", body.clone()).await;
    let asked = &model.requests()[0];
    assert_eq!((asked.model.as_str(), &asked.conversation), ("own-model", &vec![user("Hello")]));
    let resources = json!({"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}});
    let error = api.post("/threads/runs", merged(body, resources)).await.refused(400);
    assert_eq!(error["param"], "tool_resources.file_search");
}

#[tokio::test(start_paused = true)]
async fn a_thread_is_optional_when_it_is_made_with_its_run() {
    let model = Scripted::new([Turn::say("Ok")]);
    let api = Api::new(model.clone());
    let body = json!({"assistant_id": api.assistant(json!({})).await});
    let run = api.post("/threads/runs", body).await.ok();
    let thread = run["thread_id"].as_str().unwrap().to_owned();
    let scene = Scene { api, assistant: String::new(), thread };
    scene.settle(&run).await;
    assert_eq!(scene.texts().await, ["Ok"]);
    assert_eq!(model.requests()[0].conversation, []);
}

#[tokio::test(start_paused = true)]
async fn truncation_keeps_the_newest_messages() {
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
        assert_eq!(asked(json!({}), run).await.conversation, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_oldest_messages_are_left_out_of_a_prompt_that_is_too_long() {
    let long = "word".repeat(200);
    let added = json!([
        {"role": "user", "content": long},
        {"role": "user", "content": "Last"},
    ]);
    let run = json!({"additional_messages": added, "max_prompt_tokens": 256});
    assert_eq!(
        asked(json!({}), run.clone()).await.conversation,
        [user("Hello"), user(&long), user("Last")]
    );
    let own = json!({"instructions": "word".repeat(100)});
    assert_eq!(asked(own, run).await.conversation, [user("Last")]);
}

#[tokio::test(start_paused = true)]
async fn rounds_of_tools_are_part_of_the_conversation() {
    let model = Scripted::new([
        Turn::say("Let me look.").and_call("weather", json!({"city": "Paris"})).usage(5, 100),
        Turn::call("weather", json!({"city": "Rome"})).and_call("time", json!({})).usage(5, 50),
        Turn::say("Done.").usage(5, 1),
        Turn::say("You are welcome."),
    ]);
    let scene = Api::new(model.clone()).scene(&["weather", "time"]).await;
    let first = scene.play(json!({"max_completion_tokens": 300})).await;
    scene.submit(&first, &["sun"]).await;
    let second = scene.settle(&first).await;
    scene.submit(&second, &["rain", "noon"]).await;
    assert_eq!(scene.settle(&first).await["status"], "completed");

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
        assistant("Let me look."),
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
    let left: Vec<_> = requests.iter().map(|request| request.max_completion_tokens).collect();
    assert_eq!(left, [Some(300), Some(200), Some(150)]);

    // A later run sees the messages and not the calls.
    let more = json!([{"role": "user", "content": "Thanks!"}]);
    scene.play(json!({"additional_messages": more})).await;
    assert_eq!(
        model.requests()[3].conversation,
        [user("Hello there"), assistant("Let me look."), assistant("Done."), user("Thanks!")]
    );
}
