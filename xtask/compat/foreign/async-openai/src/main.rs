//! Checks of async-openai. `cargo xtask compat --all` runs this with the address of a server in the
//! environment, and parses the output.

#![allow(deprecated, reason = "the client deprecates the whole API")]

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::assistants::{AssistantStreamEvent, MessageContent, RunObject, RunStatus};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What the server's model answers to messages without a topic.
const ANSWER: &str = "Hello, here is what I have found.";
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);

/// Builds a request of the client from its JSON.
fn request<T: DeserializeOwned>(body: Value) -> Outcome<T> {
    Ok(serde_json::from_value(body)?)
}

/// An assistant, and a thread with this message.
async fn objects(client: &Client<OpenAIConfig>, text: &str, tools: Value) -> Outcome<[String; 2]> {
    let assistant = json!({"model": "gpt-4o", "name": "Tester", "tools": tools});
    let assistant = client.assistants().create(request(assistant)?).await?;
    let thread = client.threads().create(request(json!({}))?).await?;
    let message = json!({"role": "user", "content": text});
    client.threads().messages(&thread.id).create(request(message)?).await?;
    Ok([assistant.id, thread.id])
}

/// Polls a run until it stops.
async fn finished(client: &Client<OpenAIConfig>, mut run: RunObject) -> Outcome<RunObject> {
    while matches!(run.status, RunStatus::Queued | RunStatus::InProgress) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        run = client.threads().runs(&run.thread_id).retrieve(&run.id).await?;
    }
    Ok(run)
}

async fn started(client: &Client<OpenAIConfig>, text: &str, tools: Value) -> Outcome<RunObject> {
    let [assistant, thread] = objects(client, text, tools).await?;
    let body = request(json!({"assistant_id": assistant}))?;
    let run = client.threads().runs(&thread).create(body).await?;
    finished(client, run).await
}

/// The text of the newest message.
async fn answer(client: &Client<OpenAIConfig>, run: &RunObject) -> Outcome<String> {
    let messages = client.threads().messages(&run.thread_id).list().await?;
    let content = messages.data.first().and_then(|message| message.content.first());
    match content {
        Some(MessageContent::Text(text)) => Ok(text.text.value.clone()),
        other => Err(format!("no text: {other:?}").into()),
    }
}

fn expect(condition: bool, seen: impl std::fmt::Debug) -> Outcome {
    if condition { Ok(()) } else { Err(format!("unexpected: {seen:?}").into()) }
}

async fn run_completes(client: &Client<OpenAIConfig>) -> Outcome {
    let run = started(client, "Hello", json!([])).await?;
    expect(matches!(run.status, RunStatus::Completed), &run)?;
    let answer = answer(client, &run).await?;
    expect(answer == ANSWER, answer)
}

async fn run_is_streamed(client: &Client<OpenAIConfig>) -> Outcome {
    let [assistant, thread] = objects(client, "Hello", json!([])).await?;
    let body = request(json!({"assistant_id": assistant}))?;
    let mut events = client.threads().runs(&thread).create_stream(body).await?;
    let (mut deltas, mut has_completed) = (0, false);
    while let Some(event) = events.next().await {
        match event? {
            AssistantStreamEvent::ThreadMessageDelta(_) => deltas += 1,
            AssistantStreamEvent::ThreadRunCompleted(_) => has_completed = true,
            _ => {}
        }
    }
    expect(deltas > 1 && has_completed, (deltas, has_completed))
}

async fn function_is_called(client: &Client<OpenAIConfig>) -> Outcome {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let function = json!({"name": "get_weather", "parameters": parameters});
    let tools = json!([{"type": "function", "function": function}]);
    let run = started(client, "The weather in Paris?", tools).await?;
    let action = run.required_action.as_ref().ok_or("no action is required")?;
    let outputs = action
        .submit_tool_outputs
        .tool_calls
        .iter()
        .map(|call| json!({"tool_call_id": call.id, "output": "18 degrees in Paris"}));
    let outputs = json!({"tool_outputs": outputs.collect::<Vec<_>>()});
    let runs = client.threads();
    let run = runs.runs(&run.thread_id).submit_tool_outputs(&run.id, request(outputs)?).await?;
    let answer = answer(client, &finished(client, run).await?).await?;
    expect(answer.contains("18 degrees in Paris"), answer)
}

async fn code_interpreter_runs(client: &Client<OpenAIConfig>) -> Outcome {
    let run = started(client, "Compute.", json!([{"type": "code_interpreter"}])).await?;
    let steps = client.threads();
    let steps = steps.runs(&run.thread_id).steps(&run.id).list().await?;
    expect(steps.data.len() == 2, &steps)?;
    let messages = client.threads().messages(&run.thread_id).list().await?;
    let newest = format!("{:?}", messages.data.first());
    expect(newest.contains("FilePath"), newest)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let name = "async-openai";
    println!("{}", json!({"client": format!("{name} 0.41.3"), "runtime": "Rust"}));
    let client = Client::new();
    let checks: [(&str, Pin<Box<dyn Future<Output = Outcome> + '_>>); 4] = [
        ("run completes", Box::pin(run_completes(&client))),
        ("run is streamed", Box::pin(run_is_streamed(&client))),
        ("function is called", Box::pin(function_is_called(&client))),
        ("code interpreter runs", Box::pin(code_interpreter_runs(&client))),
    ];
    for (title, check) in checks {
        let failure = match tokio::time::timeout(CHECK_TIMEOUT, check).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        println!("{}", json!({"topic": name, "check": title, "failure": failure}));
    }
}
