//! The model of the demo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runstep_server::ManualClock;
use runstep_server::model::{
    CodeInterpreterCall, CodeOutput, ConversationItem, FileSearchCall, FoundPassage, Model,
    ModelError, ModelEvent, ModelRequest, ModelStream, Offline, estimate_tokens,
};

use super::scenes::{Part, Scene, scenes};

/// The time between two words.
const WORD_INTERVAL: Duration = Duration::from_millis(60);

/// An event, and the time that passes before it. `None` is a response that does not end.
type TimedEvent = (Duration, Option<Result<ModelEvent, ModelError>>);

/// A model that plays scenes, and responds to other questions as the offline model does.
pub(super) struct DemoModel {
    scenes: Vec<Scene>,
    clock: ManualClock,
    /// Whether time passes by itself. Otherwise the model advances the clock.
    is_live: Arc<AtomicBool>,
}

impl DemoModel {
    pub(super) fn new(clock: ManualClock, is_live: Arc<AtomicBool>) -> Self {
        Self { scenes: scenes(), clock, is_live }
    }

    /// Returns the response of a scene to a conversation.
    fn response(&self, request: &ModelRequest) -> Option<&[Part]> {
        let (mut question, mut round) = (None, 0);
        for item in &request.conversation {
            match item {
                ConversationItem::User(text) => (question, round) = (Some(text), 0),
                ConversationItem::ToolCalls(_) => round += 1,
                _ => {}
            }
        }
        let scene = self
            .scenes
            .iter()
            .find(|scene| Some(scene.question) == question.map(|text| &**text))?;
        Some(scene.responses.get(round)?)
    }
}

impl Model for DemoModel {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let Some(response) = self.response(&request) else {
            return Offline::new().chunk_interval(WORD_INTERVAL).respond(request);
        };
        let texts: usize = request.conversation.iter().map(|item| format!("{item:?}").len()).sum();
        let events = events(response, 180 + texts as u64 / 4);
        let (clock, is_live) = (self.clock.clone(), Arc::clone(&self.is_live));
        let events = stream::iter(events).then(move |(delay, event)| {
            let (clock, is_live) = (clock.clone(), Arc::clone(&is_live));
            async move {
                if is_live.load(Ordering::Acquire) {
                    tokio::time::sleep(delay).await;
                } else {
                    clock.advance(delay);
                }
                match event {
                    Some(event) => event,
                    None => std::future::pending().await,
                }
            }
        });
        Box::pin(events)
    }

    fn supports_built_in_tools(&self) -> bool {
        true
    }

    fn description(&self) -> String {
        "demo".to_owned()
    }
}

/// Converts a response to events.
fn events(response: &[Part], prompt_tokens: u64) -> Vec<TimedEvent> {
    let mut events: Vec<TimedEvent> = Vec::new();
    let (mut calls, mut tools, mut text_tokens, mut ends) = (0, 0, 0, true);
    let mut wait = Duration::ZERO;
    let mut push = |wait: &mut Duration, event| events.push((std::mem::take(wait), event));
    for part in response {
        match part {
            Part::Wait(milliseconds) => wait += Duration::from_millis(*milliseconds),
            Part::Text(text) => {
                for word in text.split_inclusive(' ') {
                    push(&mut wait, Some(Ok(ModelEvent::Text(word.to_owned()))));
                    wait = WORD_INTERVAL;
                }
                text_tokens += estimate_tokens(text);
            }
            Part::Call(name, arguments) => {
                let text = arguments.to_string();
                text_tokens += estimate_tokens(&text);
                let name = (*name).to_owned();
                push(&mut wait, Some(Ok(ModelEvent::ToolCall { index: calls, name })));
                push(&mut wait, Some(Ok(ModelEvent::Arguments { index: calls, text })));
                calls += 1;
            }
            Part::Search { query, passages } => {
                push(&mut wait, Some(Ok(ModelEvent::FileSearchStart { index: tools })));
                wait += Duration::from_millis(1700);
                let results = passages.iter().map(|(file, text, score)| found(file, text, *score));
                let mut call = FileSearchCall::default();
                call.id = format!("fs_{tools}");
                call.queries = vec![(*query).to_owned()];
                call.results = results.collect();
                push(&mut wait, Some(Ok(ModelEvent::FileSearchEnd { index: tools, call })));
                tools += 1;
            }
            Part::Cite(file, marker) => {
                let (file_id, marker) = ((*file).to_owned(), (*marker).to_owned());
                push(&mut wait, Some(Ok(ModelEvent::FileCitation { file_id, marker })));
            }
            Part::Code { code, logs } => {
                push(&mut wait, Some(Ok(ModelEvent::CodeInterpreterStart { index: tools })));
                for line in code.split_inclusive('\n') {
                    wait += Duration::from_millis(300);
                    let text = line.to_owned();
                    push(&mut wait, Some(Ok(ModelEvent::Code { index: tools, text })));
                }
                wait += Duration::from_millis(1800);
                let mut call = CodeInterpreterCall::default();
                call.id = format!("ci_{tools}");
                call.code = (*code).to_owned();
                call.outputs = vec![CodeOutput::Logs((*logs).to_owned())];
                push(&mut wait, Some(Ok(ModelEvent::CodeInterpreterEnd { index: tools, call })));
                tools += 1;
                text_tokens += estimate_tokens(code);
            }
            Part::Fail(kind, message) => {
                push(&mut wait, Some(Err(ModelError::new(*kind, *message))));
                ends = false;
            }
            Part::TokenLimit => push(&mut wait, Some(Ok(ModelEvent::TokenLimit))),
            Part::Stall => {
                push(&mut wait, None);
                ends = false;
            }
        }
    }
    if ends {
        let usage = ModelEvent::Usage { prompt_tokens, completion_tokens: text_tokens };
        push(&mut wait, Some(Ok(usage)));
    }
    events
}

fn found(file: &str, text: &str, score: f64) -> FoundPassage {
    let mut passage = FoundPassage::default();
    passage.file_id = file.to_owned();
    passage.file_name = format!("{}.pdf", file.trim_start_matches("file-"));
    passage.score = score;
    passage.text = text.to_owned();
    passage
}
