//! The output items of a response, and the model events that they become.
//!
//! A provider streams the parts of an item and then sends it completely. What was not streamed is
//! taken from the complete item, so a provider need not stream the parts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cited_text::CitedText;
use super::event::{Annotation, ContentPart, Output, OutputItem, SearchResult, file_id};
use crate::model::upstream::{CallError, EventQueue, MAX_CALLS, arguments, is_cut_off};
use crate::model::{CodeInterpreterCall, CodeOutput, FileSearchCall, FoundPassage, ModelEvent};

/// The kind of a content part that is a refusal.
const REFUSAL: &str = "refusal";

/// An output item so far.
#[derive(Debug)]
pub(super) enum Item {
    Message(Message),
    Function(FunctionCall),
    Code {
        index: usize,
        code: String,
    },
    Search {
        index: usize,
    },
    Reasoning,
    /// A kind that has no counterpart in the Assistants API.
    Unlisted,
}

/// The numbers of the calls that have started, which are the indices of the next ones.
#[derive(Debug, Default)]
pub(super) struct Counts {
    functions: usize,
    built_ins: usize,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    /// The index of the item in the output.
    item: u64,
    parts: BTreeMap<u64, Part>,
    /// The length of the text so far, with markers, since the last refusal.
    length: usize,
}

#[derive(Debug)]
enum Part {
    Text(CitedText),
    /// With the text so far.
    Refusal(String),
}

#[derive(Debug, Default)]
pub(super) struct FunctionCall {
    /// The name of the function and the index of the call, once it has started.
    started: Option<(String, usize)>,
    arguments: String,
}

impl Item {
    /// Starts an item of this kind.
    pub(super) fn start(
        item: &OutputItem,
        index: u64,
        counts: &mut Counts,
        events: &mut EventQueue,
    ) -> Result<Self, CallError> {
        Ok(match item.kind.as_deref().unwrap_or_default() {
            "message" => Self::Message(Message { item: index, ..Message::default() }),
            "function_call" => {
                let mut call = FunctionCall::default();
                call.start(item.name.as_deref(), counts, events)?;
                Self::Function(call)
            }
            "code_interpreter_call" => {
                let index = counts.next_built_in()?;
                events.push(ModelEvent::CodeInterpreterStart { index });
                Self::Code { index, code: String::new() }
            }
            "file_search_call" => {
                let index = counts.next_built_in()?;
                events.push(ModelEvent::FileSearchStart { index });
                Self::Search { index }
            }
            "reasoning" => Self::Reasoning,
            kind => {
                tracing::debug!(kind, "ignoring an output item of the model's provider");
                Self::Unlisted
            }
        })
    }

    /// Adds what the complete item has beyond its parts so far. `raw` is the same item.
    pub(super) fn complete(
        &mut self,
        item: OutputItem,
        raw: &Value,
        counts: &mut Counts,
        events: &mut EventQueue,
    ) -> Result<(), CallError> {
        match self {
            Self::Message(message) => {
                let parts = item.content.unwrap_or_default();
                (0..).zip(parts).for_each(|(index, part)| message.complete(index, part, events));
                message.finish(events);
            }
            Self::Function(call) => {
                call.start(item.name.as_deref(), counts, events)?;
                call.complete(&item.arguments.map(arguments).unwrap_or_default(), events);
            }
            Self::Code { index, code } => {
                complete_code(*index, code, &item.code.unwrap_or_default(), events);
                let outputs = item.outputs.unwrap_or_default();
                let call = CodeInterpreterCall {
                    id: item.id.unwrap_or_default(),
                    container_id: item.container_id,
                    code: std::mem::take(code),
                    outputs: outputs.into_iter().filter_map(output).collect(),
                    has_failed: has_failed(item.status.as_deref()),
                };
                events.push(ModelEvent::CodeInterpreterEnd { index: *index, call });
            }
            Self::Search { index } => {
                let results = item.results.unwrap_or_default();
                let call = FileSearchCall {
                    id: item.id.unwrap_or_default(),
                    queries: item.queries.unwrap_or_default(),
                    results: results.into_iter().filter_map(passage).collect(),
                    has_failed: has_failed(item.status.as_deref()),
                };
                events.push(ModelEvent::FileSearchEnd { index: *index, call });
            }
            // Without its encrypted content, the provider would look it up, but does not have it.
            Self::Reasoning if raw.get("encrypted_content").is_some_and(Value::is_string) => {
                events.push(ModelEvent::Reasoning(raw.clone()));
            }
            Self::Reasoning | Self::Unlisted => {}
        }
        Ok(())
    }

    /// Returns an error for a function call whose arguments are incomplete, and completes empty ones.
    pub(super) fn check_arguments(&self, events: &mut EventQueue) -> Result<(), CallError> {
        let Self::Function(call) = self else { return Ok(()) };
        let (name, index) = call.started.as_ref().ok_or_else(CallError::missing_name)?;
        if call.arguments.trim().is_empty() {
            events.push(ModelEvent::Arguments { index: *index, text: "{}".to_owned() });
        } else if is_cut_off(&call.arguments) {
            return Err(CallError::cut_off_arguments(name));
        }
        Ok(())
    }
}

impl Counts {
    fn next_built_in(&mut self) -> Result<usize, CallError> {
        next(&mut self.built_ins)
    }
}

/// Returns the number of calls so far, and counts one more.
fn next(count: &mut usize) -> Result<usize, CallError> {
    if *count == MAX_CALLS {
        return Err(CallError::too_many_calls());
    }
    *count += 1;
    Ok(*count - 1)
}

impl Message {
    pub(super) fn new(item: u64) -> Self {
        Self { item, ..Self::default() }
    }

