//! Creation, retrieval and updates of objects.

use runstep_server::model::{ModelRequest, Offline, Scripted, Turn};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, function_tool, id, merged, run_pending_tasks};

/// Updates an object, and checks that it is retrieved as returned.
async fn update_and_check(client: &TestClient, path: &str, body: Value) -> Value {
    let updated = client.post(path, body).await.ok();
    assert_eq!(client.get(path).await.ok(), updated);
    updated
}

/// A create-assistant body with every field.
fn complete_assistant() -> Value {
    json!({
        "model": "m",
        "name": "n",
        "description": "d",
        "instructions": "i",
        "tools": [function_tool("weather")],
        "metadata": {"a": "1", "b": "2"},
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": {"type": "json_object"},
    })
}

#[tokio::test(start_paused = true)]
async fn created_objects_are_retrieved_unchanged() {
    let fixture = Fixture::with_model(Offline::new(), &["weather"]).await;
    let client = &fixture.client;
    let body = complete_assistant();
    let assistant = client.post("/assistants", body.clone()).await.ok();
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&assistant[name], value, "{name}");
    }
    let path = format!("/assistants/{}", id(&assistant));
    assert_eq!(client.get(&path).await.ok(), assistant);

    let content = json!([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]);
    let body = json!({"role": "assistant", "content": content, "metadata": {"c": "d"}});
    let message = client.post(&fixture.messages_path(), body).await.ok();
    assert_eq!(client.get(&fixture.message_path(&message)).await.ok(), message);
    assert_eq!((&message["role"], &message["metadata"]), (&"assistant".into(), &json!({"c": "d"})));
    let values: Vec<_> =
        message["content"].as_array().unwrap().iter().map(|part| &part["text"]["value"]).collect();
    assert_eq!(values, ["One", "Two"]);

    let run = fixture.create_run_and_wait(json!({})).await;
    let step = &fixture.list_steps(&run).await[0];
    let path = fixture.run_path(&run, &format!("/steps/{}", id(step)));
    assert_eq!(&client.get(&path).await.ok(), step);
}

