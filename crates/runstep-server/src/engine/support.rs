//! What this server cannot honour. It is refused by name, never dropped in silence.

use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, MessageContentPart, NamedToolChoiceType, Tool,
    ToolChoice,
};
use serde::Serialize;

use super::refusal::Refusal;

/// Only functions: the built-in tools have no backend here.
pub(super) fn check_tools(tools: &[Tool]) -> Result<(), Refusal> {
    for (index, tool) in tools.iter().enumerate() {
        let what = match tool {
            Tool::Function(_) => continue,
            Tool::CodeInterpreter(_) => "the tool 'code_interpreter'",
            Tool::FileSearch(_) => "the tool 'file_search'",
            _ => "this kind of tool",
        };
        return Err(Refusal::unsupported(format!("tools[{index}].type"), what));
    }
    Ok(())
}

/// Resources belong to the built-in tools. An object with nothing in it asks for nothing.
pub(super) fn check_tool_resources(
    param: &str,
    resources: Option<&impl Serialize>,
) -> Result<(), Refusal> {
    let value = resources.map(|resources| serde_json::to_value(resources).unwrap_or_default());
    let named = value.as_ref().and_then(|value| value.as_object()?.keys().next());
    match named {
        Some(name) => Err(Refusal::unsupported(format!("{param}.{name}"), "tool resources")),
        None => Ok(()),
    }
}

/// A choice must be among the tools that are offered.
pub(super) fn check_tool_choice(
    choice: Option<&ToolChoice>,
    tools: &[Tool],
) -> Result<(), Refusal> {
    let Some(ToolChoice::Named(named)) = choice else { return Ok(()) };
    if named.type_ != NamedToolChoiceType::Function {
        let what = format!("the tool '{}'", named.type_);
        return Err(Refusal::unsupported("tool_choice.type", what));
    }
    let invalid =
        |param: &str, message: String| Refusal::Invalid { param: param.to_owned(), message };
    let Some(function) = &named.function else {
        return Err(invalid(
            "tool_choice.function",
            "name the function that must be called.".to_owned(),
        ));
    };
    let offered = tools
        .iter()
        .any(|tool| matches!(tool, Tool::Function(tool) if tool.function.name == function.name));
    if offered {
        return Ok(());
    }
    let message = format!("there is no function '{}' among the tools.", function.name);
    Err(invalid("tool_choice.function.name", message))
}

/// Text, and images on the web for a model that sees them: there are no files here.
pub(super) fn check_message(
    prefix: &str,
    message: &CreateMessageRequest,
    sees_images: bool,
) -> Result<(), Refusal> {
    if message.attachments.as_option().is_some_and(|attachments| !attachments.is_empty()) {
        return Err(Refusal::unsupported(format!("{prefix}attachments"), "attachments"));
    }
    let CreateMessageContent::Parts(parts) = &message.content else { return Ok(()) };
    for (index, part) in parts.iter().enumerate() {
        let what = match part {
            MessageContentPart::Text(_) => continue,
            MessageContentPart::ImageUrl(_) if sees_images => continue,
            MessageContentPart::ImageFile(_) => "content of type 'image_file'",
            MessageContentPart::ImageUrl(_) => "content of type 'image_url'",
            _ => "this kind of content",
        };
        return Err(Refusal::unsupported(format!("{prefix}content[{index}].type"), what));
    }
    Ok(())
}
