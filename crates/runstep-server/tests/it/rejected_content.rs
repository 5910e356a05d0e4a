//! Content that model providers reject: it is refused at once, so that it does not make all later
//! runs of its thread fail.

use runstep_server::model::{ChatCompletions, Offline};
use serde_json::{Value, json};

use crate::harness::{Fixture, function_tool, merged};

/// A fixture whose model supports images. The provider is never called.
async fn fixture_with_images() -> Fixture {
    let model = ChatCompletions::builder("http://127.0.0.1:9/v1").build().unwrap();
    Fixture::with_model(model, &[]).await
}

fn image(url: &str) -> Value {
    json!({"type": "image_url", "image_url": {"url": url}})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// Sends a message's content in each request that has messages. Returns the error's message.
async fn expect_rejected(fixture: &Fixture, content: Value, param: &str) -> String {
    let message = json!({"role": "user", "content": content});
    let both = json!([{"role": "user", "content": "Fine."}, message]);
    let client = &fixture.client;
    let response = client.post("/threads", json!({"messages": both})).await;
    response.expect_invalid(format!("messages[1].{param}"), "invalid_value");
    let response = fixture.try_create_run(json!({"additional_messages": both})).await;
    response.expect_invalid(format!("additional_messages[1].{param}"), "invalid_value");
    let body = fixture.run_body(json!({"thread": {"messages": both}}));
    let response = client.post("/threads/runs", body).await;
    response.expect_invalid(format!("thread.messages[1].{param}"), "invalid_value");
    fixture.try_add_message(content).await.expect_invalid(param, "invalid_value")
}

#[tokio::test(start_paused = true)]
async fn messages_without_content_are_rejected() {
    let fixture = fixture_with_images().await;
    let message = expect_rejected(&fixture, "".into(), "content").await;
    assert_eq!(message, "Invalid 'content': the text is empty.");
    fixture.try_add_message(json!([])).await.expect_invalid("content", "array_below_min_length");
    let parts = json!([text("Hi"), text("")]);
    let message = expect_rejected(&fixture, parts, "content[1].text").await;
    assert_eq!(message, "Invalid 'content[1].text': the text is empty.");
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn message_length_is_limited_in_characters() {
    let fixture = fixture_with_images().await;
    let longest = "ä".repeat(256_000);
    fixture.add_message(longest.as_str()).await;
    fixture.add_message(json!([text(&longest[2..]), text("x")])).await;
    let message = expect_rejected(&fixture, format!("{longest}x").into(), "content").await;
    assert_eq!(
        message,
        "Invalid 'content': expected at most 256000 characters, but got 256001 instead."
    );
    expect_rejected(&fixture, json!([text(&longest), text("x")]), "content").await;
}

#[tokio::test(start_paused = true)]
async fn image_urls_must_be_fetchable_or_contain_an_image() {
    let fixture = fixture_with_images().await;
    for url in
        ["https://example.com/a.png", "HTTP://127.0.0.1:8/a?b#c", "data:image/png;base64,iVBO"]
    {
        fixture.add_message(json!([image(url)])).await;
    }
    let without_detail = json!({"url": "https://example.com/a.png", "detail": null});
    fixture.add_message(json!([{"type": "image_url", "image_url": without_detail}])).await;
    let invalid = [
        "",
        "a.png",
        "/a.png",
        "https://",
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        "javascript:alert(1)",
        "data:",
        "data:image/png;base64,",
        "data:text/html,<p>",
        "data:image/png",
    ];
    for url in invalid {
        let content = json!([text("See:"), image(url)]);
        let message = expect_rejected(&fixture, content, "content[1].image_url.url").await;
        assert!(message.contains(&format!("but got '{url}' instead.")), "{message}");
    }
    let long = format!("file:///{}", "x".repeat(100_000));
    let message =
        expect_rejected(&fixture, json!([image(&long)]), "content[0].image_url.url").await;
    assert!(message.len() < 300, "{message}");
}

#[tokio::test(start_paused = true)]
async fn names_of_functions_and_response_formats_are_checked() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    let format = |name: &str| {
        let schema = json!({"name": name, "schema": {"type": "object"}});
        json!({"response_format": {"type": "json_schema", "json_schema": schema}})
    };
    let tools = |name: &str| json!({"tools": [function_tool("fine"), function_tool(name)]});
    let (too_long, longest) = ("x".repeat(65), "x".repeat(64));
    for name in ["", "bad name!", "a.b", "größe", "a\n", &too_long] {
        let cases = [
            (tools(name), "tools[1].function.name"),
            (format(name), "response_format.json_schema.name"),
        ];
        for (fields, param) in cases {
            let with_model = merged(json!({"model": "m"}), fields.clone());
            let created = client.post("/assistants", with_model).await;
            created.expect_invalid(param, "invalid_value");
            let updated = client.post(&fixture.assistant_path(), fields.clone()).await;
            updated.expect_invalid(param, "invalid_value");
            let run = fixture.try_create_run(fields.clone()).await;
            run.expect_invalid(param, "invalid_value");
            let run = client.post("/threads/runs", fixture.run_body(fields)).await;
            let message = run.expect_invalid(param, "invalid_value");
            let expected = "expected 1 to 64 letters, digits, '_' and '-'";
            assert!(message.starts_with(&format!("Invalid '{param}': {expected}")), "{message}");
        }
    }
    for name in ["f", "Get_weather-2", &longest] {
        client.post(&fixture.assistant_path(), merged(tools(name), format(name))).await.ok();
    }
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
}
