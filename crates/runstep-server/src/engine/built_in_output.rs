//! Accumulates the calls of built-in tools. Each is a step of its own, in the order of the output.

use runstep_api::types::{
    CodeInterpreterCall as Call, CodeInterpreterCallDelta, CodeInterpreterImage,
    CodeInterpreterImageDelta, CodeInterpreterImageOutput, CodeInterpreterImageOutputDelta,
    CodeInterpreterLogsOutput, CodeInterpreterLogsOutputDelta, CodeInterpreterOutput,
    CodeInterpreterOutputDelta, CodeInterpreterToolCall, CodeInterpreterToolCallDelta,
    FileSearchCall as Search, FileSearchCallRankingOptions, FileSearchRanker, FileSearchResult,
    FileSearchToolCall, FileSearchToolCallDelta, RunStepError, RunStepErrorCode, RunStepStatus,
    RunStepType, StepDetails, StreamEvent, Tool, ToolCall, ToolCallDelta, ToolCallsStepDetails,
};
use serde_json::Map;

use super::deltas;
use super::hidden_step::HiddenStep;
use super::output::{ModelOutput, create_step, unexpected_index, usage};
use super::run_state::is_open;
use super::run_writer::RunWriter;
use crate::model::{
    CodeInterpreterCall, CodeOutput, FileSearchCall, ModelError, tokens_of_characters,
};
use crate::store::json_length;

impl ModelOutput {
    pub(super) fn start_code(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
    ) -> Result<(), ModelError> {
        let id = writer.context.ids.next("call");
        let mut delta = CodeInterpreterToolCallDelta::new(0);
        delta.id = Some(id.clone());
        let mut call = CodeInterpreterCallDelta::default();
        call.input = Some(String::new());
        call.outputs = Some(Vec::new());
        delta.code_interpreter = Some(call);
        let call = CodeInterpreterToolCall::new(id, Call::new("", Vec::new()));
        self.start_built_in(writer, index, ToolCall::CodeInterpreter(call), delta.into())
    }

    pub(super) fn start_search(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
    ) -> Result<(), ModelError> {
        let id = writer.context.ids.next("call");
        let mut delta = FileSearchToolCallDelta::new(0, Map::new());
        delta.id = Some(id.clone());
        let tools = writer.state.texts.built_in_tools().unwrap_or_default();
        let options = tools.iter().find_map(|tool| match tool {
            Tool::FileSearch(tool) => tool.file_search.as_ref()?.ranking_options.as_ref(),
            _ => None,
        });
        let ranker = options.and_then(|options| options.ranker.clone());
        let ranking = FileSearchCallRankingOptions::new(
            ranker.unwrap_or(FileSearchRanker::Auto),
            options.and_then(|options| options.score_threshold).unwrap_or(0.0),
        );
        let mut search = Search::default();
        search.ranking_options = Some(ranking);
        let call = ToolCall::FileSearch(FileSearchToolCall::new(id, search));
        self.start_built_in(writer, index, call, delta.into())
    }

    /// Creates the step of a call.
    fn start_built_in(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        call: ToolCall,
        delta: ToolCallDelta,
    ) -> Result<(), ModelError> {
        if index != self.built_in_steps.len() {
            return Err(unexpected_index("a call of a built-in tool", index));
        }
        self.complete_message(writer);
        let reasoning = std::mem::take(&mut self.reasoning);
        let step = writer.is_in_progress().then(|| {
            let details = ToolCallsStepDetails::new(Vec::new());
            create_step(writer, RunStepType::ToolCalls, details.into(), reasoning)
        });
        self.built_in_steps.push(step);
        self.change_built_in(writer, index, |calls| {
            calls.push(call);
            Some(delta)
        })
    }

    pub(super) fn append_code(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        text: String,
    ) -> Result<(), ModelError> {
        writer.charge.add(json_length(&text));
        self.change_built_in(writer, index, |calls| {
            let Some(ToolCall::CodeInterpreter(call)) = calls.first_mut() else { return None };
            call.code_interpreter.input.push_str(&text);
            let mut delta = CodeInterpreterCallDelta::default();
            delta.input = Some(text);
            Some(code_delta(delta))
        })
    }

    /// Ends a call of the code interpreter.
    pub(super) fn end_code(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        call: CodeInterpreterCall,
    ) -> Result<(), ModelError> {
        let outputs: Vec<_> = call.outputs.into_iter().filter_map(output).collect();
        writer.charge.add(json_length(&outputs));
        let characters = call.code.chars().count();
        self.change_built_in(writer, index, |calls| {
            let Some(ToolCall::CodeInterpreter(stored)) = calls.first_mut() else { return None };
            let deltas = (0..).zip(&outputs).filter_map(|(index, output)| delta_of(index, output));
            let mut delta = CodeInterpreterCallDelta::default();
            delta.outputs = Some(deltas.collect());
            let is_empty = outputs.is_empty();
            stored.code_interpreter.outputs = outputs;
            (!is_empty).then(|| code_delta(delta))
        })?;
        let hidden = |hidden: &mut HiddenStep| {
            hidden.call_id = Some(call.id);
            hidden.container_id = call.container_id;
        };
        self.end_built_in(writer, index, characters, call.has_failed, hidden);
        Ok(())
    }