    /// Appends text.
    pub(super) fn text(&mut self, index: u64, text: &str, events: &mut EventQueue) {
        self.change_text(index, events, |part, item, events| part.push(text, item, events));
    }

    /// Appends what a complete text has beyond the text so far.
    pub(super) fn complete_text(&mut self, index: u64, text: &str, events: &mut EventQueue) {
        self.change_text(index, events, |part, item, events| part.complete(text, item, events));
    }

    /// Adds an annotation of a text.
    pub(super) fn annotate(&mut self, index: u64, annotation: Annotation, events: &mut EventQueue) {
        self.change_text(index, events, |part, item, events| {
            part.annotate(annotation, item, events);
        });
    }

    /// Appends to a refusal.
    pub(super) fn refuse(&mut self, index: u64, text: &str, events: &mut EventQueue) {
        let part = self.parts.entry(index).or_insert_with(|| Part::Refusal(String::new()));
        if let Part::Refusal(refusal) = part
            && !text.is_empty()
        {
            refusal.push_str(text);
            self.length = 0;
            events.push(ModelEvent::Refusal(text.to_owned()));
        }
    }

    /// Appends what a complete refusal has beyond the text so far.
    pub(super) fn complete_refusal(&mut self, index: u64, text: &str, events: &mut EventQueue) {
        let known = match self.parts.get(&index) {
            Some(Part::Refusal(refusal)) => refusal.len(),
            _ => 0,
        };
        self.refuse(index, text.get(known..).unwrap_or_default(), events);
    }

    fn complete(&mut self, index: u64, part: ContentPart, events: &mut EventQueue) {
        if part.kind.as_deref() == Some(REFUSAL) {
            return self.complete_refusal(index, &part.refusal.unwrap_or_default(), events);
        }
        let (text, annotations) = (part.text.unwrap_or_default(), part.annotations);
        self.change_text(index, events, |part, item, events| {
            // Annotations first: they wait for their places in the text.
            part.complete_annotations(annotations.unwrap_or_default(), item, events);
            part.complete(&text, item, events);
        });
    }

    fn change_text(
        &mut self,
        index: u64,
        events: &mut EventQueue,
        change: impl FnOnce(&mut CitedText, u64, &mut EventQueue),
    ) {
        let base = self.length;
        let part = self.parts.entry(index).or_insert_with(|| Part::Text(CitedText::new(base)));
        if let Part::Text(text) = part {
            change(text, self.item, events);
            self.length = text.end();
        }
    }

    fn finish(&mut self, events: &mut EventQueue) {
        for part in self.parts.values_mut() {
            if let Part::Text(text) = part {
                text.finish(self.item, events);
            }
        }
        events.push(ModelEvent::MessageEnd);
    }
}

impl FunctionCall {
    /// Starts the call if the name is known, with the arguments so far.
    fn start(
        &mut self,
        name: Option<&str>,
        counts: &mut Counts,
        events: &mut EventQueue,
    ) -> Result<(), CallError> {
        let Some(name) = name.filter(|name| !name.is_empty() && self.started.is_none()) else {
            return Ok(());
        };
        let index = next(&mut counts.functions)?;
        self.started = Some((name.to_owned(), index));
        events.push(ModelEvent::ToolCall { index, name: name.to_owned() });
        let arguments = std::mem::take(&mut self.arguments);
        self.append(&arguments, events);
        Ok(())
    }

    /// Appends to the arguments. Those of a call without a name wait for it.
    pub(super) fn append(&mut self, text: &str, events: &mut EventQueue) {
        if text.is_empty() {
            return;
        }
        self.arguments.push_str(text);
        if let Some((_, index)) = self.started {
            events.push(ModelEvent::Arguments { index, text: text.to_owned() });
        }
    }

    /// Appends what complete arguments have beyond those so far.
    pub(super) fn complete(&mut self, arguments: &str, events: &mut EventQueue) {
        let rest = arguments.strip_prefix(self.arguments.as_str()).unwrap_or_default().to_owned();
        self.append(&rest, events);
    }
}

/// Appends to the code of a call.
pub(super) fn append_code(index: usize, code: &mut String, text: &str, events: &mut EventQueue) {
    if !text.is_empty() {
        code.push_str(text);
        events.push(ModelEvent::Code { index, text: text.to_owned() });
    }
}

/// Appends what complete code has beyond the code so far.
pub(super) fn complete_code(
    index: usize,
    code: &mut String,
    complete: &str,
    events: &mut EventQueue,
) {
    let rest = complete.strip_prefix(code.as_str()).unwrap_or_default().to_owned();
    append_code(index, code, &rest, events);
}

fn has_failed(status: Option<&str>) -> bool {
    matches!(status, Some("failed" | "incomplete"))
}

/// Returns an output. The id of an image is the URL of its data until the client has uploaded it.
fn output(output: Output) -> Option<CodeOutput> {
    match output.kind.as_deref()? {
        "logs" => output.logs.map(CodeOutput::Logs),
        "image" => {
            let url = output.url?;
            Some(CodeOutput::Image { file_id: file_in_container(&url).unwrap_or(url) })
        }
        _ => None,
    }
}

/// Returns the id of a file if this is its URL below that of its container.
fn file_in_container(url: &str) -> Option<String> {
    let (_, path) = url.split_once("/containers/")?;
    let mut segments = path.split(['/', '?']);
    let (container_id, files, id) = (segments.next()?, segments.next()?, segments.next()?);
    (files == "files").then(|| file_id(Some(container_id), id))
}

fn passage(result: SearchResult) -> Option<FoundPassage> {
    Some(FoundPassage {
        file_id: result.file_id?,
        file_name: result.filename.unwrap_or_default(),
        score: result.score.unwrap_or(0.0),
        text: result.text.unwrap_or_default(),
    })
}
