//! The items of a conversation from the steps of a run.

use std::borrow::Cow;

use runstep_api::types::{
    Annotation, CodeInterpreterOutput, CodeInterpreterToolCall, FileSearchToolCall, MessageText,
    RunStep, RunStepStatus, StepDetails, ToolCall as Call,
};

use super::hidden_step::HiddenStep;
use crate::model::{
    CodeInterpreterCall, CodeOutput, ConversationItem, FileSearchCall, FoundPassage, ToolCall,
};

/// Returns the items of the calls of a step, with the reasoning before them. Calls that are not
/// complete are the output of a request that is repeated.
pub(super) fn call_items(step: &RunStep) -> Vec<ConversationItem> {
    let StepDetails::ToolCalls(details) = &step.step_details else { return Vec::new() };
    if step.status != RunStepStatus::Completed {
        return Vec::new();
    }
    let hidden = HiddenStep::of(step);
    let (mut items, mut outputs) = (Vec::new(), Vec::new());
    for (index, call) in details.tool_calls.iter().enumerate() {
        let before = items.len();
        items.extend(reasoning(&hidden, index));
        let has_reasoning = items.len() > before;
        match call {
            Call::Function(call) => {
                let output = call.function.output.clone().unwrap_or_default();
                outputs.push(ConversationItem::ToolOutput { call_id: call.id.clone(), output });
                let call = ToolCall {
                    id: call.id.clone(),
                    name: call.function.name.clone(),
                    arguments: call.function.arguments.clone(),
                };
                // Calls of one response without reasoning between them are one item.
                match items.last_mut() {
                    Some(ConversationItem::ToolCalls(calls)) if !has_reasoning => calls.push(call),
                    _ => items.push(ConversationItem::ToolCalls(vec![call])),
                }
            }
            Call::CodeInterpreter(call) => items.push(code(call, &hidden)),
            Call::FileSearch(call) => items.push(search(call, &hidden)),
            _ => {}
        }
    }
    items.extend(outputs);
    items
}

/// Returns the reasoning before a call, or before the message of a step, which has the index 0.
pub(super) fn reasoning(
    hidden: &HiddenStep,
    index: usize,
) -> impl Iterator<Item = ConversationItem> {
    let items = hidden.reasoning.iter().filter(move |(before, _)| *before == index);
    items.map(|(_, item)| ConversationItem::Reasoning(item.clone()))
}

fn code(call: &CodeInterpreterToolCall, hidden: &HiddenStep) -> ConversationItem {
    let outputs = call.code_interpreter.outputs.iter().filter_map(|output| match output {
        CodeInterpreterOutput::Logs(output) => Some(CodeOutput::Logs(output.logs.clone())),
        CodeInterpreterOutput::Image(output) => {
            Some(CodeOutput::Image { file_id: output.image.file_id.clone() })
        }
        _ => None,
    });
    ConversationItem::CodeInterpreterCall(CodeInterpreterCall {
        id: hidden.call_id.clone().unwrap_or_else(|| call.id.clone()),
        container_id: hidden.container_id.clone(),
        code: call.code_interpreter.input.clone(),
        outputs: outputs.collect(),
        has_failed: false,
    })
}

fn search(call: &FileSearchToolCall, hidden: &HiddenStep) -> ConversationItem {
    let results = call.file_search.results.iter().flatten();
    let passages = hidden.passages.iter().map(Some).chain(std::iter::repeat(None));
    let results = results.zip(passages).map(|(result, text)| FoundPassage {
        file_id: result.file_id.clone().unwrap_or_default(),
        file_name: result.file_name.clone().unwrap_or_default(),
        score: result.score.unwrap_or_default(),
        text: text.cloned().unwrap_or_default(),
    });
    ConversationItem::FileSearchCall(FileSearchCall {
        id: hidden.call_id.clone().unwrap_or_else(|| call.id.clone()),
        queries: hidden.queries.clone(),
        results: results.collect(),
        has_failed: false,
    })
}

/// Returns a text without the markers of citations, which the model has not generated and would
/// imitate.
pub(super) fn without_markers(text: &MessageText) -> Cow<'_, str> {
    let range = |annotation: &Annotation| match annotation {
        Annotation::FileCitation(citation) => {
            let (start, end) = (citation.start_index?, citation.end_index?);
            Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
        }
        _ => None,
    };
    let mut ranges: Vec<(usize, usize)> = text.annotations.iter().filter_map(range).collect();
    if ranges.is_empty() {
        return Cow::Borrowed(&text.value);
    }
    ranges.sort_unstable();
    let mut ranges = ranges.into_iter().peekable();
    let characters = text.value.chars().enumerate().filter(|(index, _)| {
        while ranges.next_if(|(_, end)| end <= index).is_some() {}
        ranges.peek().is_none_or(|(start, _)| start > index)
    });
    Cow::Owned(characters.map(|(_, character)| character).collect())
}
