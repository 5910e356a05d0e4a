//! Rejects requests that the server or a model provider could not fulfill later: features of the
//! API that this server does not support, and content that providers reject. A message is part of
//! each later prompt, so a rejected one would make all runs of its thread fail.

use reqwest::Url;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, MessageContentPart, NamedToolChoiceType,
    ResponseFormat, Tool, ToolChoice,
};
use serde::Serialize;

use super::error::{EngineError, Result};
use super::run_texts;
use crate::json_text::LongMembers;
use crate::text::shorten;

/// The maximum length of the texts of a message, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 256_000;
/// The maximum length of the name of a function or of a response format.
const MAX_NAME_LENGTH: usize = 64;
/// How many characters of a value a message repeats.
const MAX_QUOTED_CHARACTERS: usize = 64;

/// Accepts only functions, with valid names. The built-in tools have no backend here.
pub(super) fn check_tools(tools: &[Tool]) -> Result<()> {
    for (index, tool) in tools.iter().enumerate() {
        let feature = match tool {
            Tool::Function(tool) => {
                check_name(&format!("tools[{index}].function.name"), &tool.function.name)?;
                continue;
            }
            Tool::CodeInterpreter(_) => "the tool 'code_interpreter'",
            Tool::FileSearch(_) => "the tool 'file_search'",
            _ => "this type of tool",
        };
        return Err(EngineError::unsupported(format!("tools[{index}].type"), feature));
    }
    Ok(())
}

/// Checks the name of a JSON schema.
pub(super) fn check_response_format(format: Option<&ResponseFormat>) -> Result<()> {
    match format {
        Some(ResponseFormat::JsonSchema(format)) => {
            check_name("response_format.json_schema.name", &format.json_schema.name)
        }
        _ => Ok(()),
    }
}

fn check_name(param: &str, name: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if (1..=MAX_NAME_LENGTH).contains(&name.len()) && name.bytes().all(is_allowed) {
        return Ok(());
    }
    let message = format!(
        "expected 1 to {MAX_NAME_LENGTH} letters, digits, '_' and '-', but got '{}' instead.",
        shorten(name, MAX_QUOTED_CHARACTERS)
    );
    Err(EngineError::invalid(param, message))
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
pub(super) fn check_tool_choice(choice: Option<&ToolChoice>, members: &LongMembers) -> Result<()> {
    let Some(ToolChoice::Named(named)) = choice else { return Ok(()) };
    if named.type_ != NamedToolChoiceType::Function {
        let feature = format!("the tool '{}'", named.type_);
        return Err(EngineError::unsupported("tool_choice.type", feature));
    }
    let Some(function) = &named.function else {
        let message = "the name of the function is missing.";
        return Err(EngineError::invalid("tool_choice.function", message));
    };
    if run_texts::has_function(members, &function.name)? {
        return Ok(());
    }
    let message = format!("the run has no function '{}'; name one of its tools.", function.name);
    Err(EngineError::invalid("tool_choice.function.name", message))
}

/// Accepts text, and images by URL if the model supports them. Files are not supported. The message
/// must not be empty.
pub(super) fn check_message(
    prefix: &str,
    message: &CreateMessageRequest,
    supports_images: bool,
) -> Result<()> {
    if message.attachments.as_option().is_some_and(|attachments| !attachments.is_empty()) {
        return Err(EngineError::unsupported(format!("{prefix}attachments"), "attachments"));
    }
    let content = format!("{prefix}content");
    let parts = match &message.content {
        CreateMessageContent::Text(text) => {
            return check_texts(&content, [(content.clone(), text)]);
        }
        CreateMessageContent::Parts(parts) => parts,
        _ => return Ok(()),
    };
    let mut texts = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let feature = match part {
            MessageContentPart::Text(part) => {
                texts.push((format!("{content}[{index}].text"), &part.text));
                continue;
            }
            MessageContentPart::ImageUrl(part) if supports_images => {
                check_image_url(&format!("{content}[{index}].image_url.url"), &part.image_url.url)?;
                continue;
            }
            MessageContentPart::ImageFile(_) => "content of type 'image_file'",
            MessageContentPart::ImageUrl(_) => "content of type 'image_url'",
            _ => "this type of content",
        };
        return Err(EngineError::unsupported(format!("{content}[{index}].type"), feature));
    }
    check_texts(&content, texts)
}

/// Checks the texts of a message, each with the name of its field.
fn check_texts<'a>(
    content: &str,
    texts: impl IntoIterator<Item = (String, &'a String)>,
) -> Result<()> {
    let mut characters = 0;
    for (param, text) in texts {
        if text.is_empty() {
            return Err(EngineError::invalid(param, "the text is empty."));
        }
        characters += text.chars().count();
    }
    if characters > MAX_MESSAGE_CHARACTERS {
        let message = format!(
            "expected at most {MAX_MESSAGE_CHARACTERS} characters, but got {characters} instead."
        );
        return Err(EngineError::invalid(content, message));
    }
    Ok(())
}

/// Accepts the URLs that a provider can fetch, and data URLs of images.
fn check_image_url(param: &str, url: &str) -> Result<()> {
    // A data URL can be long, and is not worth a copy.
    let is_valid = match url.split_once(':') {
        Some((scheme, data)) if scheme.eq_ignore_ascii_case("data") => data
            .split_once(',')
            .is_some_and(|(kind, bytes)| kind.starts_with("image/") && !bytes.is_empty()),
        _ => Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")),
    };
    if is_valid {
        return Ok(());
    }
    let message = format!(
        "expected an http or https URL, or a data URL of an image, but got '{}' instead.",
        shorten(url, MAX_QUOTED_CHARACTERS)
    );
    Err(EngineError::invalid(param, message))
}
