//! How runs go with such a model behind them.

use serde_json::{Value, json};

use crate::chat_completions::upstream::{Reply, Upstream, delta, finish, hello, says, usage};
use crate::harness::{Api, Event, Scene, names, text};

/// An assistant with functions, and a thread, on a server whose model asks this provider.
async fn scene(upstream: &Upstream, functions: &[&str]) -> Scene {
    Api::new(upstream.builder().retries(0).build().unwrap()).scene(functions).await
}

fn called(name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    delta(json!({"tool_calls": [{"index": 0, "id": "call_of_provider", "function": function}]}))
}

/// The events that have this name.
fn named<'a>(events: &'a [Event], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event.name == name).map(|event| &event.data).collect()
}

#[tokio::test]
async fn a_function_is_called_and_its_output_told() {
    let first = [says("Let me see."), called("weather", "{\"city\":\"Paris\"}")];
    let first = Reply::chunks(first.into_iter().chain([finish("tool_calls"), usage(20, 8)]));
    let second = Reply::chunks([says("18 degrees."), finish("stop"), usage(40, 4)]);
    let upstream = Upstream::new([first, second]).await;
    let scene = scene(&upstream, &["weather"]).await;

    let run = scene.play(json!({})).await;
    assert_eq!(run["status"], "requires_action");
    let call = &run["required_action"]["submit_tool_outputs"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "weather", "arguments": "{\"city\":\"Paris\"}"}));
    let run = scene.submit(&run, &["18"]).await;
    let run = scene.settle(&run).await;
    assert_eq!(run["status"], "completed");
    let expected = json!({"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72});
    assert_eq!(run["usage"], expected);
    assert_eq!(scene.texts().await, ["Hello there", "Let me see.", "18 degrees."]);

    let told = upstream.requests().pop().unwrap().body;
    insta::assert_json_snapshot!(told["messages"], {
        "[1].tool_calls[0].id" => "[call]",
        "[2].tool_call_id" => "[call]",
    });
    assert_eq!(told["messages"][1]["tool_calls"][0]["id"], told["messages"][2]["tool_call_id"]);
}

#[tokio::test]
async fn text_is_streamed_through() {
    let upstream = Upstream::new([hello()]).await;
    let events = scene(&upstream, &[]).await.stream(json!({})).await;
    let deltas = named(&events, "thread.message.delta");
    let values = deltas.iter().map(|delta| &delta["delta"]["content"][0]["text"]["value"]);
    assert_eq!(values.collect::<Vec<_>>(), ["Hello ", "there."]);
    assert_eq!(names(&events).last(), Some(&"done"));
}

#[tokio::test]
async fn a_refusal_becomes_content_of_its_own() {
    let refusal = |text: &str| delta(json!({"refusal": text}));
    let chunks = [says("Well. "), says("No."), refusal("I "), refusal("can't."), finish("stop")];
    let upstream = Upstream::new([Reply::chunks(chunks)]).await;
    let scene = scene(&upstream, &[]).await;
    let events = scene.stream(json!({})).await;
    let deltas = named(&events, "thread.message.delta");
    let parts = deltas.iter().map(|delta| delta["delta"]["content"][0].clone());
    insta::assert_json_snapshot!(parts.collect::<Vec<_>>());
    let completed = named(&events, "thread.message.completed");
    insta::assert_json_snapshot!(completed[0]["content"]);
}

#[tokio::test]
async fn an_answer_that_is_cut_leaves_the_run_incomplete() {
    let cases = [
        ("length", json!({"reason": "max_completion_tokens"}), "max_tokens"),
        // The API has no such reason for runs.
        ("content_filter", json!({}), "content_filter"),
    ];
    for (reason, of_run, of_message) in cases {
        let upstream = Upstream::new([Reply::chunks([says("Hel"), finish(reason)])]).await;
        let scene = scene(&upstream, &[]).await;
        let events = scene.stream(json!({})).await;
        let run = named(&events, "thread.run.incomplete")[0];
        assert_eq!(run["incomplete_details"], of_run, "{reason}");
        let message = named(&events, "thread.message.incomplete")[0];
        assert_eq!(message["incomplete_details"]["reason"], of_message);
        assert_eq!(text(message), "Hel");
    }
    let chunks = [called("weather", "{\"ci"), finish("content_filter")];
    let upstream = Upstream::new([Reply::chunks(chunks)]).await;
    let scene = scene(&upstream, &["weather"]).await;
    let run = scene.play(json!({})).await;
    assert_eq!(run["status"], "incomplete");
    let step = scene.steps(&run).await.remove(0);
    let message = "The arguments were cut by the model's content filter.";
    assert_eq!(
        (&step["status"], &step["last_error"]["message"]),
        (&json!("failed"), &json!(message))
    );
}

#[tokio::test]
async fn failures_become_the_last_error() {
    let error = |message: &str| json!({"error": {"message": message}});
    let cases = [
        (429, error("Slow down"), "rate_limit_exceeded"),
        (400, error("The context length is 4096 tokens"), "invalid_prompt"),
        (500, error("boom"), "server_error"),
    ];
    for (status, body, code) in cases {
        let upstream = Upstream::new([Reply::json(status, &body)]).await;
        let run = scene(&upstream, &[]).await.play(json!({})).await;
        assert_eq!((&run["status"], &run["last_error"]["code"]), (&json!("failed"), &json!(code)));
        let said = run["last_error"]["message"].as_str().unwrap();
        assert!(said.contains(body["error"]["message"].as_str().unwrap()), "{said}");
    }
}

#[tokio::test]
async fn a_function_that_is_not_offered_is_a_failure() {
    let upstream =
        Upstream::new([Reply::chunks([called("other", "{}"), finish("tool_calls")])]).await;
    let run = scene(&upstream, &["weather"]).await.play(json!({})).await;
    assert_eq!(run["last_error"]["code"], "server_error");
}

#[tokio::test]
async fn a_cancel_and_the_expiry_end_the_request() {
    for ends in ["cancelled", "expired"] {
        let mut upstream = Upstream::new([Reply::stream().chunk(says("Hi")).hang()]).await;
        let server = runstep_server::Server::builder().model(upstream.model());
        let lifetime = if ends == "expired" { 2 } else { 600 };
        let api = Api::built(server.run_lifetime(std::time::Duration::from_secs(lifetime)));
        let scene = api.scene(&[]).await;
        let mut events = scene.listen(json!({})).await;
        events.until("thread.message.delta").await;
        if ends == "cancelled" {
            let run = api.get(&scene.runs()).await.ok()["data"][0].clone();
            scene.cancel(&run).await.ok();
        }
        upstream.is_left().await;
        let names: Vec<String> = events.rest().await.into_iter().map(|event| event.name).collect();
        assert!(names.contains(&format!("thread.run.{ends}")), "{names:?}");
    }
}

#[tokio::test]
async fn images_on_the_web_are_shown() {
    let upstream = Upstream::new([hello()]).await;
    let scene = scene(&upstream, &[]).await;
    let image = json!({"url": "https://example.com/a.png", "detail": "low"});
    let content = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": image},
    ]);
    let body = json!({"role": "user", "content": content});
    let message = scene.api.post(&scene.messages(), body).await.ok();
    assert_eq!(message["content"][1]["image_url"], image);
    assert_eq!(scene.play(json!({})).await["status"], "completed");
    let told = upstream.requests().remove(0).body;
    assert_eq!(told["messages"][1], json!({"role": "user", "content": content}));
    // Files are another matter: there are none here.
    let file = json!([{"type": "image_file", "image_file": {"file_id": "file_1"}}]);
    let body = json!({"role": "user", "content": file});
    let refused = scene.api.post(&scene.messages(), body).await;
    assert_eq!(refused.refused(400)["param"], "content[0].type");
}

#[tokio::test]
async fn what_a_run_asks_for_goes_upstream() {
    let upstream = Upstream::new([hello()]).await;
    let scene = scene(&upstream, &["weather"]).await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let more = json!({
        "model": "gpt-4o",
        "instructions": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 256,
        "parallel_tool_calls": false,
        "tool_choice": "required",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "shape", "description": "A shape", "schema": schema, "strict": true}},
    });
    scene.play(more).await;
    insta::assert_json_snapshot!(upstream.requests().remove(0).body);
}