/// Some clients fail if these are null or absent.
#[tokio::test(start_paused = true)]
async fn objects_have_the_defaults_of_the_original_api() {
    let client = TestClient::with_model(Offline::new());
    let assistant = client.post("/assistants", json!({"model": "m"})).await.ok();
    assert_eq!(assistant["response_format"], "auto");
    assert_eq!(assistant["tool_resources"], json!({}));
    let path = format!("/assistants/{}", id(&assistant));
    let updated = update_and_check(&client, &path, json!({"response_format": null})).await;
    assert_eq!(updated, assistant);
    let thread = client.post("/threads", json!({})).await.ok();
    assert_eq!(thread["tool_resources"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn assistant_update_changes_only_given_fields() {
    let client = TestClient::with_model(Offline::new());
    let mut assistant = client.post("/assistants", complete_assistant()).await.ok();
    let path = format!("/assistants/{}", id(&assistant));
    let updates = [
        json!({}),
        json!({"model": "m2"}),
        json!({"name": "n2"}),
        json!({"description": "d2"}),
        json!({"instructions": ""}),
        json!({"tools": [function_tool("time"), function_tool("location")]}),
        json!({"tools": []}),
        json!({"metadata": {"c": "3"}}),
        json!({"metadata": {}}),
        json!({"temperature": 0.0}),
        json!({"top_p": 1.0}),
        json!({"response_format": {"type": "text"}}),
        json!({"name": "n3", "description": "d3", "temperature": 1.5}),
        // Empty tool resources are accepted.
        json!({"tool_resources": {}}),
        json!({"tool_resources": null}),
    ];
    for body in updates {
        let mut applied = body.clone();
        applied.as_object_mut().unwrap().remove("tool_resources");
        assistant = merged(assistant, applied);
        assert_eq!(update_and_check(&client, &path, body).await, assistant);
    }
}

#[tokio::test(start_paused = true)]
async fn null_clears_optional_assistant_fields() {
    let client = TestClient::with_model(Offline::new());
    let path = format!("/assistants/{}", client.create_assistant(complete_assistant()).await);
    for name in ["name", "description", "instructions"] {
        assert_eq!(update_and_check(&client, &path, json!({name: null})).await[name], Value::Null);
    }
    for name in ["temperature", "top_p"] {
        assert_eq!(update_and_check(&client, &path, json!({name: null})).await[name], 1.0);
    }
    assert_eq!(
        update_and_check(&client, &path, json!({"metadata": null})).await["metadata"],
        json!({})
    );
    let updated = update_and_check(&client, &path, json!({"response_format": null})).await;
    let minimal = client.post("/assistants", json!({"model": "m"})).await.ok();
    assert_eq!(updated.get("response_format"), minimal.get("response_format"));
    assert_eq!(updated["tools"], json!([function_tool("weather")]));
    // These have no null, so it leaves them as they are.
    for name in ["model", "tools"] {
        assert_eq!(update_and_check(&client, &path, json!({name: null})).await, updated);
    }
}

/// Creates a run without settings; returns the request that the model received.
async fn model_request(fixture: &Fixture, model: &Scripted) -> ModelRequest {
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    model.requests().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn new_runs_use_the_updated_assistant() {
    let model = Scripted::new(vec![Turn::text("Ok"); 3]);
    let client = TestClient::with_model(model.clone());
    let fixture = client.create_fixture(&["weather"]).await;
    let body = json!({
        "model": "m2", "instructions": "Be kind.", "tools": [function_tool("time")],
        "temperature": 0.5, "reasoning_effort": "high", "response_format": {"type": "json_object"},
    });
    client.post(&fixture.assistant_path(), body).await.ok();
    let request = model_request(&fixture, &model).await;
    assert_eq!(request.model, "m2");
    assert_eq!(request.instructions.as_deref(), Some("Be kind."));
    assert_eq!(request.tools[0].name, "time");
    assert_eq!(request.temperature, Some(0.5));
    assert_eq!(request.reasoning_effort.as_deref(), Some("high"));
    // A field that the object does not return is also kept until it is cleared.
    client.post(&fixture.assistant_path(), json!({"name": "n"})).await.ok();
    assert_eq!(model_request(&fixture, &model).await.reasoning_effort.as_deref(), Some("high"));
    client.post(&fixture.assistant_path(), json!({"reasoning_effort": null})).await.ok();
    assert_eq!(model_request(&fixture, &model).await.reasoning_effort, None);
}

#[tokio::test(start_paused = true)]
async fn existing_runs_keep_their_settings_after_an_assistant_update() {
    let model = Scripted::new([Turn::call("weather", json!({})), Turn::text("Sunny.")]);
    let fixture = Fixture::with_model(model.clone(), &["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    let body = json!({"model": "m2", "instructions": "Be rude.", "tools": []});
    fixture.client.post(&fixture.assistant_path(), body).await.ok();
    assert_eq!(fixture.get_run(&waiting).await, waiting);
    fixture.submit_outputs(&waiting, &["sun"]).await;
    assert_eq!(fixture.wait_for_run(&waiting).await["status"], "completed");
    let requests = model.requests();
    assert_eq!(requests[1].model, requests[0].model);
    assert_eq!(requests[1].instructions, requests[0].instructions);
    assert_eq!(requests[1].tools, requests[0].tools);
}

#[tokio::test(start_paused = true)]
async fn run_metadata_can_be_replaced_during_and_after_the_run() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let run = fixture.create_run(json!({"metadata": {"a": "1", "b": "2"}})).await;
    let update = async |body: Value| {
        let updated = fixture.client.post(&fixture.run_path(&run, ""), body).await.ok();
        assert_eq!(updated, fixture.get_run(&run).await);
        updated["metadata"].clone()
    };
    assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
    fixture.wait_for_run(&run).await;
    for cleared in [json!({}), json!(null)] {
        assert_eq!(update(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
        assert_eq!(update(json!({})).await, json!({"c": "3"}));
        assert_eq!(update(json!({"metadata": cleared})).await, json!({}));
    }
    let response =
        fixture.client.post(&fixture.run_path(&run, ""), json!({"status": "queued"})).await;
    assert_eq!(response.expect_error(400)["param"], "status");
}

#[tokio::test(start_paused = true)]
async fn thread_and_message_metadata_can_be_replaced_during_a_run() {
    let fixture = Fixture::with_turns([Turn::stall()], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    for path in [fixture.thread_path(), fixture.message_path(&fixture.newest_message().await)] {
        let before = fixture.client.get(&path).await.ok();
        let metadata = async |body: Value| {
            let updated = update_and_check(&fixture.client, &path, body).await;
            let expected = merged(before.clone(), json!({"metadata": updated["metadata"]}));
            assert_eq!(updated, expected);
            updated["metadata"].clone()
        };
        let pairs = json!({"a": "1", "b": "2"});
        assert_eq!(metadata(json!({"metadata": pairs})).await, pairs);
        assert_eq!(metadata(json!({})).await, pairs);
        assert_eq!(metadata(json!({"metadata": {"c": "3"}})).await, json!({"c": "3"}));
        assert_eq!(metadata(json!({"metadata": null})).await, json!({}));
    }
    assert_eq!(fixture.get_run(&run).await["status"], "in_progress");
}

#[tokio::test(start_paused = true)]
async fn message_metadata_is_kept_until_the_message_ends() {
    let fixture = Fixture::with_turns([Turn::text("It is").and_stall()], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    let path = fixture.message_path(&fixture.newest_message().await);
    let in_progress =
        update_and_check(&fixture.client, &path, json!({"metadata": {"a": "1"}})).await;
    assert_eq!(in_progress["status"], "in_progress");
    fixture.cancel_run(&run).await.ok();
    fixture.wait_for_run(&run).await;
    let message = fixture.client.get(&path).await.ok();
    assert_eq!(message["status"], "incomplete");
    assert_eq!(message["metadata"], json!({"a": "1"}));
}

#[tokio::test(start_paused = true)]
async fn rejected_updates_change_nothing() {
    let fixture = Fixture::with_model(Offline::new(), &["weather"]).await;
    let message = fixture.message_path(&fixture.newest_message().await);
    let (assistant, thread) = (fixture.assistant_path(), fixture.thread_path());
    let file_search = json!({"file_search": {"vector_store_ids": ["vs_1"]}});
    let cases = [
        (&assistant, "id", json!("asst_x"), "id", "unknown_parameter"),
        (&assistant, "modle", json!("m"), "modle", "unknown_parameter"),
        (&assistant, "name", json!(1), "name", "invalid_type"),
        (&assistant, "name", json!("x".repeat(257)), "name", "string_above_max_length"),
        (&assistant, "temperature", json!(2.5), "temperature", "number_above_max_value"),
        (&assistant, "reasoning_effort", json!("huge"), "reasoning_effort", "invalid_value"),
        (&assistant, "metadata", json!({"a": 1}), "metadata.a", "invalid_type"),
        (
            &assistant,
            "tools",
            json!(vec![function_tool("f"); 129]),
            "tools",
            "array_above_max_length",
        ),
        (
            &assistant,
            "tools",
            json!([function_tool("f"), {"type": "file_search"}]),
            "tools[1].type",
            "unsupported_value",
        ),
        (
            &assistant,
            "tool_resources",
            json!({"code_interpreter": {"file_ids": ["file_1"]}}),
            "tool_resources.code_interpreter",
            "unsupported_value",
        ),
        // The specification has this field only for creation.
        (
            &assistant,
            "tool_resources",
            json!({"file_search": {"vector_stores": []}}),
            "tool_resources.file_search.vector_stores",
            "unknown_parameter",
        ),
        (&thread, "tool_resources", file_search, "tool_resources.file_search", "unsupported_value"),
        (&thread, "messages", json!([]), "messages", "unknown_parameter"),
        (&thread, "metadata", json!("a"), "metadata", "invalid_type"),
        (&message, "content", json!("Hi"), "content", "unknown_parameter"),
        (&message, "role", json!("user"), "role", "unknown_parameter"),
        (&message, "metadata", json!([]), "metadata", "invalid_type"),
    ];
    for (path, field, value, param, code) in cases {
        let before = fixture.client.get(path).await.ok();
        // Valid fields in the same request are not applied either.
        let body = merged(json!({"metadata": {"new": "yes"}}), json!({field: value}));
        fixture.client.post(path, body).await.expect_invalid(param, code);
        assert_eq!(fixture.client.get(path).await.ok(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_updates_are_all_applied() {
    let client = TestClient::with_model(Offline::new());
    let path = format!("/assistants/{}", client.create_assistant(json!({})).await);
    let bodies = [
        json!({"name": "n"}),
        json!({"description": "d"}),
        json!({"instructions": "i"}),
        json!({"temperature": 0.5}),
        json!({"top_p": 0.25}),
    ];
    let updates: Vec<_> = bodies
        .iter()
        .map(|body| {
            let (client, path, body) = (client.clone(), path.clone(), body.clone());
            tokio::spawn(async move { client.post(&path, body).await.ok() })
        })
        .collect();
    for update in updates {
        update.await.unwrap();
    }
    let updated = client.get(&path).await.ok();
    let expected = bodies.into_iter().fold(updated.clone(), merged);
    assert_eq!(updated, expected);
}
