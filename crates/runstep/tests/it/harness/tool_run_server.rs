//! A server of one run that requests tool calls in rounds, and records the submitted outputs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::Response;
use runstep::tools::{Toolbox, WithToolbox};
use runstep::{CreateRun, Runs};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    EVENT_STREAM, RecordedRequest, RecordingServer, example, http_response, json_response,
    sse_event,
};

/// The id, the function name and the arguments of a call.
pub(crate) type ToolCall = (&'static str, &'static str, &'static str);

/// The state of the run.
#[derive(Clone, Debug)]
pub(crate) struct ToolRunState {
    rounds: Vec<Vec<ToolCall>>,
    /// How many rounds have their outputs.
    pub(crate) submitted_rounds: usize,
    /// Overrides the status that follows from the rounds.
    pub(crate) status: Option<&'static str>,
    /// Seconds from creation to expiry.
    pub(crate) lifetime: i64,
}

impl ToolRunState {
    /// The run as a response represents it.
    pub(crate) fn run(&self) -> Value {
        let mut run = example("Run");
        let calls = self.rounds.get(self.submitted_rounds);
        let default_status = if calls.is_some() { "requires_action" } else { "completed" };
        let status = self.status.unwrap_or(default_status);
        run["status"] = status.into();
        run["required_action"] = Value::Null;
        run["expires_at"] = (run["created_at"].as_i64().unwrap() + self.lifetime).into();
        if let (Some(calls), "requires_action") = (calls, status) {
            let calls: Vec<Value> = calls
                .iter()
                .map(|(id, name, arguments)| {
                    let function = json!({"name": name, "arguments": arguments});
                    json!({"id": id, "type": "function", "function": function})
                })
                .collect();
            let submit = json!({"tool_calls": calls});
            run["required_action"] =
                json!({"type": "submit_tool_outputs", "submit_tool_outputs": submit});
        }
        run
    }
}

/// Returns the response to a request, or `None` for the default response.
pub(crate) type RequestOverride = fn(&RecordedRequest, &mut ToolRunState) -> Option<Response>;

pub(crate) struct ToolRunServer {
    pub(crate) http: RecordingServer,
    pub(crate) runs: Runs,
    pub(crate) state: Arc<Mutex<ToolRunState>>,
}

/// Starts a server whose run requests these calls, round by round.
pub(crate) async fn tool_run(rounds: impl IntoIterator<Item = Vec<ToolCall>>) -> ToolRunServer {
    tool_run_with(rounds, |_, _| None).await
}

/// Starts the same server, with other responses to some requests.
pub(crate) async fn tool_run_with(
    rounds: impl IntoIterator<Item = Vec<ToolCall>>,
    request_override: RequestOverride,
) -> ToolRunServer {
    let rounds = rounds.into_iter().collect();
    let state = ToolRunState { rounds, submitted_rounds: 0, status: None, lifetime: 600 };
    let state = Arc::new(Mutex::new(state));
    let server_state = Arc::clone(&state);
    let http = RecordingServer::start_with(move |_, request| {
        let mut state = server_state.lock().unwrap();
        request_override(request, &mut state)
            .unwrap_or_else(|| default_response(request, &mut state))
    })
    .await;
    let runs = http.client().runs("thread_abc123");
    ToolRunServer { http, runs, state }
}

pub(crate) fn default_response(request: &RecordedRequest, state: &mut ToolRunState) -> Response {
    if ["/steps", "/messages"].iter().any(|list| request.target.contains(list)) {
        let page = json!({
            "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false,
        });
        return json_response(&page);
    }
    let mut run = state.run();
    if request.path().ends_with("/runs") {
        run["status"] = "queued".into();
    } else if is_submission(request) {
        state.submitted_rounds += 1;
        run = state.run();
        run["status"] = "queued".into();
    } else if request.path().ends_with("/cancel") {
        state.status = Some("cancelled");
        run["status"] = "cancelling".into();
    }
    if is_streaming(request) { event_response(&run, &state.run()) } else { json_response(&run) }
}

fn is_streaming(request: &RecordedRequest) -> bool {
    serde_json::from_slice(&request.body).is_ok_and(|body: Value| body["stream"] == true)
}

/// An event stream with an event for each of two states of the run.
pub(crate) fn event_response(before: &Value, after: &Value) -> Response {
    let events = [before, after].map(|run| {
        let status = run["status"].as_str().unwrap();
        sse_event(&format!("thread.run.{status}"), run)
    });
    let body = format!("{}event: done\ndata: [DONE]\n\n", events.concat());
    http_response(200, EVENT_STREAM, body)
}

pub(crate) fn is_submission(request: &RecordedRequest) -> bool {
    request.path().ends_with("/submit_tool_outputs")
}

/// An error response in the API's format.
pub(crate) fn error_response(status: u16, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
    http_response(status, &[("content-type", "application/json")], body.to_string())
}

impl ToolRunServer {
    pub(crate) fn create_run(&self, tools: &Toolbox) -> CreateRun<WithToolbox> {
        self.runs.create("asst_abc123").toolbox(tools)
    }

    /// The number of submissions of tool outputs.
    pub(crate) fn submissions(&self) -> usize {
        self.http.count_of("POST", "/submit_tool_outputs")
    }

    /// The number of requests to cancel the run.
    pub(crate) fn cancels(&self) -> usize {
        self.http.count_of("POST", "/cancel")
    }

    /// Waits up to five seconds for the expected requests to cancel, and checks their number.
    pub(crate) async fn assert_cancels(&self, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.cancels() < expected && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.cancels(), expected);
    }

    /// The bodies of all submissions.
    pub(crate) fn submitted_bodies(&self) -> String {
        let requests = self.http.requests();
        let bodies = requests.iter().filter(|request| is_submission(request)).map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            serde_json::to_string_pretty(&body).unwrap()
        });
        bodies.collect::<Vec<_>>().join("\n")
    }
}
