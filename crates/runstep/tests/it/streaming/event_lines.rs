//! Stream events as lines of text, for snapshots.
use runstep::types::{MessageContentDelta, RunStepDelta, StepDetailsDelta, ToolCallDelta};
use runstep::{RunEvent, RunStream};

/// Reads the stream to its end and returns a line per event.
pub(crate) async fn event_lines(events: &mut RunStream) -> String {
    let mut lines = EventLines::default();
    while let Some(event) = events.try_next().await.unwrap() {
        lines.push(&event);
    }
    lines.text()
}

/// Lines of events, with each id replaced by a number in order of appearance.
#[derive(Default)]
pub(crate) struct EventLines {
    ids: Vec<String>,
    lines: Vec<String>,
}

impl EventLines {
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

/// An event as a line: its name, the id of its object, and its content.
fn line(event: &RunEvent) -> String {
    let name = event.event().trim_start_matches("thread.").to_owned();
    match event {
        RunEvent::MessageDelta(delta) => {
            let parts = delta.delta.content.iter().flatten().map(|part| match part {
                MessageContentDelta::Text(part) => format!(
                    "[{}] {:?}",
                    part.index.unwrap(),
                    part.text.as_ref().and_then(|text| text.value.as_deref()).unwrap_or_default()
                ),
                other => format!("{other:?}"),
            });
            format!("{name} {}: {}", delta.id, parts.collect::<Vec<_>>().join(", "))
        }
        RunEvent::StepDelta(delta) => format!("{name} {}: {}", delta.id, tool_call_parts(delta)),
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
            let status = message.status.as_ref().unwrap();
            format!("{name} {} {status}: {:?}", message.id, message.text())
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

fn tool_call_parts(delta: &RunStepDelta) -> String {
    let Some(StepDetailsDelta::ToolCalls(details)) = &delta.delta.step_details else {
        return format!("{:?}", delta.delta);
    };
    let parts = details.tool_calls.iter().flatten().map(|part| match part {
        ToolCallDelta::Function(part) => {
            let function = part.function.clone().unwrap_or_default();
            format!(
                "[{}] {} {} {:?}",
                part.index.unwrap(),
                part.id.as_deref().unwrap_or("-"),
                function.name.as_deref().unwrap_or("-"),
                function.arguments.unwrap_or_default(),
            )
        }
        other => format!("{other:?}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}
