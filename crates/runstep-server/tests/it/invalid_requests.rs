//! Invalid requests: each is rejected with a JSON error that names the problem.

use axum::body::Body;
use runstep_server::Server;
use runstep_server::model::{Offline, Turn};
use serde_json::{Map, Value, json};

use crate::harness::{Fixture, TestClient, function_tool, id};

async fn fixture() -> Fixture {
    Fixture::with_model(Offline::new(), &["weather"]).await
}

/// The error for a create-run request with these fields.
async fn create_run_error(fixture: &Fixture, fields: Value) -> Value {
    let request = fields.to_string();
    let error = fixture.try_create_run(fields).await.expect_error(400);
    assert_eq!(error["type"], "invalid_request_error", "{request}");
    error
}

#[track_caller]
fn assert_param_and_code(error: &Value, param: &str, code: &str) {
    assert_eq!((&error["param"], &error["code"]), (&param.into(), &code.into()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn malformed_json_is_rejected() {
    let fixture = fixture().await;
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 8] = [
        b"{",
        b"not json",
        b"{\"assistant_id\": \"asst_1\",}",
        b"{'assistant_id': 'asst_1'}",
        b"{} {}",
        b"\xff\xfe{}",
        b"{\"assistant_id\": \"\\ud800\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let error =
            fixture.client.post_raw(&fixture.runs_path(), body.to_vec()).await.expect_error(400);
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"invalid_json".into()));
    }
    let error =
        fixture.client.post_raw(&fixture.runs_path(), "{\"assistant_id\"").await.expect_error(400);
    assert_eq!(
        error,
        json!({
          "code": "invalid_json",
          "message": "We could not parse the JSON body of your request: EOF while parsing an object at line 1 column 15.",
          "param": null,
          "type": "invalid_request_error"
        })
    );
}

