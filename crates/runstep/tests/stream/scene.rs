//! A server with a scripted model, and a client of it.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::net::SocketAddr;

use runstep::prelude::*;
use runstep::types::{
    FunctionDefinition, FunctionTool, MessageContentDelta, Order, RequiredFunctionToolCall,
    RunStepDelta, StepDetailsDelta, ToolCallDelta, ToolOutput,
};
use runstep::{Client, CreateRun, OpenStream, RunEvent, RunStream, Runs};
use runstep_server::model::{Scripted, Turn};
use runstep_server::{RunningServer, Server};

pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) runs: Runs,
    pub(crate) thread_id: String,
    pub(crate) assistant_id: String,
    server: RunningServer,
}

impl Scene {
    pub(crate) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let server = Server::builder().model(Scripted::new(turns)).spawn().await.unwrap();
        Self::of(server).await
    }

    pub(crate) async fn of(server: RunningServer) -> Self {
        let client = Client::builder(server.base_url()).build().unwrap();
        let tool = |name: &str| FunctionTool::new(FunctionDefinition::new(name));
        let assistant = client.assistants().create("scripted");
        let assistant = assistant.tool(tool("get_weather")).tool(tool("get_time")).await.unwrap();
        let thread = client.threads().create().user_message("How is it?").await.unwrap();
        Self {
            runs: client.runs(&thread.id),
            client,
            thread_id: thread.id,
            assistant_id: assistant.id,
            server,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn create(&self) -> CreateRun {
        self.runs.create(&self.assistant_id)
    }

    pub(crate) fn open(&self) -> OpenStream<CreateRun> {
        self.create().stream()
    }

    pub(crate) async fn stream(&self) -> RunStream {
        self.open().await.unwrap()
    }

    /// The snapshots of the stream are what can be retrieved.
    pub(crate) async fn assert_same(&self, events: &RunStream) {
        let run = events.run().unwrap();
        assert_eq!(run, &self.runs.retrieve(&run.id).await.unwrap());
        let steps = self.runs.steps(&run.id);
        let listed = steps.list().order(Order::Asc).items().collect_all().await.unwrap();
        assert_eq!(events.steps(), listed);
        for step in events.steps() {
            assert_eq!(step, &steps.retrieve(&step.id).await.unwrap());
        }
        let messages = self.client.messages(&self.thread_id);
        let listed = messages.list().run_id(&run.id).order(Order::Asc).items();
        assert_eq!(events.messages(), listed.collect_all().await.unwrap());
    }
}

pub(crate) fn calls(events: &RunStream) -> Vec<&RequiredFunctionToolCall> {
    events.run().unwrap().function_calls()
}

/// Answers to all calls that the stream waits for.
pub(crate) fn outputs(events: &RunStream) -> Vec<ToolOutput> {
    let answer = |id: &str| ToolOutput::default().tool_call_id(id).output("18 degrees");
    calls(events).iter().map(|call| answer(&call.id)).collect()
}

/// Reads on to the end, and tells each event in a line.
pub(crate) async fn lines(events: &mut RunStream) -> String {
    let mut lines = Lines::default();
    while let Some(event) = events.try_next().await.unwrap() {
        lines.push(&event);
    }
    lines.text()
}

/// Events in lines, with ids by the order in which they come.
#[derive(Default)]
pub(crate) struct Lines {
    ids: Vec<String>,
    lines: Vec<String>,
}

impl Lines {
    pub(crate) fn push(&mut self, event: &RunEvent) {
        let line = line(event);
        let words = line.split(' ').map(|word| match word.trim_end_matches(':').split_once('_') {
            Some((kind @ ("run" | "step" | "msg" | "call" | "thread"), rest))
                if rest.len() > 20 =>
            {
                let known = self.ids.iter().filter(|id| id.starts_with(kind));
                let number = match known.clone().position(|id| word.starts_with(id.as_str())) {
                    Some(number) => number + 1,
                    None => {
                        let number = known.count() + 1;
                        self.ids.push(word.trim_end_matches(':').to_owned());
                        number
                    }
                };
                format!("{kind}_{number}{}", if word.ends_with(':') { ":" } else { "" })
            }
            _ => word.to_owned(),
        });
        let line = words.collect::<Vec<_>>().join(" ");
        self.lines.push(line);
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// An event in a line: its name, whose it is, and what it adds.
fn line(event: &RunEvent) -> String {
    let name = event.event().trim_start_matches("thread.").to_owned();
    match event {
        RunEvent::MessageDelta(delta) => {
            let pieces = delta.delta.content.iter().flatten().map(|piece| match piece {
                MessageContentDelta::Text(piece) => format!(
                    "[{}] {:?}",
                    piece.index,
                    piece.text.as_ref().and_then(|text| text.value.as_deref()).unwrap_or_default()
                ),
                other => format!("{other:?}"),
            });
            format!("{name} {}: {}", delta.id, pieces.collect::<Vec<_>>().join(", "))
        }
        RunEvent::StepDelta(delta) => format!("{name} {}: {}", delta.id, pieces(delta)),
        RunEvent::StepCreated(step)
        | RunEvent::StepInProgress(step)
        | RunEvent::StepCompleted(step)
        | RunEvent::StepFailed(step)
        | RunEvent::StepCancelled(step)
        | RunEvent::StepExpired(step) => format!("{name} {} {}", step.id, step.status),
        RunEvent::MessageCreated(message)
        | RunEvent::MessageInProgress(message)
        | RunEvent::MessageCompleted(message)
        | RunEvent::MessageIncomplete(message) => {
            format!("{name} {} {}: {:?}", message.id, message.status, message.text())
        }
        RunEvent::RunCreated(run)
        | RunEvent::RunQueued(run)
        | RunEvent::RunInProgress(run)
        | RunEvent::RunRequiresAction(run)
        | RunEvent::RunCompleted(run)
        | RunEvent::RunIncomplete(run)
        | RunEvent::RunFailed(run)
        | RunEvent::RunCancelling(run)
        | RunEvent::RunCancelled(run)
        | RunEvent::RunExpired(run) => format!("{name} {} {}", run.id, run.status),
        RunEvent::ThreadCreated(thread) => format!("{name} {}", thread.id),
        other => format!("{name} {:?}", other.data()),
    }
}

fn pieces(delta: &RunStepDelta) -> String {
    let Some(StepDetailsDelta::ToolCalls(details)) = &delta.delta.step_details else {
        return format!("{:?}", delta.delta);
    };
    let pieces = details.tool_calls.iter().flatten().map(|piece| match piece {
        ToolCallDelta::Function(piece) => {
            let function = piece.function.clone().unwrap_or_default();
            format!(
                "[{}] {} {} {:?}",
                piece.index,
                piece.id.as_deref().unwrap_or("-"),
                function.name.as_deref().unwrap_or("-"),
                function.arguments.unwrap_or_default(),
            )
        }
        other => format!("{other:?}"),
    });
    pieces.collect::<Vec<_>>().join(", ")
}
