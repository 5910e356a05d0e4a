//! A client that creates objects, and remembers what the server has acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};

use fastrand::Rng;
use serde_json::{Value, json};

use super::client::{Client, Killed, Response, field};
use super::events::Event;
use super::{Broken, Report};

/// A client. It lives longer than the server processes.
pub(super) struct Worker {
    index: usize,
    rng: Rng,
    /// Counts keys and texts, which so are unique.
    count: u64,
    assistant: Option<String>,
    pub(super) threads: Vec<Thread>,
    /// The request that was in flight when the server was killed.
    pending: Option<Pending>,
    pub(super) report: Report,
}

/// A thread that the server has acknowledged.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) id: String,
    /// Texts of messages, with the id if the server has acknowledged it.
    pub(super) messages: Vec<(String, String)>,
    pub(super) runs: Vec<Run>,
    pub(super) deletion: Deletion,
    /// Whether it was used since the last check.
    pub(super) is_used: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Deletion {
    #[default]
    None,
    /// The server was killed before the response.
    Requested,
    Acknowledged,
}

/// A run that the server has acknowledged.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) id: String,
    /// The events that were received so far.
    pub(super) events: Vec<Event>,
}

/// A request without a response.
#[derive(Debug)]
struct Pending {
    path: String,
    body: Value,
    key: String,
    effect: Effect,
}

/// What a response means.
#[derive(Clone, Debug)]
enum Effect {
    Assistant,
    Thread,
    Message { thread: usize, text: String },
    Run { thread: usize },
    Other,
}

