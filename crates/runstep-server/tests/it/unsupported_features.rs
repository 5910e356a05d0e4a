//! Features of the API that this server does not support.

use runstep_server::model::Offline;
use serde_json::{Value, json};

use crate::harness::{Fixture, function_tool, merged};

#[tokio::test(start_paused = true)]
async fn built_in_tools_are_rejected_by_name() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    for kind in ["code_interpreter", "file_search"] {
        let tools = json!({"tools": [function_tool("weather"), {"type": kind}]});
        let feature = format!("the tool '{kind}' without --upstream-api responses");
        let body = merged(json!({"model": "test-model"}), tools.clone());
        fixture
            .client
            .post("/assistants", body)
            .await
            .expect_unsupported("tools[1].type", &feature);
        fixture.try_create_run(tools.clone()).await.expect_unsupported("tools[1].type", &feature);
        let body = fixture.run_body(tools);
        fixture
            .client
            .post("/threads/runs", body)
            .await
            .expect_unsupported("tools[1].type", &feature);
    }
    assert_eq!(fixture.client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn tool_resources_are_rejected_by_name() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let resources = json!({"file_search": {"vector_store_ids": ["vs_1"]}});
    let (param, feature) =
        ("tool_resources.file_search", "tool resources without --upstream-api responses");
    let body = json!({"model": "test-model", "tool_resources": resources});
    client.post("/assistants", body).await.expect_unsupported(param, feature);
    let body = json!({"tool_resources": resources});
    client.post("/threads", body.clone()).await.expect_unsupported(param, feature);
    let run = fixture.run_body(json!({"thread": body}));
    client.post("/threads/runs", run).await.expect_unsupported(&format!("thread.{param}"), feature);
    let resources = json!({"code_interpreter": {"file_ids": ["file_1"]}});
    let run = fixture.run_body(json!({"tool_resources": resources}));
    client
        .post("/threads/runs", run)
        .await
        .expect_unsupported("tool_resources.code_interpreter", feature);
    // Empty tool resources are accepted.
    for empty in [json!({}), Value::Null, json!({"file_search": {}, "code_interpreter": {}})] {
        client.post("/threads", json!({"tool_resources": empty})).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn unsupported_message_content_is_rejected_without_side_effects() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let url = json!({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}});
    let file = json!({"type": "image_file", "image_file": {"file_id": "file_1"}});
    let text = json!({"type": "text", "text": "See:"});
    let attachments = json!([{"file_id": "file_1", "tools": [{"type": "code_interpreter"}]}]);
    let cases = [
        (json!({"content": [text, url]}), "content[1].type", "content of type 'image_url'"),
        (
            json!({"content": [file]}),
            "content[0].type",
            "content of type 'image_file' without --upstream-api responses",
        ),
        (
            json!({"content": "Hi", "attachments": attachments}),
            "attachments",
            "attachments without --upstream-api responses",
        ),
    ];
    for (message, param, feature) in cases {
        let message = merged(json!({"role": "user"}), message);
        let supported = json!({"role": "user", "content": "Supported."});
        let both = json!([supported, message]);
        client
            .post(&fixture.messages_path(), message.clone())
            .await
            .expect_unsupported(param, feature);
        let response = client.post("/threads", json!({"messages": both})).await;
        response.expect_unsupported(&format!("messages[1].{param}"), feature);
        let response = fixture.try_create_run(json!({"additional_messages": both})).await;
        response.expect_unsupported(&format!("additional_messages[1].{param}"), feature);
        let body = fixture.run_body(json!({"thread": {"messages": both}}));
        let response = client.post("/threads/runs", body).await;
        response.expect_unsupported(&format!("thread.messages[1].{param}"), feature);
    }
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn tool_choice_must_name_an_offered_function() {
    let fixture = Fixture::with_model(Offline::new(), &["weather"]).await;
    let with_tool_choice = |choice: Value| json!({"tool_choice": choice});
    for kind in ["code_interpreter", "file_search"] {
        let response = fixture.try_create_run(with_tool_choice(json!({"type": kind}))).await;
        let feature = format!("the tool '{kind}' without --upstream-api responses");
        response.expect_unsupported("tool_choice.type", &feature);
    }
    let named = with_tool_choice(json!({"type": "function", "function": {"name": "time"}}));
    let message = "Invalid 'tool_choice.function.name': the run has no function 'time'; name one of its tools.";
    let param = "tool_choice.function.name";
    let response = fixture.try_create_run(named.clone()).await;
    assert_eq!(response.expect_invalid(param, "invalid_value"), message);
    let response = fixture.client.post("/threads/runs", fixture.run_body(named)).await;
    assert_eq!(response.expect_invalid(param, "invalid_value"), message);
    // The run's own tools replace those of the assistant.
    let named = json!({"type": "function", "function": {"name": "weather"}});
    let body = merged(with_tool_choice(named), json!({"tools": [function_tool("time")]}));
    fixture.try_create_run(body).await.expect_invalid(param, "invalid_value");
    let unnamed = fixture.try_create_run(with_tool_choice(json!({"type": "function"}))).await;
    assert_eq!(unnamed.expect_error(400)["param"], "tool_choice.function");
    assert_eq!(fixture.client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
}
