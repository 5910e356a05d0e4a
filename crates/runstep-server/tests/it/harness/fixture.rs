//! An assistant and a thread to run it on.

use std::time::Duration;

use runstep_server::ServerBuilder;
use runstep_server::model::{Model, Turn};
use serde_json::{Value, json};

use super::{
    Event, EventStream, JsonResponse, TestClient, id, merged, message_text, tool_outputs_body,
};

/// An assistant and a thread.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) client: TestClient,
    /// The id of the assistant.
    pub(crate) assistant: String,
    /// The id of the thread.
    pub(crate) thread: String,
}

impl Fixture {
    /// A fixture on a new server whose model plays these turns.
    pub(crate) async fn with_turns(
        turns: impl IntoIterator<Item = Turn>,
        functions: &[&str],
    ) -> Self {
        TestClient::with_turns(turns).create_fixture(functions).await
    }

    pub(crate) async fn with_model(model: impl Model, functions: &[&str]) -> Self {
        TestClient::with_model(model).create_fixture(functions).await
    }

    pub(crate) async fn from_builder(builder: ServerBuilder, functions: &[&str]) -> Self {
        TestClient::from_builder(builder).create_fixture(functions).await
    }

    pub(crate) fn runs_path(&self) -> String {
        format!("/threads/{}/runs", self.thread)
    }

    pub(crate) fn assistant_path(&self) -> String {
        format!("/assistants/{}", self.assistant)
    }

    pub(crate) fn thread_path(&self) -> String {
        format!("/threads/{}", self.thread)
    }

    pub(crate) fn messages_path(&self) -> String {
        format!("/threads/{}/messages", self.thread)
    }

    pub(crate) fn message_path(&self, message: &Value) -> String {
        format!("{}/{}", self.messages_path(), id(message))
    }

    pub(crate) fn run_path(&self, run: &Value, suffix: &str) -> String {
        format!("{}/{}{suffix}", self.runs_path(), id(run))
    }

    /// A create-run body with these fields.
    pub(crate) fn run_body(&self, fields: Value) -> Value {
        merged(json!({"assistant_id": self.assistant}), fields)
    }

    pub(crate) async fn try_create_run(&self, fields: Value) -> JsonResponse {
        self.client.post(&self.runs_path(), self.run_body(fields)).await
    }

    pub(crate) async fn create_run(&self, fields: Value) -> Value {
        self.try_create_run(fields).await.ok()
    }

    pub(crate) async fn get_run(&self, run: &Value) -> Value {
        self.client.get(&self.run_path(run, "")).await.ok()
    }

    /// Returns the newest run of the thread.
    pub(crate) async fn newest_run(&self) -> Value {
        self.client.get(&self.runs_path()).await.ok()["data"][0].clone()
    }

    /// Creates a run and polls it until it stops.
    pub(crate) async fn create_run_and_wait(&self, fields: Value) -> Value {
        let run = self.create_run(fields).await;
        self.wait_for_run(&run).await
    }

    /// Polls a run until it has ended or requires action, for an hour at most.
    pub(crate) async fn wait_for_run(&self, run: &Value) -> Value {
        for _ in 0..36_000 {
            let run = self.get_run(run).await;
            if !matches!(run["status"].as_str(), Some("queued" | "in_progress" | "cancelling")) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the run does not stop: {run}");
    }

    /// Polls a run until it has a status. A store in a file works in threads of its own, so
    /// that running the pending tasks is not enough.
    pub(crate) async fn wait_for_status(&self, run: &Value, status: &str) -> Value {
        for _ in 0..2000 {
            let run = self.get_run(run).await;
            if run["status"] == status {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the run does not become {status}: {run}");
    }

    /// Submits one output for each call of a run that requires action.
    pub(crate) async fn submit_outputs(&self, run: &Value, outputs: &[&str]) -> Value {
        self.try_submit_outputs(run, tool_outputs_body(run, outputs)).await.ok()
    }

    pub(crate) async fn try_submit_outputs(&self, run: &Value, body: Value) -> JsonResponse {
        self.client.post(&self.run_path(run, "/submit_tool_outputs"), body).await
    }

    /// Submits one output for each call, and opens a stream of the continued run.
    pub(crate) async fn open_outputs_stream(&self, run: &Value, outputs: &[&str]) -> EventStream {
        let body = merged(tool_outputs_body(run, outputs), json!({"stream": true}));
        self.client.open_stream(&self.run_path(run, "/submit_tool_outputs"), body).await
    }

    pub(crate) async fn cancel_run(&self, run: &Value) -> JsonResponse {
        self.client.post_raw(&self.run_path(run, "/cancel"), "").await
    }

    pub(crate) async fn open_run_stream(&self, fields: Value) -> EventStream {
        let body = merged(self.run_body(fields), json!({"stream": true}));
        self.client.open_stream(&self.runs_path(), body).await
    }

    pub(crate) async fn stream_run(&self, fields: Value) -> Vec<Event> {
        self.open_run_stream(fields).await.read_to_end().await
    }

    /// The steps of a run, oldest first.
    pub(crate) async fn list_steps(&self, run: &Value) -> Vec<Value> {
        let list = self.client.get(&self.run_path(run, "/steps?order=asc")).await.ok();
        list["data"].as_array().unwrap().clone()
    }

    /// Adds a user message to the thread.
    pub(crate) async fn add_message(&self, content: impl Into<Value>) -> Value {
        self.try_add_message(content).await.ok()
    }

    pub(crate) async fn try_add_message(&self, content: impl Into<Value>) -> JsonResponse {
        let body = json!({"role": "user", "content": content.into()});
        self.client.post(&self.messages_path(), body).await
    }

    /// The newest message of the thread.
    pub(crate) async fn newest_message(&self) -> Value {
        self.client.get(&self.messages_path()).await.ok()["data"][0].clone()
    }

    /// The texts of the messages, oldest first.
    pub(crate) async fn message_texts(&self) -> Vec<String> {
        let list = self.client.get(&format!("{}?order=asc", self.messages_path())).await.ok();
        list["data"].as_array().unwrap().iter().map(message_text).collect()
    }
}

impl TestClient {
    /// Creates a run that never ends, on a thread of its own. If one run at a time can execute, all
    /// others stay queued.
    pub(crate) async fn hold_execution_permit(&self) {
        let fixture = self.create_fixture(&[]).await;
        let run = fixture.create_run(json!({})).await;
        fixture.wait_for_status(&run, "in_progress").await;
    }
}