#[tokio::test(start_paused = true)]
async fn body_that_is_not_an_object_is_rejected() {
    let fixture = fixture().await;
    for body in [json!(null), json!([]), json!("text"), json!(1), json!(true)] {
        let error = fixture.client.post(&fixture.runs_path(), body).await.expect_error(400);
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"invalid_type".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn null_for_a_field_that_is_not_nullable_is_rejected() {
    let error = create_run_error(&fixture().await, json!({"parallel_tool_calls": null})).await;
    assert_eq!(
        error,
        json!({
          "code": "invalid_type",
          "message": "Invalid type for 'parallel_tool_calls': expected a boolean, but got null instead.",
          "param": "parallel_tool_calls",
          "type": "invalid_request_error"
        })
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_type_error_names_expected_and_actual_type() {
    let fixture = fixture().await;
    let cases = [
        (json!({"assistant_id": 1}), "assistant_id", "a string, but got an integer"),
        (json!({"assistant_id": null}), "assistant_id", "a string, but got null"),
        (
            json!({"parallel_tool_calls": "yes"}),
            "parallel_tool_calls",
            "a boolean, but got a string",
        ),
        (json!({"stream": 1}), "stream", "one of a boolean or null, but got an integer"),
        (json!({"temperature": "1"}), "temperature", "one of a number or null, but got a string"),
        (
            json!({"max_prompt_tokens": 300.5}),
            "max_prompt_tokens",
            "one of an integer or null, but got a number",
        ),
        (json!({"tools": {}}), "tools", "one of an array or null, but got an object"),
        (json!({"tools": [1]}), "tools[0]", "an object, but got an integer"),
        (json!({"metadata": []}), "metadata", "one of an object or null, but got an array"),
        (json!({"metadata": {"a": 1}}), "metadata.a", "a string, but got an integer"),
        (
            json!({"additional_messages": [{"role": "user", "content": 1}]}),
            "additional_messages[0].content",
            "one of a string or an array, but got an integer",
        ),
    ];
    for (body, param, expectation) in cases {
        let error = create_run_error(&fixture, body).await;
        assert_param_and_code(&error, param, "invalid_type");
        let message = format!("Invalid type for '{param}': expected {expectation} instead.");
        assert_eq!(error["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_range_values_are_rejected() {
    let fixture = fixture().await;
    let pairs = |count: usize| -> Value {
        (0..count).map(|key| (key.to_string(), "".into())).collect::<Map<_, _>>().into()
    };
    let tools = |count: usize| json!({"tools": vec![function_tool("weather"); count]});
    let key = |length: usize| json!({"metadata": {"k".repeat(length): "v"}});
    let value = |length: usize| json!({"metadata": {"k": "ü".repeat(length)}});
    let cases = [
        (json!({"temperature": 2.01}), "temperature", "number_above_max_value"),
        (json!({"temperature": -0.01}), "temperature", "number_below_min_value"),
        (json!({"top_p": 1.5}), "top_p", "number_above_max_value"),
        (json!({"top_p": -1}), "top_p", "number_below_min_value"),
        (json!({"max_prompt_tokens": 255}), "max_prompt_tokens", "integer_below_min_value"),
        (json!({"max_completion_tokens": 255}), "max_completion_tokens", "integer_below_min_value"),
        (json!({"max_prompt_tokens": -1}), "max_prompt_tokens", "integer_below_min_value"),
        (json!({"max_prompt_tokens": 1e30}), "max_prompt_tokens", "integer_above_max_value"),
        (json!({"instructions": "x".repeat(256_001)}), "instructions", "string_above_max_length"),
        (tools(21), "tools", "array_above_max_length"),
        (json!({"metadata": pairs(17)}), "metadata", "object_above_max_properties"),
        (key(65), "metadata", "string_above_max_length"),
        (value(513), "metadata.k", "string_above_max_length"),
        (
            json!({"truncation_strategy": {"type": "last_messages", "last_messages": 0}}),
            "truncation_strategy.last_messages",
            "integer_below_min_value",
        ),
    ];
    for (body, param, code) in cases {
        assert_param_and_code(&create_run_error(&fixture, body).await, param, code);
    }
    let valid = [
        json!({"temperature": 2, "top_p": 0, "max_prompt_tokens": 256, "metadata": pairs(16)}),
        json!({"temperature": 0, "top_p": 1, "max_completion_tokens": 256}),
        json!({"instructions": "x".repeat(256_000)}),
        json!({"max_prompt_tokens": i64::MAX, "max_completion_tokens": i64::MAX}),
        tools(20),
        key(64),
        value(512),
    ];
    for body in valid {
        let fixture =
            Fixture { thread: fixture.client.create_thread("Hi").await, ..fixture.clone() };
        fixture.create_run(body).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whole_numbers_are_integers_in_any_notation() {
    let fixture = fixture().await;
    let path = fixture.runs_path();
    for text in ["300.0", "3e2"] {
        let body = format!(
            r#"{{"assistant_id":"{}","max_prompt_tokens":{text},"temperature":1.0}}"#,
            fixture.assistant
        );
        let run = fixture.client.post_raw(&path, body).await.ok();
        assert_eq!(run["max_prompt_tokens"], 300);
        fixture.cancel_run(&run).await.ok();
        fixture.wait_for_run(&run).await;
    }
    for text in ["1e19", "18446744073709551615", "18446744073709551616", "1e400", "-1e300"] {
        let body =
            format!(r#"{{"assistant_id":"{}","max_prompt_tokens":{text}}}"#, fixture.assistant);
        fixture.client.post_raw(&path, body).await.expect_error(400);
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_in_caller_schemas_keep_their_notation() {
    let fixture = fixture().await;
    // Compared as text, because a whole float equals an integer in some comparisons.
    let schema = r#"{"items":[1.0,2e2,1,-0.0,{"multipleOf":1.0}],"minimum":1.0,"type":"number"}"#;
    let body = format!(
        r#"{{"assistant_id":"{}","max_prompt_tokens":300.0,
            "truncation_strategy":{{"type":"last_messages","last_messages":2.0}},
            "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],
            "response_format":{{"type":"json_schema",
                "json_schema":{{"name":"n","schema":{schema}}}}}}}"#,
        fixture.assistant
    );
    let run = fixture.client.post_raw(&fixture.runs_path(), body).await.ok();
    let expected = schema.replace("2e2", "200.0");
    assert_eq!(run["tools"][0]["function"]["parameters"].to_string(), expected);
    assert_eq!(run["response_format"]["json_schema"]["schema"].to_string(), expected);
    assert_eq!(run["max_prompt_tokens"].to_string(), "300");
    assert_eq!(run["truncation_strategy"]["last_messages"].to_string(), "2");
}

#[tokio::test(start_paused = true)]
async fn unknown_enum_value_error_lists_supported_values() {
    let fixture = fixture().await;
    let schema = json!({"type": "yaml"});
    let cases = [
        (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
        (json!({"tool_choice": "sometimes"}), "tool_choice"),
        (json!({"tools": [{"type": "browser"}]}), "tools[0].type"),
        (json!({"response_format": schema}), "response_format.type"),
        (json!({"truncation_strategy": {"type": "first"}}), "truncation_strategy.type"),
        (
            json!({"additional_messages": [{"role": "system", "content": "x"}]}),
            "additional_messages[0].role",
        ),
    ];
    for (body, param) in cases {
        let error = create_run_error(&fixture, body).await;
        assert_param_and_code(&error, param, "invalid_value");
        assert!(error["message"].as_str().unwrap().contains("Supported values are"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_rejected_at_every_depth() {
    let fixture = fixture().await;
    let tool = json!({"type": "function", "function": {"name": "f", "paramters": {}}});
    let cases = [
        (json!({"temprature": 1}), "temprature"),
        (json!({"tools": [tool]}), "tools[0].function.paramters"),
        (
            json!({"additional_messages": [{"role": "user", "content": "x", "name": "y"}]}),
            "additional_messages[0].name",
        ),
        (json!({"truncation_strategy": {"type": "auto", "first": 1}}), "truncation_strategy.first"),
    ];
    for (body, param) in cases {
        assert_param_and_code(&create_run_error(&fixture, body).await, param, "unknown_parameter");
    }
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn missing_required_field_is_reported_for_empty_bodies_too() {
    let fixture = fixture().await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let cases = [
        ("/assistants".to_owned(), "model"),
        (fixture.runs_path(), "assistant_id"),
        ("/threads/runs".to_owned(), "assistant_id"),
        (fixture.messages_path(), "role"),
        (fixture.run_path(&run, "/submit_tool_outputs"), "tool_outputs"),
    ];
    for (path, param) in cases {
        for body in ["", "{}"] {
            let error = fixture.client.post_raw(&path, body).await.expect_error(400);
            assert_param_and_code(&error, param, "missing_required_parameter");
            let message = format!("Missing required parameter: '{param}'.");
            assert_eq!(error["message"], message);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn updates_require_a_body_and_create_thread_does_not() {
    let fixture = fixture().await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let message = fixture.message_path(&fixture.newest_message().await);
    let paths =
        [fixture.assistant_path(), fixture.thread_path(), fixture.run_path(&run, ""), message];
    for path in paths {
        let error = fixture.client.post_raw(&path, "").await.expect_error(400);
        assert_eq!(error["message"], "The request has no body: send a JSON object, such as {}.");
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"missing_body".into()));
        fixture.client.post_raw(&path, "{}").await.ok();
    }
    fixture.client.post_raw("/threads", "").await.ok();
}

#[tokio::test(start_paused = true)]
async fn query_parameters_are_validated() {
    let fixture = Fixture::with_turns([Turn::text("Hi")], &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let steps = fixture.run_path(&run, "/steps");
    let lists = [fixture.runs_path(), fixture.messages_path(), steps, "/assistants".to_owned()];
    let cases = [
        ("limit=0", "limit", "integer_below_min_value"),
        ("limit=101", "limit", "integer_above_max_value"),
        ("limit=abc", "limit", "invalid_type"),
        ("limit=", "limit", "invalid_type"),
        ("limit=-1", "limit", "invalid_type"),
        ("limit=99999999999999999999999", "limit", "invalid_type"),
        ("order=sideways", "order", "invalid_value"),
        ("order=DESC", "order", "invalid_value"),
        ("after=nothing_x", "after", "invalid_value"),
        ("before=nothing_x", "before", "invalid_value"),
        ("page=2", "page", "unknown_parameter"),
        ("%FF=1", "\u{fffd}", "unknown_parameter"),
        ("limit=1&offset=2", "offset", "unknown_parameter"),
    ];
    for list in lists {
        for (query, param, code) in cases {
            let error = fixture.client.get(&format!("{list}?{query}")).await.expect_error(400);
            assert_param_and_code(&error, param, code);
        }
        for query in ["limit=1", "limit=100", "order=asc", "api-version=2025-05-01", "", "&"] {
            fixture.client.get(&format!("{list}?{query}")).await.ok();
        }
    }
    for path in [fixture.run_path(&run, ""), fixture.thread_path()] {
        let error = fixture.client.get(&format!("{path}?limit=1")).await.expect_error(400);
        assert_param_and_code(&error, "limit", "unknown_parameter");
    }
    let path = fixture.run_path(&run, "/steps?include[]=x");
    let error = fixture.client.get(&path).await.expect_error(400);
    assert_param_and_code(&error, "include[]", "invalid_value");
}

#[tokio::test(start_paused = true)]
async fn body_above_the_size_limit_is_rejected() {
    let client = TestClient::from_builder(Server::builder().max_body_bytes(100));
    let body = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    id(&client.post_raw("/threads", body(100)).await.ok());
    let error = client.post_raw("/threads", body(101)).await.expect_error(413);
    assert_eq!(
        error,
        json!({
          "code": "request_too_large",
          "message": "The request body is longer than 100 bytes.",
          "param": null,
          "type": "invalid_request_error"
        })
    );
}

#[tokio::test(start_paused = true)]
async fn truncated_body_is_rejected() {
    // The response does not depend on the error text.
    for message in ["connection lost", "length limit exceeded"] {
        let parts: [Result<&str, std::io::Error>; 2] =
            [Ok("{"), Err(std::io::Error::other(message))];
        let body = Body::from_stream(futures_util::stream::iter(parts));
        let error = fixture().await.client.post_raw("/threads", body).await.expect_error(400);
        assert_eq!(error["message"], "The request body could not be read to its end.");
    }
}
