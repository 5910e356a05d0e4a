//! A server whose run asks for rounds of calls, and keeps what is submitted.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use axum::response::Response;
use runstep::tools::{Toolbox, WithToolbox};
use runstep::{AndPoll, Client, CreateRun, Runs};
use serde_json::{Value, json};

use crate::support::{Recorded, Recorder, example, json as reply_json, reply};

/// Id, name and arguments of a call.
pub(crate) type Call = (&'static str, &'static str, &'static str);

/// The run as it stands.
#[derive(Clone, Debug)]
pub(crate) struct State {
    rounds: Vec<Vec<Call>>,
    /// How many rounds have been answered.
    pub(crate) answered: usize,
    /// A status that somebody else has given the run.
    pub(crate) status: Option<&'static str>,
    /// How long the run lives.
    pub(crate) lifetime: i64,
}

impl State {
    /// The run as a reply has it.
    pub(crate) fn run(&self) -> Value {
        let mut run = example("Run");
        let calls = self.rounds.get(self.answered);
        let usual = if calls.is_some() { "requires_action" } else { "completed" };
        let status = self.status.unwrap_or(usual);
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

/// What is done instead of the usual to a request.
pub(crate) type Instead = fn(&Recorded, &mut State) -> Option<Response>;

pub(crate) struct Rounds {
    pub(crate) server: Recorder,
    pub(crate) runs: Runs,
    pub(crate) state: Arc<Mutex<State>>,
}

/// A run that asks for these calls, round by round.
pub(crate) async fn rounds(rounds: impl IntoIterator<Item = Vec<Call>>) -> Rounds {
    rounds_but(rounds, |_, _| None).await
}

/// The same, with something else done to some requests.
pub(crate) async fn rounds_but(
    rounds: impl IntoIterator<Item = Vec<Call>>,
    instead: Instead,
) -> Rounds {
    let rounds = rounds.into_iter().collect();
    let state = State { rounds, answered: 0, status: None, lifetime: 600 };
    let state = Arc::new(Mutex::new(state));
    let keep = Arc::clone(&state);
    let server = Recorder::answering(move |_, request| {
        let mut state = keep.lock().unwrap();
        instead(request, &mut state).unwrap_or_else(|| usual(request, &mut state))
    })
    .await;
    let runs = client(&server).runs("thread_abc123");
    Rounds { server, runs, state }
}

fn client(server: &Recorder) -> Client {
    server.client()
}

pub(crate) fn usual(request: &Recorded, state: &mut State) -> Response {
    if ["/steps", "/messages"].iter().any(|list| request.target.contains(list)) {
        let page = json!({
            "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false,
        });
        return reply_json(&page);
    }
    let mut run = state.run();
    if path(request).ends_with("/runs") {
        run["status"] = "queued".into();
    } else if is_submission(request) {
        state.answered += 1;
        run = state.run();
        run["status"] = "queued".into();
    } else if path(request).ends_with("/cancel") {
        state.status = Some("cancelled");
        run["status"] = "cancelling".into();
    }
    if streams(request) { events(&run, &state.run()) } else { reply_json(&run) }
}

fn streams(request: &Recorded) -> bool {
    serde_json::from_slice(&request.body).is_ok_and(|body: Value| body["stream"] == true)
}

/// A reply that tells the run as it was and as it is now.
pub(crate) fn events(was: &Value, is: &Value) -> Response {
    let told = [was, is].map(|run| {
        let status = run["status"].as_str().unwrap();
        format!("event: thread.run.{status}\ndata: {run}\n\n")
    });
    let body = format!("{}event: done\ndata: [DONE]\n\n", told.concat());
    reply(200, &[("content-type", "text/event-stream")], body)
}

pub(crate) fn is_submission(request: &Recorded) -> bool {
    path(request).ends_with("/submit_tool_outputs")
}

fn path(request: &Recorded) -> &str {
    request.target.split('?').next().unwrap()
}

/// A refusal in the API's words.
pub(crate) fn refusal(status: u16, message: &str) -> Response {
    let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
    reply(status, &[("content-type", "application/json")], body.to_string())
}

impl Rounds {
    pub(crate) fn with(&self, tools: &Toolbox) -> WithToolbox<CreateRun> {
        self.runs.create("asst_abc123").toolbox(tools)
    }

    pub(crate) fn submissions(&self) -> usize {
        self.server.count_of("POST", "/submit_tool_outputs")
    }

    pub(crate) fn cancels(&self) -> usize {
        self.server.count_of("POST", "/cancel")
    }

    /// The bodies that were submitted, as they were.
    pub(crate) fn submitted(&self) -> String {
        let seen = self.server.seen();
        let bodies = seen.iter().filter(|request| is_submission(request)).map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            serde_json::to_string_pretty(&body).unwrap()
        });
        bodies.collect::<Vec<_>>().join("\n")
    }
}

/// Waits for a run at a pace for tests, and gives up before the test run does.
pub(crate) fn quickly<R>(poll: AndPoll<R>) -> AndPoll<R> {
    let second = std::time::Duration::from_secs(1);
    poll.interval(second / 1000).deadline(20 * second)
}