    /// Ends a file search.
    pub(super) fn end_search(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        call: FileSearchCall,
    ) -> Result<(), ModelError> {
        let results = call
            .results
            .iter()
            .map(|result| FileSearchResult::new(&result.file_id, &result.file_name, result.score));
        let results: Vec<_> = results.collect();
        let passages: Vec<String> = call.results.into_iter().map(|result| result.text).collect();
        writer.charge.add(json_length(&results) + json_length(&passages));
        self.change_built_in(writer, index, |calls| {
            if let Some(ToolCall::FileSearch(stored)) = calls.first_mut() {
                stored.file_search.results = Some(results);
            }
            None
        })?;
        let characters = call.queries.iter().map(|query| query.chars().count()).sum();
        let hidden = |hidden: &mut HiddenStep| {
            hidden.call_id = Some(call.id);
            hidden.queries = call.queries;
            hidden.passages = passages;
        };
        self.end_built_in(writer, index, characters, call.has_failed, hidden);
        Ok(())
    }

    /// Ends the calls that the model has left open: a run must not wait for their outputs.
    pub(super) fn fail_open_calls(&mut self, writer: &mut RunWriter) {
        for index in 0..self.built_in_steps.len() {
            let step = self.built_in_steps.get(index).and_then(Option::as_deref);
            if step.and_then(|id| writer.state.step(id)).is_some_and(is_open) {
                self.end_built_in(writer, index, 0, true, |_| {});
            }
        }
    }

    /// Changes the call of a step and emits the delta, if there is one.
    fn change_built_in(
        &self,
        writer: &mut RunWriter,
        index: usize,
        change: impl FnOnce(&mut Vec<ToolCall>) -> Option<ToolCallDelta>,
    ) -> Result<(), ModelError> {
        let Some(step_id) = self.built_in_steps.get(index) else {
            return Err(unexpected_index("a part of a call of a built-in tool", index));
        };
        let Some(step_id) = step_id.as_deref().filter(|_| writer.is_in_progress()) else {
            return Ok(());
        };
        let Some(step) = writer.state.step_mut(step_id) else { return Ok(()) };
        let StepDetails::ToolCalls(details) = &mut step.step_details else { return Ok(()) };
        if let Some(delta) = change(&mut details.tool_calls) {
            writer.emit(StreamEvent::StepDelta(deltas::tool_call(step_id, delta)));
        }
        Ok(())
    }

    /// Completes the step of a call that the model has generated with this many characters.
    fn end_built_in(
        &mut self,
        writer: &mut RunWriter,
        index: usize,
        characters: usize,
        has_failed: bool,
        change: impl FnOnce(&mut HiddenStep),
    ) {
        let completion_tokens = tokens_of_characters(characters);
        self.attributed_completion_tokens += completion_tokens;
        let step_id = self.built_in_steps.get(index).cloned().flatten();
        let Some(step_id) = step_id.filter(|_| writer.is_in_progress()) else { return };
        let now = writer.context.clock.now();
        let with_passages = writer.state.hidden.includes_passages;
        let Some(step) = writer.state.step_mut(&step_id) else { return };
        HiddenStep::change(step, change);
        step.usage = Some(usage(0, completion_tokens));
        if has_failed {
            step.status = RunStepStatus::Failed;
            step.failed_at = Some(now);
            let message = "The model's provider could not execute the call.";
            step.last_error = Some(RunStepError::new(RunStepErrorCode::ServerError, message));
        } else {
            step.status = RunStepStatus::Completed;
            step.completed_at = Some(now);
        }
        let with_passages = with_passages && !has_failed;
        let events = writer.state.step_event(&step_id, with_passages);
        events.into_iter().for_each(|event| writer.emit(event));
    }
}

fn code_delta(call: CodeInterpreterCallDelta) -> ToolCallDelta {
    let mut delta = CodeInterpreterToolCallDelta::new(0);
    delta.code_interpreter = Some(call);
    delta.into()
}

fn output(output: CodeOutput) -> Option<CodeInterpreterOutput> {
    Some(match output {
        CodeOutput::Logs(logs) => CodeInterpreterOutput::Logs(CodeInterpreterLogsOutput::new(logs)),
        CodeOutput::Image { file_id } => {
            let image = CodeInterpreterImage::new(file_id);
            CodeInterpreterOutput::Image(CodeInterpreterImageOutput::new(image))
        }
    })
}

fn delta_of(index: u64, output: &CodeInterpreterOutput) -> Option<CodeInterpreterOutputDelta> {
    match output {
        CodeInterpreterOutput::Logs(output) => {
            let mut delta = CodeInterpreterLogsOutputDelta::new(index);
            delta.logs = Some(output.logs.clone());
            Some(CodeInterpreterOutputDelta::Logs(delta))
        }
        CodeInterpreterOutput::Image(output) => {
            let mut image = CodeInterpreterImageDelta::default();
            image.file_id = Some(output.image.file_id.clone());
            let mut delta = CodeInterpreterImageOutputDelta::new(index);
            delta.image = Some(image);
            Some(CodeInterpreterOutputDelta::Image(delta))
        }
        _ => None,
    }
}
