//! Whatever comes is answered with JSON that says what is wrong: never with a failure of the server.

use crate::harness::{Api, Scene, function, id};
use axum::body::Body;
use runstep_server::Server;
use runstep_server::model::{Offline, Turn};
use serde_json::{Map, Value, json};

async fn scene() -> Scene {
    Api::new(Offline::new()).scene(&["weather"]).await
}

/// What is wrong with a body for a new run.
async fn error(scene: &Scene, more: Value) -> Value {
    let told = more.to_string();
    let error = scene.try_start(more).await.refused(400);
    assert_eq!(error["type"], "invalid_request_error", "{told}");
    error
}

#[track_caller]
fn is(error: &Value, param: &str, code: &str) {
    assert_eq!((&error["param"], &error["code"]), (&param.into(), &code.into()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_refused() {
    let scene = scene().await;
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
        let error = scene.api.post_text(&scene.runs(), body.to_vec()).await.refused(400);
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"invalid_json".into()));
    }
    let error = scene.api.post_text(&scene.runs(), "{\"assistant_id\"").await.refused(400);
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
async fn what_is_no_object_is_refused() {
    let scene = scene().await;
    for body in [json!(null), json!([]), json!("text"), json!(1), json!(true)] {
        let error = scene.api.post(&scene.runs(), body).await.refused(400);
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"invalid_type".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn null_is_not_absence() {
    let error = error(&scene().await, json!({"parallel_tool_calls": null})).await;
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
async fn a_wrong_type_is_told_of_every_kind() {
    let scene = scene().await;
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
    for (body, param, rest) in cases {
        let error = error(&scene, body).await;
        is(&error, param, "invalid_type");
        let message = format!("Invalid type for '{param}': expected {rest} instead.");
        assert_eq!(error["message"], message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_range_is_refused() {
    let scene = scene().await;
    let pairs = |count: usize| -> Value {
        (0..count).map(|key| (key.to_string(), "".into())).collect::<Map<_, _>>().into()
    };
    let tools = |count: usize| json!({"tools": vec![function("weather"); count]});
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
        is(&error(&scene, body).await, param, code);
    }
    let good = [
        json!({"temperature": 2, "top_p": 0, "max_prompt_tokens": 256, "metadata": pairs(16)}),
        json!({"temperature": 0, "top_p": 1, "max_completion_tokens": 256}),
        json!({"instructions": "x".repeat(256_000)}),
        json!({"max_prompt_tokens": i64::MAX, "max_completion_tokens": i64::MAX}),
        tools(20),
        key(64),
        value(512),
    ];
    for body in good {
        let scene = Scene { thread: scene.api.thread("Hi").await, ..scene.clone() };
        scene.start(body).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_number_is_an_integer_however_it_is_written() {
    let scene = scene().await;
    let path = scene.runs();
    for text in ["300.0", "3e2"] {
        let body = format!(
            r#"{{"assistant_id":"{}","max_prompt_tokens":{text},"temperature":1.0}}"#,
            scene.assistant
        );
        let run = scene.api.post_text(&path, body).await.ok();
        assert_eq!(run["max_prompt_tokens"], 300);
        scene.cancel(&run).await.ok();
        scene.settle(&run).await;
    }
    for text in ["1e19", "18446744073709551615", "18446744073709551616", "1e400", "-1e300"] {
        let body =
            format!(r#"{{"assistant_id":"{}","max_prompt_tokens":{text}}}"#, scene.assistant);
        scene.api.post_text(&path, body).await.refused(400);
    }
}

#[tokio::test(start_paused = true)]
async fn the_numbers_in_what_belongs_to_the_caller_stay_as_they_came() {
    let scene = scene().await;
    // As text, for a whole float is equal to an integer in some comparisons.
    let schema = r#"{"items":[1.0,2e2,1,-0.0,{"multipleOf":1.0}],"minimum":1.0,"type":"number"}"#;
    let body = format!(
        r#"{{"assistant_id":"{}","max_prompt_tokens":300.0,
            "truncation_strategy":{{"type":"last_messages","last_messages":2.0}},
            "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],
            "response_format":{{"type":"json_schema",
                "json_schema":{{"name":"n","schema":{schema}}}}}}}"#,
        scene.assistant
    );
    let run = scene.api.post_text(&scene.runs(), body).await.ok();
    let expected = schema.replace("2e2", "200.0");
    assert_eq!(run["tools"][0]["function"]["parameters"].to_string(), expected);
    assert_eq!(run["response_format"]["json_schema"]["schema"].to_string(), expected);
    assert_eq!(run["max_prompt_tokens"].to_string(), "300");
    assert_eq!(run["truncation_strategy"]["last_messages"].to_string(), "2");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_listed_is_refused_with_those_that_are() {
    let scene = scene().await;
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
        let error = error(&scene, body).await;
        is(&error, param, "invalid_value");
        assert!(error["message"].as_str().unwrap().contains("Supported values are"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_is_refused_at_every_depth() {
    let scene = scene().await;
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
        is(&error(&scene, body).await, param, "unknown_parameter");
    }
    assert_eq!(scene.texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_required_is_missed_in_an_empty_body_too() {
    let scene = scene().await;
    let run = scene.play(json!({})).await;
    let cases = [
        ("/assistants".to_owned(), "model"),
        (scene.runs(), "assistant_id"),
        ("/threads/runs".to_owned(), "assistant_id"),
        (scene.messages(), "role"),
        (scene.run_path(&run, "/submit_tool_outputs"), "tool_outputs"),
    ];
    for (path, param) in cases {
        for body in ["", "{}"] {
            let error = scene.api.post_text(&path, body).await.refused(400);
            is(&error, param, "missing_required_parameter");
            let message = format!("Missing required parameter: '{param}'.");
            assert_eq!(error["message"], message);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_needs_a_body_and_a_new_thread_none() {
    let scene = scene().await;
    let run = scene.play(json!({})).await;
    let message = scene.api.get(&scene.messages()).await.ok()["first_id"].clone();
    let message = format!("{}/{}", scene.messages(), message.as_str().unwrap());
    let changed = [scene.assistant_path(), scene.thread_path(), scene.run_path(&run, ""), message];
    for path in changed {
        let error = scene.api.post_text(&path, "").await.refused(400);
        assert_eq!(error["message"], "The request has no body: send one in JSON, if only {}.");
        assert_eq!((&error["param"], &error["code"]), (&Value::Null, &"missing_body".into()));
        scene.api.post_text(&path, "{}").await.ok();
    }
    scene.api.post_text("/threads", "").await.ok();
}

#[tokio::test(start_paused = true)]
async fn queries_are_checked() {
    let scene = Api::scripted([Turn::say("Hi")]).scene(&[]).await;
    let run = scene.play(json!({})).await;
    let steps = scene.run_path(&run, "/steps");
    let lists = [scene.runs(), scene.messages(), steps, "/assistants".to_owned()];
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
            let error = scene.api.get(&format!("{list}?{query}")).await.refused(400);
            is(&error, param, code);
        }
        for query in ["limit=1", "limit=100", "order=asc", "api-version=2025-05-01", "", "&"] {
            scene.api.get(&format!("{list}?{query}")).await.ok();
        }
    }
    for path in [scene.run_path(&run, ""), format!("/threads/{}", scene.thread)] {
        let error = scene.api.get(&format!("{path}?limit=1")).await.refused(400);
        is(&error, "limit", "unknown_parameter");
    }
    let error = scene.api.get(&format!("{}?include[]=x", scene.run_path(&run, "/steps"))).await;
    is(&error.refused(400), "include[]", "invalid_value");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_be_only_so_long() {
    let api = Api::built(Server::builder().max_body_bytes(100));
    let body = |length: usize| format!("{{{}}}", " ".repeat(length - 2));
    id(&api.post_text("/threads", body(100)).await.ok());
    let error = api.post_text("/threads", body(101)).await.refused(413);
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
async fn a_body_that_breaks_off_is_refused() {
    // Whatever the error says.
    for said in ["gone", "length limit exceeded"] {
        let parts: [Result<&str, std::io::Error>; 2] = [Ok("{"), Err(std::io::Error::other(said))];
        let body = Body::from_stream(futures_util::stream::iter(parts));
        let error = scene().await.api.post_text("/threads", body).await.refused(400);
        assert_eq!(error["message"], "The request body could not be read to its end.");
    }
}
