//! Null for "left out" in every request, and what responses have without being asked.

use runstep_server::Server;
use runstep_server::model::{Responses, Scripted, Turn};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, call_ids, function_tool, id, merged};

/// A fixture whose model has built-in tools and never gets a request.
async fn fixture() -> Fixture {
    let model = Responses::builder("http://127.0.0.1:9/v1").build().unwrap();
    let client = TestClient::from_builder(Server::builder().model(model));
    let assistant = client.create_assistant(json!({"tools": [function_tool("f")]})).await;
    let thread = client.create_thread("Hello there").await;
    Fixture { client, assistant, thread }
}

/// The properties of a request that are not required.
fn optional_properties(component: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let schema = &document["components"]["schemas"][component];
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let names = schema["properties"].as_object().unwrap().keys();
    names.filter(|name| !required.contains(&json!(name))).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn null_leaves_out_each_optional_property_of_each_request() {
    let fixture = fixture().await;
    let client = &fixture.client;
    let message = client.get(&fixture.messages_path()).await.ok()["data"][0].clone();
    let user = json!({"role": "user", "content": "Hi"});
    let requests = [
        ("CreateAssistantRequest", "/assistants".to_owned(), json!({"model": "m"})),
        ("UpdateAssistantRequest", fixture.assistant_path(), json!({})),
        ("CreateThreadRequest", "/threads".to_owned(), json!({})),
        ("UpdateThreadRequest", fixture.thread_path(), json!({})),
        ("CreateMessageRequest", fixture.messages_path(), user),
        ("UpdateMessageRequest", fixture.message_path(&message), json!({})),
        ("CreateRunRequest", String::new(), fixture.run_body(json!({}))),
        ("CreateThreadAndRunRequest", "/threads/runs".to_owned(), fixture.run_body(json!({}))),
    ];
    let mut count = 0;
    for (component, path, body) in requests {
        for property in optional_properties(component) {
            let path = match component {
                // A thread has one active run.
                "CreateRunRequest" => format!("/threads/{}/runs", client.create_thread("Hi").await),
                _ => path.clone(),
            };
            let body = merged(body.clone(), json!({property.as_str(): null}));
            let response = client.post(&path, body).await;
            assert_eq!(response.status, 200, "{component}.{property}: {}", response.body);
            count += 1;
        }
    }
    assert!(count > 40, "the test finds {count} properties");
}

#[tokio::test(start_paused = true)]
async fn null_leaves_out_nested_properties() {
    let fixture = fixture().await;
    let client = &fixture.client;
    let function = json!({"name": "f", "description": null, "parameters": null, "strict": null});
    let search = json!({"type": "file_search", "file_search": null});
    let ranked = json!({"type": "file_search",
        "file_search": {"max_num_results": null, "ranking_options": null}});
    let tools = json!([{"type": "function", "function": function}, {"type": "code_interpreter"}]);
    let image = json!({"type": "image_url",
        "image_url": {"url": "https://example.com/a.png", "detail": null}});
    let image_file =
        json!({"type": "image_file", "image_file": {"file_id": "file-1", "detail": null}});
    let resources = json!({"code_interpreter": {"file_ids": null},
        "file_search": {"vector_store_ids": [], "vector_stores": null}});
    let schema = json!({"name": "n", "description": null, "schema": null, "strict": null});
    let strategy = json!({"type": "auto", "last_messages": null});
    let format = json!({"type": "json_schema", "json_schema": schema});
    let message = |content: Value| json!({"role": "user", "content": content, "attachments": null});
    let attachment = json!([{"file_id": "file-1", "tools": null}]);
    let attached = json!({"role": "user", "content": "Hi", "attachments": attachment});
    let assistant = json!({"model": "m"});
    let run = fixture.run_body(json!({}));
    let cases = [
        ("/assistants", &assistant, json!({"tools": tools})),
        ("/assistants", &assistant, json!({"tools": [search]})),
        ("/assistants", &assistant, json!({"tools": [ranked]})),
        ("/assistants", &assistant, json!({"tool_resources": resources})),
        ("/assistants", &assistant, json!({"response_format": format})),
        ("/threads", &json!({}), json!({"messages": [message(json!([image]))]})),
        ("/threads", &json!({}), json!({"messages": [message(json!([image_file]))]})),
        ("/threads", &json!({}), json!({"messages": [attached]})),
        ("/threads", &json!({}), json!({"tool_resources": resources})),
        ("/threads/runs", &run, json!({"truncation_strategy": strategy})),
        ("/threads/runs", &run, json!({"thread": {"messages": null, "metadata": null}})),
    ];
    for (path, body, fields) in cases {
        let response = client.post(path, merged(body.clone(), fields.clone())).await;
        assert_eq!(response.status, 200, "{path} {fields}: {}", response.body);
    }
}

#[tokio::test(start_paused = true)]
async fn null_outputs_are_empty_in_the_request_to_the_model() {
    let model = Scripted::new([Turn::call("weather", json!({})), Turn::text("Fine.")]);
    let fixture = Fixture::with_model(model.clone(), &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let outputs = json!([{"tool_call_id": call_ids(&run)[0], "output": null}]);
    fixture.try_submit_outputs(&run, json!({"tool_outputs": outputs, "stream": null})).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    let steps = fixture.client.get(&fixture.run_path(&run, "/steps?order=asc")).await.ok();
    assert_eq!(steps["data"][0]["step_details"]["tool_calls"][0]["function"]["output"], "");
}

#[tokio::test(start_paused = true)]
async fn empty_file_ids_are_kept() {
    let fixture = fixture().await;
    let resources = json!({"code_interpreter": {"file_ids": []},
        "file_search": {"vector_store_ids": []}});
    let body = json!({"model": "m", "tool_resources": resources});
    let assistant = fixture.client.post("/assistants", body).await.ok();
    assert_eq!(assistant["tool_resources"], resources);
    for path in [fixture.assistant_path(), fixture.thread_path()] {
        let updated = fixture.client.post(&path, json!({"tool_resources": resources})).await.ok();
        assert_eq!(updated["tool_resources"], resources, "{path}");
    }
    let message = json!({"role": "user", "content": "Hi", "attachments": []});
    let body = json!({"messages": [message], "tool_resources": resources});
    assert_eq!(fixture.client.post("/threads", body).await.ok()["tool_resources"], resources);
    // Lists that are left out are empty, too.
    for (files, search) in [
        (json!({}), json!({})),
        (json!({"file_ids": null}), json!({"vector_store_ids": null})),
        (json!({}), json!({"vector_store_ids": null, "vector_stores": null})),
        (json!({}), json!({"vector_store_ids": [], "vector_stores": null})),
    ] {
        let given = json!({"code_interpreter": files, "file_search": search});
        for (path, fields) in [("/assistants", json!({"model": "m"})), ("/threads", json!({}))] {
            let created = json!({"tool_resources": given});
            let created = fixture.client.post(path, merged(fields, created)).await.ok();
            assert_eq!(created["tool_resources"], resources, "{path}: {given}");
            // Updates do not create vector stores.
            if search.get("vector_stores").is_some() {
                continue;
            }
            let path = format!("{path}/{}", id(&created));
            let cleared = json!({"tool_resources": null});
            fixture.client.post(&path, cleared).await.ok();
            let updated = fixture.client.post(&path, json!({"tool_resources": given})).await.ok();
            assert_eq!(updated["tool_resources"], resources, "{path}: {given}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn responses_have_the_defaults_of_the_api() {
    for fixture in [fixture().await, Fixture::with_turns([], &["f"]).await] {
        let assistant = fixture.client.post("/assistants", json!({"model": "m"})).await.ok();
        let thread = fixture.client.post("/threads", json!({})).await.ok();
        let run = fixture.create_run(json!({})).await;
        let message = fixture.client.get(&fixture.messages_path()).await.ok()["data"][0].clone();
        let defaults = [
            (
                &assistant,
                json!({"name": null, "description": null, "instructions": null, "tools": [],
                    "metadata": {}, "temperature": 1.0, "top_p": 1.0, "response_format": "auto",
                    "tool_resources": {}}),
            ),
            (&thread, json!({"metadata": {}, "tool_resources": {}})),
            (
                &run,
                json!({"metadata": {}, "temperature": 1.0, "top_p": 1.0, "response_format": "auto",
                    "tool_choice": "auto", "parallel_tool_calls": true, "max_prompt_tokens": null,
                    "max_completion_tokens": null, "required_action": null, "last_error": null,
                    "incomplete_details": null, "usage": null, "started_at": null,
                    "completed_at": null, "cancelled_at": null, "failed_at": null,
                    "truncation_strategy": {"type": "auto"}}),
            ),
            (&message, json!({"metadata": {}, "attachments": [], "run_id": null})),
        ];
        for (object, defaults) in defaults {
            for (name, expected) in defaults.as_object().unwrap() {
                assert_eq!(object.get(name), Some(expected), "{} {name}", object["object"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_limits_are_accepted_from_1() {
    let fixture = fixture().await;
    for tokens in [1, 16, 255] {
        let limits = json!({"max_prompt_tokens": tokens, "max_completion_tokens": tokens});
        let response = fixture.client.post("/threads/runs", fixture.run_body(limits)).await.ok();
        assert_eq!(response["max_completion_tokens"], tokens);
    }
    let zero = fixture.run_body(json!({"max_completion_tokens": 0}));
    let response = fixture.client.post("/threads/runs", zero).await;
    response.expect_invalid("max_completion_tokens", "integer_below_min_value");
}

#[tokio::test(start_paused = true)]
async fn beta_header_is_required_only_on_demand() {
    let builder = || Server::builder().model(Scripted::new([]));
    let lenient = TestClient::from_builder(builder());
    let strict = TestClient::from_builder(builder().strict_beta_header(true));
    for value in [None, Some("assistants=v1"), Some("something"), Some("")] {
        let with_value = |client: &TestClient| match value {
            Some(value) => client.with_header("openai-beta", value),
            None => client.clone(),
        };
        with_value(&lenient).post("/threads", json!({})).await.ok();
        let response = with_value(&strict).post("/threads", json!({})).await;
        let message = response.expect_invalid("OpenAI-Beta", "invalid_beta");
        assert!(message.contains("'assistants=v2'"), "{message}");
    }
    for value in ["assistants=v2", "realtime=v1, assistants=v2"] {
        strict.with_header("openai-beta", value).post("/v1/threads", json!({})).await.ok();
    }
}

/// What is validated is what is used.
#[tokio::test(start_paused = true)]
async fn last_of_repeated_properties_is_used() {
    let fixture = fixture().await;
    for other in [r#""tool_resources":{}"#, r#""tool_resources":null"#] {
        let body = format!(
            r#"{{"metadata":5,"metadata":{{"a":"1","a":"2"}},{other},"metadata":{{"b":"3","b":"4"}}}}"#
        );
        let thread = fixture.client.post_raw("/threads", body).await.ok();
        assert_eq!(thread["metadata"], json!({"b": "4"}), "{other}");
    }
    let function =
        r#"{"type":"code_interpreter","type":"function","function":{"name":"bad name"}}"#;
    let format = r#"{"type":"text","type":"json_schema","json_schema":{"name":"bad name"}}"#;
    for property in [format!(r#""tools":[{function}]"#), format!(r#""response_format":{format}"#)] {
        let body = format!(r#"{{"model":"m",{property}}}"#);
        assert_eq!(fixture.client.post_raw("/assistants", body).await.status, 400, "{property}");
    }
    let content = r#"[{"type":"image_file","type":"text","text":"Hi"}]"#;
    let body = format!(r#"{{"role":5,"role":"user","content":5,"content":{content}}}"#);
    let message = fixture.client.post_raw(&fixture.messages_path(), body).await.ok();
    assert_eq!(message["content"][0]["text"]["value"], "Hi");
}
