//! Rejects features of the API that this server does not support, so that none is silently ignored.

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, MessageContentPart, NamedToolChoiceType, Tool,
    ToolChoice,
};
use serde::Serialize;

use super::error::{EngineError, Result};

/// Accepts only functions. The built-in tools have no backend here.
pub(super) fn check_tools(tools: &[Tool]) -> Result<()> {
    for (index, tool) in tools.iter().enumerate() {
        let feature = match tool {
            Tool::Function(_) => continue,
            Tool::CodeInterpreter(_) => "the tool 'code_interpreter'",
            Tool::FileSearch(_) => "the tool 'file_search'",
            _ => "this type of tool",
        };
        return Err(EngineError::unsupported(format!("tools[{index}].type"), feature));
    }
    Ok(())
}

/// Rejects resources of the built-in tools. An empty object is accepted.
pub(super) fn check_tool_resources(param: &str, resources: Option<&impl Serialize>) -> Result<()> {
    let value = resources.map(|resources| serde_json::to_value(resources).unwrap_or_default());
    let first = value.as_ref().and_then(|value| value.as_object()?.keys().next());
    match first {
        Some(name) => Err(EngineError::unsupported(format!("{param}.{name}"), "tool resources")),
        None => Ok(()),
    }
}

/// Checks that a tool choice names one of the tools.
pub(super) fn check_tool_choice(choice: Option<&ToolChoice>, tools: &[Tool]) -> Result<()> {
    let Some(ToolChoice::Named(named)) = choice else { return Ok(()) };
    if named.type_ != NamedToolChoiceType::Function {
        let feature = format!("the tool '{}'", named.type_);
        return Err(EngineError::unsupported("tool_choice.type", feature));
    }
    let Some(function) = &named.function else {
        let message = "the name of the function is missing.";
        return Err(EngineError::invalid("tool_choice.function", message));
    };
    let exists = tools
        .iter()
        .any(|tool| matches!(tool, Tool::Function(tool) if tool.function.name == function.name));
    if exists {
        return Ok(());
    }
    let message = format!("the run has no function '{}'; name one of its tools.", function.name);
    Err(EngineError::invalid("tool_choice.function.name", message))
}

/// Accepts text, and images by URL if the model supports them. Files are not supported.
pub(super) fn check_message(
    prefix: &str,
    message: &CreateMessageRequest,
    supports_images: bool,
) -> Result<()> {
    if message.attachments.as_option().is_some_and(|attachments| !attachments.is_empty()) {
        return Err(EngineError::unsupported(format!("{prefix}attachments"), "attachments"));
    }
    let CreateMessageContent::Parts(parts) = &message.content else { return Ok(()) };
    for (index, part) in parts.iter().enumerate() {
        let feature = match part {
            MessageContentPart::Text(_) => continue,
            MessageContentPart::ImageUrl(_) if supports_images => continue,
            MessageContentPart::ImageFile(_) => "content of type 'image_file'",
            MessageContentPart::ImageUrl(_) => "content of type 'image_url'",
            _ => "this type of content",
        };
        return Err(EngineError::unsupported(format!("{prefix}content[{index}].type"), feature));
    }
    Ok(())
}