impl Worker {
    pub(super) fn new(index: usize, rng: Rng) -> Self {
        Self {
            index,
            rng,
            count: 0,
            assistant: None,
            threads: Vec::new(),
            pending: None,
            report: Report::default(),
        }
    }

    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Uses the server until it is killed, or its nodes until the end of the round.
    pub(super) fn work(&mut self, client: &Client, is_stopped: &AtomicBool) -> Result<(), Broken> {
        while !is_stopped.load(Ordering::Relaxed) {
            let mut result = self.repeat_pending(client)?;
            if result.is_ok() {
                result = self.step(client)?;
            }
            if result.is_err() && !client.has_nodes() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Repeats the request whose response was lost. Its key prevents a second effect.
    pub(super) fn repeat_pending(&mut self, client: &Client) -> Result<Result<(), Killed>, Broken> {
        let Some(pending) = self.pending.take() else { return Ok(Ok(())) };
        match client.post(&pending.path, &pending.body, &pending.key) {
            Ok(response) => {
                self.report.repeated += 1;
                self.apply(&pending.effect, &pending.path, response)?;
                Ok(Ok(()))
            }
            Err(killed) => {
                self.pending = Some(pending);
                Ok(Err(killed))
            }
        }
    }

    /// Makes one random request.
    fn step(&mut self, client: &Client) -> Result<Result<(), Killed>, Broken> {
        let Some(assistant) = self.assistant.clone() else {
            let tool = json!({"type": "function", "function": {"name": "weather"}});
            let body = json!({"model": "offline", "tools": [tool]});
            return self.post(client, "/assistants".to_owned(), body, Effect::Assistant);
        };
        let alive: Vec<usize> = (0..self.threads.len())
            .filter(|index| self.threads.get(*index).is_some_and(|t| t.deletion == Deletion::None))
            .collect();
        let recent = alive.iter().rev().take(4).copied().collect::<Vec<_>>();
        let Some(thread) = self.rng.choice(recent).filter(|_| self.rng.u8(..10) > 1) else {
            return self.post(client, "/threads".to_owned(), json!({}), Effect::Thread);
        };
        let Some(state) = self.threads.get_mut(thread) else { return Ok(Ok(())) };
        state.is_used = true;
        let path = format!("/threads/{}", state.id);
        let newest = state.runs.last().map(|run| format!("{path}/runs/{}", run.id));
        match self.rng.u8(..20) {
            0..6 => {
                let text = self.unique("text");
                let body = json!({"role": "user", "content": text});
                let effect = Effect::Message { thread, text };
                self.post(client, format!("{path}/messages"), body, effect)
            }
            6..10 => {
                let mut body = json!({"assistant_id": assistant});
                if self.rng.bool() {
                    body = json!({"assistant_id": assistant, "tool_choice": "none"});
                }
                self.post(client, format!("{path}/runs"), body, Effect::Run { thread })
            }
            10..14 => self.stream(client, thread, &path, &assistant),
            14..18 => match newest {
                Some(run) => self.submit(client, &run),
                None => Ok(Ok(())),
            },
            18 => match newest {
                Some(run) => self.post(client, format!("{run}/cancel"), json!({}), Effect::Other),
                None => Ok(Ok(())),
            },
            _ => self.delete(client, thread, &path),
        }
    }

    fn post(
        &mut self,
        client: &Client,
        path: String,
        body: Value,
        effect: Effect,
    ) -> Result<Result<(), Killed>, Broken> {
        let key = self.unique("key");
        match client.post(&path, &body, &key) {
            Ok(response) => {
                self.apply(&effect, &path, response)?;
                Ok(Ok(()))
            }
            Err(killed) => {
                self.pending = Some(Pending { path, body, key, effect });
                Ok(Err(killed))
            }
        }
    }

    /// Creates a run and reads its events until the server is killed.
    fn stream(
        &mut self,
        client: &Client,
        thread: usize,
        path: &str,
        assistant: &str,
    ) -> Result<Result<(), Killed>, Broken> {
        let path = format!("{path}/runs");
        let body = json!({"assistant_id": assistant, "stream": true});
        let (key, mut events) = (self.unique("key"), Vec::new());
        let result = client.stream(&path, &body, &key, &mut events);
        let id = events.iter().find_map(|event| {
            let data: Value = serde_json::from_str(&event.data).ok()?;
            (event.name == "thread.run.created")
                .then(|| field(&data, "id").as_str().map(str::to_owned))?
        });
        match (id, self.threads.get_mut(thread)) {
            (Some(id), Some(state)) => {
                self.report.runs += 1;
                state.runs.push(Run { id, events });
            }
            // The server was killed before the first event: the response is the run, later.
            _ if result.is_err() => {
                let body = json!({"assistant_id": assistant, "stream": false});
                // The body differs, so this is another request unless the first was not executed.
                let effect = Effect::Run { thread };
                let key = self.unique("key");
                self.pending = Some(Pending { path: path.clone(), body, key, effect });
            }
            _ => {}
        }
        match result {
            Ok(Some(response)) if response.status != 400 => {
                Err(format!("POST {path}: {} {}", response.status, response.body))
            }
            Ok(_) => Ok(Ok(())),
            Err(killed) => Ok(Err(killed)),
        }
    }

    /// Submits outputs if a run waits for them.
    fn submit(&mut self, client: &Client, path: &str) -> Result<Result<(), Killed>, Broken> {
        let run = match client.get(path) {
            Ok(response) => response.body,
            Err(killed) => return Ok(Err(killed)),
        };
        let calls = run.pointer("/required_action/submit_tool_outputs/tool_calls");
        let Some(calls) = calls.and_then(Value::as_array) else { return Ok(Ok(())) };
        let output = |call: &Value| json!({"tool_call_id": field(call, "id"), "output": "sun"});
        let body = json!({"tool_outputs": calls.iter().map(output).collect::<Vec<_>>()});
        self.post(client, format!("{path}/submit_tool_outputs"), body, Effect::Other)
    }

    fn delete(
        &mut self,
        client: &Client,
        thread: usize,
        path: &str,
    ) -> Result<Result<(), Killed>, Broken> {
        let response = client.delete(path);
        let Some(state) = self.threads.get_mut(thread) else { return Ok(Ok(())) };
        match response {
            Ok(Response { status: 200, .. }) => {
                state.deletion = Deletion::Acknowledged;
                Ok(Ok(()))
            }
            Ok(response) => Err(format!("DELETE {path}: {} {}", response.status, response.body)),
            Err(killed) => {
                state.deletion = Deletion::Requested;
                Ok(Err(killed))
            }
        }
    }

    /// Remembers what a response acknowledges.
    fn apply(&mut self, effect: &Effect, path: &str, response: Response) -> Result<(), Broken> {
        let Response { status, body } = response;
        // The thread has an active run, or the run has another status.
        if status == 400 {
            return Ok(());
        }
        let id = field(&body, "id").as_str().filter(|_| status == 200);
        let Some(id) = id.map(str::to_owned) else {
            return Err(format!("POST {path}: {status} {body}"));
        };
        match effect {
            Effect::Assistant => self.assistant = Some(id),
            Effect::Thread => {
                self.threads.push(Thread { id, is_used: true, ..Thread::default() });
            }
            Effect::Message { thread, text } => {
                if let Some(thread) = self.threads.get_mut(*thread) {
                    thread.messages.push((text.clone(), id));
                }
            }
            Effect::Run { thread } => {
                self.report.runs += 1;
                if let Some(thread) = self.threads.get_mut(*thread) {
                    thread.runs.push(Run { id, events: Vec::new() });
                }
            }
            Effect::Other => {}
        }
        Ok(())
    }

    pub(super) fn unique(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind} {} of client {}", self.count, self.index)
    }
}
