//! Creates the samples through the API.

use std::time::Duration;

use runstep_server::ManualClock;
use serde_json::{Value, json};

use super::scenes::{
    APPROVAL, CRASH, ESSAY, LONG, POEM, REFUND, RETURNS, REVENUE, Scene, TRAINS, TRANSLATE,
    WARRANTY, WEATHER, assistants, scenes,
};

const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The time between two runs of the traffic, and how many they are.
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(20);
const TRAFFIC_RUNS: usize = 500;
/// How long the application of the traffic takes for the output of a function.
const FUNCTION_TIME: Duration = Duration::from_secs(2);

/// How a sample run ends.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// As its scene does.
    Scene,
    Cancelled,
    /// After as many rounds of outputs as the scene has, the run waits.
    Waiting,
}

/// The first runs: minutes after the start of the history, question, ending.
const HISTORY: [(u64, &str, Ending); 18] = [
    (0, RETURNS, Ending::Scene),
    (7, TRAINS, Ending::Scene),
    (16, APPROVAL, Ending::Waiting),
    (31, WEATHER, Ending::Scene),
    (44, REVENUE, Ending::Scene),
    (52, CRASH, Ending::Scene),
    (69, WARRANTY, Ending::Scene),
    (83, RETURNS, Ending::Scene),
    (88, ESSAY, Ending::Scene),
    (101, TRANSLATE, Ending::Scene),
    (117, WEATHER, Ending::Scene),
    (124, POEM, Ending::Cancelled),
    (139, REVENUE, Ending::Scene),
    (151, RETURNS, Ending::Scene),
    (160, WARRANTY, Ending::Scene),
    (166, APPROVAL, Ending::Waiting),
    (171, TRAINS, Ending::Scene),
    (176, REFUND, Ending::Waiting),
];

/// Creates objects on a server.
pub(in crate::program) struct Samples {
    client: reqwest::Client,
    base_url: String,
    assistants: Vec<String>,
    scenes: Vec<Scene>,
}

type Result<T> = std::result::Result<T, reqwest::Error>;

impl Samples {
    pub(super) fn new(base_url: String) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { client, base_url, assistants: Vec::new(), scenes: scenes() })
    }

    /// Creates the runs of the past.
    pub(super) async fn create_history(&mut self, clock: &ManualClock) -> Result<()> {
        for assistant in assistants() {
            let assistant = self.post("/assistants", &assistant).await?;
            self.assistants.push(text(&assistant, "id").to_owned());
        }
        let start = clock.now();
        for (minutes, question, ending) in HISTORY {
            let due = start + Duration::from_secs(60 * minutes);
            if let Ok(remaining) = due.duration_since(clock.now()) {
                clock.advance(remaining);
            }
            let run = self
                .ask(question, &json!({"channel": "web", "ticket": (1000 + minutes).to_string()}))
                .await?;
            let mut outputs = self
                .scene(question)
                .map_or_else(Vec::new, |scene| scene.outputs.clone())
                .into_iter();
            loop {
                let settled = self.settle(&run, ending == Ending::Cancelled).await?;
                match (text(&settled, "status"), outputs.next()) {
                    ("requires_action", Some(outputs)) => {
                        clock.advance(Duration::from_secs(3));
                        self.submit(&settled, &outputs).await?;
                    }
                    _ => break,
                }
            }
            if ending == Ending::Cancelled {
                clock.advance(Duration::from_secs(4));
                self.post(&path(&run, "/cancel"), &json!({})).await?;
                self.settle(&run, false).await?;
            }
        }
        Ok(())
    }

    /// Starts runs that take some seconds, more than are executed at the same time.
    pub(super) async fn start_long_runs(&mut self) -> Result<()> {
        for question in [LONG, LONG, LONG, WARRANTY] {
            self.ask(question, &json!({"channel": "api"})).await?;
        }
        Ok(())
    }

    /// Creates a run every now and then. Errors end the traffic.
    pub(super) async fn create_traffic(&mut self) {
        let questions = [RETURNS, WEATHER, WARRANTY, TRAINS, REVENUE, CRASH];
        for question in questions.into_iter().cycle().take(TRAFFIC_RUNS) {
            tokio::time::sleep(TRAFFIC_INTERVAL).await;
            if let Err(error) = self.serve(question).await {
                tracing::warn!(%error, "the demo creates no more runs");
                return;
            }
        }
    }

    /// Does what an application does: creates a run, and submits the outputs of its functions.
    async fn serve(&self, question: &str) -> Result<()> {
        let run = self.ask(question, &json!({"channel": "app"})).await?;
        let outputs = self.scene(question).map_or_else(Vec::new, |scene| scene.outputs.clone());
        for outputs in outputs {
            let settled = self.settle(&run, false).await?;
            if text(&settled, "status") != "requires_action" {
                return Ok(());
            }
            tokio::time::sleep(FUNCTION_TIME).await;
            self.submit(&settled, &outputs).await?;
        }
        Ok(())
    }

    fn scene(&self, question: &str) -> Option<&Scene> {
        self.scenes.iter().find(|scene| scene.question == question)
    }

    /// Creates a thread with a question and a run.
    async fn ask(&self, question: &str, metadata: &Value) -> Result<Value> {
        let assistant = self.scene(question).and_then(|scene| self.assistants.get(scene.assistant));
        let body = json!({
            "assistant_id": assistant, "metadata": metadata,
            "thread": {"messages": [{"role": "user", "content": question}]},
        });
        self.post("/threads/runs", &body).await
    }

    async fn submit(&self, run: &Value, outputs: &[&str]) -> Result<Value> {
        let calls = run.pointer("/required_action/submit_tool_outputs/tool_calls");
        let outputs: Vec<Value> = calls
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .zip(outputs)
            .map(|(call, output)| json!({"tool_call_id": text(call, "id"), "output": output}))
            .collect();
        let body = json!({"tool_outputs": outputs});
        self.post(&path(run, "/submit_tool_outputs"), &body).await
    }

    /// Waits until a run has settled, or with `started` until it has a step.
    async fn settle(&self, run: &Value, started: bool) -> Result<Value> {
        loop {
            let current = self.get(&path(run, "")).await?;
            let is_active =
                matches!(text(&current, "status"), "queued" | "in_progress" | "cancelling");
            if !is_active {
                return Ok(current);
            }
            if started {
                let steps = self.get(&path(run, "/steps")).await?;
                if steps
                    .get("data")
                    .and_then(Value::as_array)
                    .is_some_and(|steps| !steps.is_empty())
                {
                    return Ok(current);
                }
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(format!("{}{path}", self.base_url));
        receive(request).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base_url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        receive(request).await
    }
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Value> {
    let body = request.send().await?.error_for_status()?.bytes().await?;
    // The server's responses are JSON.
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

fn path(run: &Value, rest: &str) -> String {
    format!("/threads/{}/runs/{}{rest}", text(run, "thread_id"), text(run, "id"))
}

/// Returns the text of a member, or an empty one.
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
