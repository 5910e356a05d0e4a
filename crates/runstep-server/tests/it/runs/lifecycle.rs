//! Status transitions of runs, and the run and step objects in each status.

use std::time::Duration;

use runstep_server::model::{Model, ModelErrorKind, ModelRequest, ModelStream, Offline, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Fixture, message_text, run_pending_tasks, timestamps_set, usage};

const LIFETIME: i64 = 600;

fn total_usage(steps: &[Value]) -> Value {
    let total = |name: &str| steps.iter().map(|step| step["usage"][name].as_u64().unwrap()).sum();
    usage(total("prompt_tokens"), total("completion_tokens"))
}

#[tokio::test(start_paused = true)]
async fn run_is_queued_then_in_progress_then_completed() {
    let wait = Duration::from_secs(5);
    let turn = Turn::text("It is sunny.").usage(12, 5).initial_delay(wait);
    let fixture = Fixture::with_turns([turn], &[]).await;

    let queued = fixture.create_run(json!({})).await;
    assert_eq!(queued["status"], "queued");
    assert_eq!(timestamps_set(&queued), ["expires_at"]);
    assert_eq!(queued["usage"], Value::Null);
    let created = queued["created_at"].as_i64().unwrap();
    assert_eq!(queued["expires_at"], created + LIFETIME);

    run_pending_tasks().await;
    let started = fixture.get_run(&queued).await;
    assert_eq!(started["status"], "in_progress");
    assert_eq!(timestamps_set(&started), ["expires_at", "started_at"]);
    assert_eq!(started["usage"], Value::Null);

    let completed = fixture.wait_for_run(&queued).await;
    assert_eq!(completed["status"], "completed");
    assert_eq!(timestamps_set(&completed), ["started_at", "completed_at"]);
    assert_eq!(completed["usage"], usage(12, 5));
    let seconds = completed["completed_at"].as_i64().unwrap() - created;
    assert!((5..=6).contains(&seconds), "{seconds}");

    let steps = fixture.list_steps(&completed).await;
    assert_eq!(steps.len(), 1);
    assert_eq!(
        (&steps[0]["type"], &steps[0]["status"]),
        (&"message_creation".into(), &"completed".into())
    );
    assert_eq!(steps[0]["usage"], usage(12, 5));
    assert_eq!(fixture.message_texts().await, ["Hello there", "It is sunny."]);
}

