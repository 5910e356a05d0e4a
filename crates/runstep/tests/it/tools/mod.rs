//! Rust functions that a run calls.

mod answered_calls;
mod direct_calls;
mod failures;
mod rounds;
mod schemas;
mod stream_readers;
mod streaming;
mod submission;
mod suspension;

use std::sync::{Arc, Mutex};

use runstep::tools::{ToolContext, ToolEvent, Toolbox};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// Current weather in a city
#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    city: String,
}

const PARIS: &str = r#"{"city": "Paris"}"#;

fn weather_tools() -> Toolbox {
    Toolbox::new().function("get_weather", |args: GetWeather| async move {
        format!("18 degrees in {}", args.city)
    })
}

/// The cancellation token of the last call, once a call has started.
type SharedToken = Arc<Mutex<Option<CancellationToken>>>;

/// Returns a toolbox whose `get_weather` never finishes, and the token of its call.
fn never_finishing_weather_tools() -> (Toolbox, SharedToken) {
    let token = SharedToken::default();
    let shared_token = Arc::clone(&token);
    let tools = Toolbox::new().function("get_weather", move |_: GetWeather, at: ToolContext| {
        *shared_token.lock().unwrap() = Some(at.cancellation().clone());
        std::future::pending::<String>()
    });
    (tools, token)
}

fn is_cancelled(token: &SharedToken) -> bool {
    token.lock().unwrap().as_ref().unwrap().is_cancelled()
}

/// Returns a log, and a progress callback that appends each event to it as a line of text.
fn progress_log() -> (Arc<Mutex<Vec<String>>>, impl Fn(&ToolEvent) + Send + Sync + 'static) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let callback_log = Arc::clone(&log);
    let append = move |event: &ToolEvent| {
        let text = match event {
            ToolEvent::Started(call) => format!("started with {}", call.arguments),
            ToolEvent::Finished { output, .. } => format!("finished: {output}"),
            ToolEvent::Failed { error, .. } => format!("failed: {error}"),
            ToolEvent::Denied { reason, .. } => format!("denied: {reason}"),
            other => format!("{other:?}"),
        };
        callback_log.lock().unwrap().push(format!("{} {text}", event.call().id));
    };
    (log, append)
}
