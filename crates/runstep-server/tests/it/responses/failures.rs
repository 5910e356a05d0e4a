//! Responses that fail, are cut off or are empty.

use std::time::Duration;

use serde_json::{Value, json};

use super::provider::{Events, builder, built_in_tools, fixture};
use crate::harness::message_text;
use crate::harness::upstream::{MockResponse, Upstream, collect_response};

/// Creates a run with this response. Returns the run.
async fn run_with(response: MockResponse) -> Value {
    let upstream = Upstream::new([response]).await;
    let fixture = fixture(&upstream, built_in_tools()).await;
    fixture.create_run_and_wait(json!({})).await
}

#[tokio::test]
async fn failures_become_the_last_error() {
    let started = || Events::new().message().delta("Hel");
    let error = json!({"type": "error", "code": "server_error", "message": "Broken.",
        "param": null});
    let reasoning = Events::new().reasoning("secret").complete();
    let cut_off = Events::new().function("weather", "{\"city\":").complete();
    let cases = [
        (
            started().failed("server_error", "Broken."),
            "server_error",
            "failed within its response: Broken.",
        ),
        (
            started().failed("rate_limit_exceeded", "Slow down."),
            "rate_limit_exceeded",
            "Slow down.",
        ),
        (started().failed("invalid_prompt", "No."), "invalid_prompt", "No."),
        (started().event(error).response(), "server_error", "failed within its response: Broken."),
        (started().response(), "server_error", "returned an incomplete response"),
        (started().code_cut(), "server_error", "returned an incomplete response"),
        (Events::new().response(), "server_error", "returned an empty response"),
        (Events::new().complete(), "server_error", "returned an empty response"),
        (reasoning, "server_error", "returned reasoning, but neither text nor function calls"),
        (cut_off, "server_error", "the model called 'weather'"),
        (
            MockResponse::json(429, &json!({"error": {"message": "Slow."}})),
            "rate_limit_exceeded",
            "Slow.",
        ),
        (
            MockResponse::json(400, &json!({"error": {"message": "No.", "param": "input[0]"}})),
            "invalid_prompt",
            "No.",
        ),
        (
            MockResponse::stream().chunk(json!({"output_index": -1})),
            "server_error",
            "invalid chunk",
        ),
    ];
    for (response, code, message) in cases {
        let run = run_with(response).await;
        assert_eq!(run["status"], "failed", "{message}");
        assert_eq!(run["last_error"]["code"], code, "{run}");
        let text = run["last_error"]["message"].as_str().unwrap();
        assert!(text.to_lowercase().contains(&message.to_lowercase()), "{text}");
    }
}

#[tokio::test]
async fn arguments_that_are_cut_off_never_require_action() {
    let upstream =
        Upstream::new([Events::new().function("weather", "{\"city\":").complete()]).await;
    let model = builder(&upstream).max_retries(0).build().unwrap();
    let error = collect_response(&model).await.pop().unwrap().unwrap_err();
    assert_eq!(
        error.message,
        "The model's provider ended its response within the arguments of the function 'weather'."
    );
}

#[tokio::test]
async fn truncated_output_leaves_the_run_incomplete() {
    let cases = [
        ("max_output_tokens", json!({"reason": "max_completion_tokens"}), "max_tokens"),
        ("content_filter", json!({}), "content_filter"),
    ];
    for (reason, details, message_reason) in cases {
        let response = Events::new().message().delta("Hel").incomplete(reason);
        let upstream = Upstream::new([response]).await;
        let fixture = fixture(&upstream, json!({})).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        assert_eq!((&run["status"], &run["incomplete_details"]), (&json!("incomplete"), &details));
        assert_eq!(run["usage"]["prompt_tokens"], 20);
        let message = fixture.newest_message().await;
        assert_eq!(message["incomplete_details"]["reason"], message_reason);
        assert_eq!(message_text(&message), "Hel");
    }
}

#[tokio::test]
async fn failed_run_has_the_usage_that_was_reported() {
    let run = run_with(Events::new().text("Hello").failed("server_error", "Broken.")).await;
    assert_eq!((&run["status"], &run["usage"]["prompt_tokens"]), (&json!("failed"), &json!(20)));
}

#[tokio::test]
async fn call_is_retried_until_a_response_has_begun() {
    let overloaded = || MockResponse::json(503, &json!({"error": {"message": "Busy."}}));
    let failed = Events::new().failed("server_error", "Broken.");
    let answer = Events::new().text("Hello").complete();
    let upstream = Upstream::new([overloaded(), failed, answer]).await;
    let model = builder(&upstream).build().unwrap();
    let events = collect_response(&model).await;
    assert!(events.iter().all(Result::is_ok), "{events:?}");
    assert_eq!(upstream.requests().len(), 3);

    let broken = Events::new().message().delta("Hel").response();
    let upstream = Upstream::new([broken, Events::new().text("Hello").complete()]).await;
    let events = collect_response(&builder(&upstream).build().unwrap()).await;
    assert!(events.last().unwrap().is_err());
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn silent_provider_ends_the_run() {
    let response = Events::new().message().delta("Hel").open().hang();
    let upstream = Upstream::new([response]).await;
    let model = builder(&upstream).idle_timeout(Duration::from_millis(50)).build().unwrap();
    let error = collect_response(&model).await.pop().unwrap().unwrap_err();
    assert!(error.message.contains("sent nothing for 0.05 s"), "{error}");
}

impl Events {
    /// A response that ends within the code of a call.
    fn code_cut(self) -> MockResponse {
        let item = json!({"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress",
            "container_id": "cntr_1", "code": "", "outputs": null});
        let added = json!({"type": "response.output_item.added", "output_index": 1, "item": item});
        self.event(added).response()
    }
}