#[tokio::test(start_paused = true)]
async fn tool_call_requires_action_and_its_output_requeues_the_run() {
    let turns = [
        Turn::call("weather", json!({"city": "Paris"})).usage(10, 4),
        Turn::text("Sunny.").usage(20, 2),
    ];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;

    let waiting = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(timestamps_set(&waiting), ["expires_at", "started_at"]);
    assert_eq!(waiting["usage"], Value::Null);
    let action = &waiting["required_action"];
    assert_eq!(action["type"], "submit_tool_outputs");
    let call = &action["submit_tool_outputs"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "weather", "arguments": r#"{"city":"Paris"}"#}));
    let step = &fixture.list_steps(&waiting).await[0];
    assert_eq!((&step["type"], &step["status"]), (&"tool_calls".into(), &"in_progress".into()));
    assert_eq!(step["usage"], Value::Null);
    assert_eq!(step["step_details"]["tool_calls"][0]["function"]["output"], Value::Null);

    sleep(Duration::from_secs(5)).await;
    let queued = fixture.submit_outputs(&waiting, &["sun"]).await;
    assert_eq!(queued["status"], "queued");
    assert_eq!(queued["required_action"], Value::Null);
    assert_eq!(queued["expires_at"], waiting["expires_at"]);

    let completed = fixture.wait_for_run(&queued).await;
    assert_eq!(completed["status"], "completed");
    assert_eq!(completed["started_at"], waiting["started_at"]);
    assert_eq!(timestamps_set(&completed), ["started_at", "completed_at"]);
    assert_eq!(completed["usage"], usage(30, 6));
    let steps = fixture.list_steps(&completed).await;
    assert_eq!(steps[0]["status"], "completed");
    assert_eq!(steps[0]["usage"], usage(10, 4));
    assert_eq!(steps[0]["step_details"]["tool_calls"][0]["function"]["output"], "sun");
    assert_eq!(steps[1]["usage"], usage(20, 2));
}

#[tokio::test(start_paused = true)]
async fn run_usage_is_the_sum_of_its_steps() {
    let call = |turn: Turn| turn.and_call("weather", json!({}));
    let scripts = [
        vec![Turn::text("Only text.").usage(9, 3)],
        vec![call(Turn::text("Let me check.")).usage(10, 7), Turn::text("Sunny.").usage(20, 2)],
        vec![
            call(Turn::text("Checking.")).and_text("Done.").usage(10, 7),
            Turn::text("Ok").usage(20, 2),
        ],
        vec![
            Turn::call("weather", json!({})).and_text("One").usage(5, 6),
            Turn::text("k").usage(1, 1),
        ],
        vec![
            Turn::call("weather", json!({}))
                .and_text("One")
                .usage(5, 6)
                .and_fail(ModelErrorKind::Server, "x"),
        ],
    ];
    for script in scripts {
        let script_text = format!("{script:?}");
        let fixture = Fixture::with_turns(script, &["weather"]).await;
        let mut run = fixture.create_run_and_wait(json!({})).await;
        if run["status"] == "requires_action" {
            run = fixture.submit_outputs(&run, &["sun"]).await;
            run = fixture.wait_for_run(&run).await;
        }
        assert_eq!(total_usage(&fixture.list_steps(&run).await), run["usage"], "{script_text}");
    }
}

#[tokio::test(start_paused = true)]
async fn text_after_a_call_is_completed_before_requires_action() {
    let turns = [Turn::call("weather", json!({})).and_text("I am checking."), Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let steps = fixture.list_steps(&run).await;
    let statuses: Vec<_> = steps.iter().map(|step| (&step["type"], &step["status"])).collect();
    let pair = |kind: &str, status: &str| (Value::from(kind), Value::from(status));
    let (calls, message) =
        (pair("tool_calls", "in_progress"), pair("message_creation", "completed"));
    assert_eq!(statuses, [(&calls.0, &calls.1), (&message.0, &message.1)]);
    fixture.submit_outputs(&run, &["sun"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    assert_eq!(fixture.message_texts().await, ["Hello there", "I am checking.", "Sunny."]);
}

#[tokio::test(start_paused = true)]
async fn model_error_fails_the_run_with_its_code() {
    let kinds = [
        (ModelErrorKind::Server, "server_error"),
        (ModelErrorKind::RateLimit, "rate_limit_exceeded"),
        (ModelErrorKind::InvalidPrompt, "invalid_prompt"),
    ];
    for (kind, code) in kinds {
        let fixture = Fixture::with_turns([Turn::fail(kind, "It went wrong.")], &[]).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        assert_eq!(run["status"], "failed");
        assert_eq!(run["last_error"], json!({"code": code, "message": "It went wrong."}));
        assert_eq!(timestamps_set(&run), ["started_at", "failed_at"]);
        assert_eq!(run["usage"], usage(0, 0));
        assert_eq!(fixture.list_steps(&run).await, [] as [Value; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn model_error_after_text_fails_the_step_and_leaves_the_message_incomplete() {
    let turn = Turn::text("It is").and_fail(ModelErrorKind::RateLimit, "Slow down.");
    let fixture = Fixture::with_turns([turn], &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    let step = &fixture.list_steps(&run).await[0];
    assert_eq!(step["status"], "failed");
    assert_eq!(step["last_error"], json!({"code": "rate_limit_exceeded", "message": "Slow down."}));
    assert_eq!(timestamps_set(step), ["failed_at"]);
    let message = fixture.newest_message().await;
    assert_eq!(
        (message_text(&message).as_str(), &message["status"]),
        ("It is", &"incomplete".into())
    );
    assert_eq!(message["incomplete_details"], json!({"reason": "run_failed"}));
}

struct PanickingModel {
    immediately: bool,
}

impl Model for PanickingModel {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        assert!(!self.immediately, "intended panic of a model");
        Box::pin(futures_util::stream::poll_fn(|_| panic!("intended panic of a model stream")))
    }
}

#[tokio::test(start_paused = true)]
async fn panicking_model_fails_its_run_and_frees_the_thread() {
    for immediately in [true, false] {
        let fixture = Fixture::with_model(PanickingModel { immediately }, &[]).await;
        let run = fixture.create_run_and_wait(json!({})).await;
        assert_eq!(run["status"], "failed");
        assert_eq!(run["last_error"]["code"], "server_error");
        assert_eq!(fixture.try_create_run(json!({})).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn call_of_a_function_that_was_not_offered_fails_the_run() {
    let fixture = Fixture::with_turns([Turn::call("other", json!({}))], &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    assert_eq!(run["last_error"]["code"], "server_error");
    assert!(run["last_error"]["message"].as_str().unwrap().contains("'other'"));
}

#[tokio::test(start_paused = true)]
async fn run_is_incomplete_when_completion_tokens_run_out() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let format = json!({"type": "json_schema", "json_schema": {"name": "long", "schema": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string", "minLength": 4000}},
    }}});
    let body = json!({"max_completion_tokens": 256, "response_format": format});
    let run = fixture.create_run_and_wait(body).await;
    assert_eq!(run["status"], "incomplete");
    assert_eq!(run["incomplete_details"], json!({"reason": "max_completion_tokens"}));
    assert_eq!(timestamps_set(&run), ["started_at", "completed_at"]);
    assert_eq!(run["usage"]["completion_tokens"], 256);
    let message = fixture.newest_message().await;
    assert_eq!(message["status"], "incomplete");
    assert_eq!(message["incomplete_details"], json!({"reason": "max_tokens"}));
    assert_eq!(message_text(&message).chars().count(), 1024);
}

#[tokio::test(start_paused = true)]
async fn run_without_tokens_after_a_tool_round_is_incomplete() {
    let turns = [Turn::call("weather", json!({})).usage(10, 256)];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({"max_completion_tokens": 256})).await;
    fixture.submit_outputs(&run, &["sun"]).await;
    let run = fixture.wait_for_run(&run).await;
    assert_eq!(run["status"], "incomplete");
    assert_eq!(run["incomplete_details"], json!({"reason": "max_completion_tokens"}));
    assert_eq!(run["usage"], usage(10, 256));
}

#[tokio::test(start_paused = true)]
async fn run_is_incomplete_when_its_prompt_cannot_be_shortened_enough() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let long = "word ".repeat(300);
    let run =
        fixture.create_run_and_wait(json!({"max_prompt_tokens": 256, "instructions": long})).await;
    assert_eq!(run["status"], "incomplete");
    assert_eq!(run["incomplete_details"], json!({"reason": "max_prompt_tokens"}));
    assert_eq!(timestamps_set(&run), ["started_at", "completed_at"]);
    assert_eq!(run["usage"], usage(0, 0));
}

#[tokio::test(start_paused = true)]
async fn function_definitions_count_as_prompt_tokens() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let tool = json!({"type": "function", "function": {
        "name": "f", "description": "word ".repeat(300),
    }});
    let run = fixture.create_run_and_wait(json!({"max_prompt_tokens": 256, "tools": [tool]})).await;
    assert_eq!(run["status"], "incomplete", "{}", run["usage"]);
    assert_eq!(run["incomplete_details"], json!({"reason": "max_prompt_tokens"}));
}
