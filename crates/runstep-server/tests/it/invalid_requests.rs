//! Invalid requests: each is rejected with a JSON error that names the problem.

use std::fmt::Write as _;

use axum::body::Body;
use runstep_server::Server;
use runstep_server::model::{Offline, Turn};
use serde_json::{Map, Value, json};

use crate::harness::{
    Fixture, TestClient, call_ids, function_tool, id, invalid_request_error, merged,
};

async fn fixture() -> Fixture {
    Fixture::with_model(Offline::new(), &["weather"]).await
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
        let response = fixture.client.post_raw(&fixture.runs_path(), body.to_vec()).await;
        response.expect_invalid(Value::Null, "invalid_json");
    }
    let response = fixture.client.post_raw(&fixture.runs_path(), "{\"assistant_id\"").await;
    let message = "We could not parse the JSON body of your request: EOF while parsing an object \
                   at line 1 column 15.";
    assert_eq!(response.expect_invalid(Value::Null, "invalid_json"), message);
}

#[tokio::test(start_paused = true)]
async fn body_that_is_not_an_object_is_rejected() {
    let fixture = fixture().await;
    for body in [json!(null), json!([]), json!("text"), json!(1), json!(true)] {
        let response = fixture.client.post(&fixture.runs_path(), body).await;
        response.expect_invalid(Value::Null, "invalid_type");
    }
}

fn tools(count: usize) -> Value {
    json!({"tools": vec![function_tool("weather"); count]})
}

/// Metadata with this number of keys.
fn metadata(count: usize) -> Value {
    (0..count).map(|key| (key.to_string(), "".into())).collect::<Map<_, _>>().into()
}

fn metadata_key(length: usize) -> Value {
    json!({"metadata": {"k".repeat(length): "v"}})
}

fn metadata_value(length: usize) -> Value {
    json!({"metadata": {"k": "ü".repeat(length)}})
}

#[tokio::test(start_paused = true)]
async fn invalid_fields_are_named_in_the_error() {
    let fixture = fixture().await;
    let message = |fields: Value| {
        let message = merged(json!({"role": "user", "content": "x"}), fields);
        json!({"additional_messages": [message]})
    };
    let strategy = |fields: Value| json!({"truncation_strategy": fields});
    let tool = json!({"type": "function", "function": {"name": "f", "paramters": {}}});
    let bodies = [
        // Wrong types.
        json!({"assistant_id": 1}),
        json!({"assistant_id": null}),
        json!({"parallel_tool_calls": "yes"}),
        json!({"stream": 1}),
        json!({"temperature": "1"}),
        json!({"max_prompt_tokens": 300.5}),
        json!({"tools": {}}),
        json!({"tools": [1]}),
        json!({"metadata": []}),
        json!({"metadata": {"a": 1}}),
        message(json!({"content": 1})),
        // Values out of range.
        json!({"temperature": 2.01}),
        json!({"temperature": -0.01}),
        json!({"top_p": 1.5}),
        json!({"top_p": -1}),
        json!({"max_prompt_tokens": 0}),
        json!({"max_completion_tokens": 0}),
        json!({"max_prompt_tokens": -1}),
        json!({"max_prompt_tokens": 1e30}),
        json!({"instructions": "x".repeat(256_001)}),
        tools(21),
        json!({"metadata": metadata(17)}),
        metadata_key(65),
        metadata_value(513),
        strategy(json!({"type": "last_messages", "last_messages": 0})),
        // Unsupported values.
        json!({"reasoning_effort": "huge"}),
        json!({"tool_choice": "sometimes"}),
        json!({"tools": [{"type": "browser"}]}),
        json!({"response_format": {"type": "yaml"}}),
        strategy(json!({"type": "first"})),
        message(json!({"role": "system"})),
        // Unknown fields.
        json!({"temprature": 1}),
        json!({"tools": [tool]}),
        message(json!({"name": "y"})),
        strategy(json!({"type": "auto", "first": 1})),
    ];
    let mut report = String::new();
    for body in bodies {
        let request = body.to_string();
        let error = fixture.try_create_run(body).await.expect_error(400);
        assert_eq!(error["type"], "invalid_request_error", "{request:.80}");
        let (param, code, message) = (&error["param"], &error["code"], &error["message"]);
        writeln!(report, "{request:.80}\n  {param} ({code}): {message}").unwrap();
    }
    insta::assert_snapshot!(report);
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn null_leaves_an_optional_field_out() {
    let fixture = fixture().await;
    let client = &fixture.client;
    let function = json!({"name": "f", "description": null, "parameters": null, "strict": null});
    let assistant = json!({
        "model": "m", "name": null, "tools": [{"type": "function", "function": function}],
        "tool_resources": {"file_search": null, "code_interpreter": null},
    });
    let assistant = client.post("/assistants", assistant).await.ok();
    assert_eq!(assistant["tools"][0]["function"]["name"], "f");
    client.post("/assistants", json!({"model": "m", "tools": null})).await.ok();
    client.post("/threads", json!({"messages": null, "tool_resources": null})).await.ok();
    let message = json!({"role": "user", "content": "Hi", "attachments": null, "metadata": null});
    client.post("/threads", json!({"messages": [message]})).await.ok();

    let run = fixture.run_body(json!({
        "thread": null, "parallel_tool_calls": null, "tools": null, "stream": null,
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "n", "description": null, "schema": null, "strict": null}},
    }));
    let run = client.post("/threads/runs", run).await.ok();
    assert_eq!(run["parallel_tool_calls"], true);
    let strategy = json!({"type": "auto", "last_messages": null});
    let fields = json!({"parallel_tool_calls": null, "truncation_strategy": strategy});
    fixture.try_create_run(fields).await.ok();
}

