//! Runs an assistant, to see whether the operations work together. What is created is deleted.

use std::time::Duration;

use runstep::RunEvent;
use runstep::types::{Run, RunStatus};
use serde_json::json;

use super::Examination;
use super::exchange::Exchange;
use super::probe::path_of;
use super::report::{Presence, Step};
use crate::error::CliError;

/// How long the run may take.
const DEADLINE: Duration = Duration::from_secs(180);

impl Examination<'_> {
    /// Creates an assistant and a thread, runs them, reads what came out, and deletes both.
    pub(super) async fn live(&mut self, model: &str) {
        let tool = json!({ "type": "function", "function": {
            "name": "get_weather",
            "description": "Returns the current weather in a city",
            "parameters": {
                "type": "object",
                "properties": { "city": { "type": "string" } },
                "required": ["city"],
            },
        } });
        let body = json!({
            "model": model,
            "name": "runstep doctor",
            "instructions": "Call get_weather once, then answer in one sentence.",
            "tools": [tool],
        });
        let assistant = self.step("createAssistant", &[], Some(&body)).await;
        let body = json!({ "messages": [
            { "role": "user", "content": "How is the weather in Paris?" },
        ] });
        let thread = self.step("createThread", &[], Some(&body)).await;
        if let Some(entry) =
            self.report.operations.iter_mut().find(|entry| entry.id == "createThread")
        {
            entry.status = thread.status;
            entry.presence = match thread.is_api_object() && thread.id().is_some() {
                true => Presence::Present,
                false => Presence::Unknown,
            };
        }
        if let (Some(assistant), Some(thread)) = (assistant.id(), thread.id()) {
            self.run(assistant, thread).await;
        }
        if let Some(id) = thread.id() {
            self.step("deleteThread", &[("thread_id", id)], None).await;
        }
        if let Some(id) = assistant.id() {
            self.step("deleteAssistant", &[("assistant_id", id)], None).await;
        }
    }

    /// Calls an operation and adds it to the report.
    async fn step(
        &mut self,
        id: &'static str,
        values: &[(&str, &str)],
        body: Option<&serde_json::Value>,
    ) -> Exchange {
        let exchange = match path_of(id, values) {
            Ok(path) => self.call(id, &path, body).await,
            Err(error) => Exchange::failed(error.to_string()),
        };
        self.report.steps.push(Step::new(id, &exchange));
        exchange
    }

    async fn run(&mut self, assistant: &str, thread: &str) {
        let streamed = self.stream(assistant, thread).await;
        let run = match streamed {
            Ok(run) => run,
            Err(error) => {
                self.report.steps.push(Step::failed("streams a run", &error.to_string()));
                return;
            }
        };
        let ids = [("thread_id", thread), ("run_id", run.id.as_str())];
        self.step("retrieveRun", &ids, None).await;
        if run.status == RunStatus::RequiresAction {
            let outputs: Vec<_> = run
                .function_calls()
                .iter()
                .map(|call| json!({ "tool_call_id": call.id, "output": "18 degrees and sunny" }))
                .collect();
            let body = json!({ "tool_outputs": outputs });
            self.step("submitToolOutputs", &ids, Some(&body)).await;
            let polled = self.client.runs(thread).poll(&run.id).deadline(DEADLINE).await;
            self.report.steps.push(match polled {
                Ok(run) => Step::of_run("polls the run", &run),
                Err(error) => Step::failed("polls the run", &error.to_string()),
            });
        }
        let body = json!({ "metadata": { "checked_by": "runstep" } });
        self.step("updateRun", &ids, Some(&body)).await;
        self.step("listRuns", &ids, None).await;
        let messages = self.step("listMessages", &ids, None).await;
        if let Some(message) = messages.first_id() {
            self.step("retrieveMessage", &[ids[0], ("message_id", message)], None).await;
        }
        let steps = self.step("listRunSteps", &ids, None).await;
        if let Some(step) = steps.first_id() {
            self.step("retrieveRunStep", &[ids[0], ids[1], ("step_id", step)], None).await;
        }
    }

    /// Streams a run to the first event after which it has settled.
    async fn stream(&mut self, assistant: &str, thread: &str) -> Result<Run, CliError> {
        let request = self.client.runs(thread).create(assistant).deadline(DEADLINE);
        let mut events = request.stream().await?;
        let (mut count, mut deltas, mut synthesized) = (0, 0, 0);
        while let Some(event) = events.try_next().await? {
            count += 1;
            synthesized += usize::from(events.is_synthesized());
            deltas +=
                usize::from(matches!(event, RunEvent::MessageDelta(_) | RunEvent::StepDelta(_)));
            self.progress.increment();
        }
        let can_resume = events.last_event_id().is_some();
        let run = events.final_run().await?;
        let detail = format!(
            "{}; {count} events with {deltas} deltas, {synthesized} synthesized; {}",
            run.status,
            if can_resume {
                "events have ids"
            } else {
                "events have no ids, so it cannot be resumed"
            }
        );
        self.report.steps.push(Step::succeeded("streams a run", detail));
        Ok(run)
    }
}