#[tokio::test(start_paused = true)]
async fn null_is_refused_where_a_value_is_required() {
    let fixture = fixture().await;
    let parts = json!([{"type": "text", "text": null}]);
    let cases = [
        (json!({"role": null, "content": "x"}), "role"),
        (json!({"role": "user", "content": null}), "content"),
        (json!({"role": "user", "content": parts}), "content[0].text"),
        (json!({"role": "user", "content": [null]}), "content[0]"),
        (json!({"role": "user", "content": "x", "metadata": {"k": null}}), "metadata.k"),
    ];
    for (message, param) in cases {
        let response = fixture.client.post(&fixture.messages_path(), message).await;
        response.expect_invalid(param, "invalid_type");
    }
    let unknown = json!({"role": "user", "content": "x", "unknown": null});
    let response = fixture.client.post(&fixture.messages_path(), unknown).await;
    response.expect_invalid("unknown", "unknown_parameter");
    let tool = json!({"type": "function", "function": {"name": null}});
    let response = fixture.try_create_run(json!({"tools": [tool]})).await;
    response.expect_invalid("tools[0].function.name", "invalid_type");
}

#[tokio::test(start_paused = true)]
async fn null_output_is_an_empty_output() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Fine.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let outputs = json!([{"tool_call_id": call_ids(&run)[0], "output": null}]);
    fixture.try_submit_outputs(&run, json!({"tool_outputs": outputs, "stream": null})).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn values_at_the_limits_are_accepted() {
    let fixture = fixture().await;
    let valid = [
        json!({"temperature": 2, "top_p": 0, "max_prompt_tokens": 1, "metadata": metadata(16)}),
        json!({"temperature": 0, "top_p": 1, "max_completion_tokens": 1}),
        json!({"instructions": "x".repeat(256_000)}),
        json!({"max_prompt_tokens": i64::MAX, "max_completion_tokens": i64::MAX}),
        tools(20),
        metadata_key(64),
        metadata_value(512),
    ];
    for body in valid {
        let thread = fixture.client.create_thread("Hi").await;
        Fixture { thread, ..fixture.clone() }.create_run(body).await;
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
            let response = fixture.client.post_raw(&path, body).await;
            let message = response.expect_invalid(param, "missing_required_parameter");
            assert_eq!(message, format!("Missing required parameter: '{param}'."));
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
        let response = fixture.client.post_raw(&path, "").await;
        let message = response.expect_invalid(Value::Null, "missing_body");
        assert_eq!(message, "The request has no body: send a JSON object, such as {}.");
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
        ("limit=-", "limit", "invalid_type"),
        ("limit=1.0", "limit", "invalid_type"),
        ("limit=-1", "limit", "integer_below_min_value"),
        ("limit=-99999999999999999999999", "limit", "integer_below_min_value"),
        ("limit=99999999999999999999999", "limit", "integer_above_max_value"),
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
            fixture.client.get(&format!("{list}?{query}")).await.expect_invalid(param, code);
        }
        for query in ["limit=1", "limit=100", "order=asc", "api-version=2025-05-01", "", "&"] {
            fixture.client.get(&format!("{list}?{query}")).await.ok();
        }
    }
    for path in [fixture.run_path(&run, ""), fixture.thread_path()] {
        let response = fixture.client.get(&format!("{path}?limit=1")).await;
        response.expect_invalid("limit", "unknown_parameter");
    }
    let path = fixture.run_path(&run, "/steps?include[]=x");
    fixture.client.get(&path).await.expect_invalid("include[]", "invalid_value");
}

#[tokio::test(start_paused = true)]
async fn body_above_the_size_limit_is_rejected() {
    let client = TestClient::from_builder(Server::builder().max_body_bytes(100));
    let body = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    id(&client.post_raw("/threads", body(100)).await.ok());
    let error = client.post_raw("/threads", body(101)).await.expect_error(413);
    assert_eq!(
        error,
        merged(
            invalid_request_error("The request body is longer than 100 bytes."),
            json!({"code": "request_too_large"})
        )
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
