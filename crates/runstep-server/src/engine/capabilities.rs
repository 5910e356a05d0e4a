//! Rejects requests that the server or a model provider could not fulfill later: features of the
//! API that this server does not support, and content that providers reject. A message is part of
//! each later prompt, so a rejected one would make all runs of its thread fail.

use reqwest::Url;
use runstep_api::types::{
    CreateMessageContent, CreateMessageRequest, MessageContentPart, NamedToolChoiceType,
    ResponseFormat, Tool, ToolChoice,
};
use serde::Serialize;
use serde_json::Value;

use super::context::{Engine, EngineContext};
use super::error::{EngineError, Result};
use super::run_texts;
use crate::json_text::LongMembers;
use crate::model::UpstreamResources;
use crate::text::shorten;

/// The maximum length of the texts of a message, in characters.
const MAX_MESSAGE_CHARACTERS: usize = 256_000;
/// The maximum length of the name of a function or of a response format.
const MAX_NAME_LENGTH: usize = 64;
/// How many characters of a value a message repeats.
const MAX_QUOTED_CHARACTERS: usize = 64;

/// What completes the name of a feature that needs a model with built-in tools.
const WITHOUT_BUILT_IN_TOOLS: &str = " without --upstream-api responses";

/// What the model supports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capabilities {
    images: bool,
    built_in_tools: bool,
}

impl EngineContext {
    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities {
            images: self.model.supports_images(),
            built_in_tools: self.model.supports_built_in_tools(),
        }
    }
}

impl Engine {
    /// Returns the files and vector stores of the model's provider.
    pub(crate) fn upstream_resources(&self) -> Option<UpstreamResources> {
        self.context.model.resources()
    }
}

impl Capabilities {
    /// Accepts functions with valid names, and built-in tools if the model has them.
    pub(super) fn check_tools(self, tools: &[Tool]) -> Result<()> {
        for (index, tool) in tools.iter().enumerate() {
            let param = format!("tools[{index}].type");
            match tool {
                Tool::Function(tool) => {
                    let param = format!("tools[{index}].function.name");
                    check_name(&param, &tool.function.name)?;
                }
                Tool::CodeInterpreter(_) => self.check(param, "the tool 'code_interpreter'")?,
                Tool::FileSearch(_) => self.check(param, "the tool 'file_search'")?,
                _ => return Err(EngineError::unsupported(param, "this type of tool")),
            }
        }
        Ok(())
    }

    /// Accepts a feature of the built-in tools if the model has them.
    fn check(self, param: String, feature: &str) -> Result<()> {
        if self.built_in_tools {
            return Ok(());
        }
        Err(EngineError::unsupported(param, format!("{feature}{WITHOUT_BUILT_IN_TOOLS}")))
    }

    /// Rejects resources of tools that the model does not have. Objects and lists without content are
    /// accepted.
    pub(super) fn check_tool_resources(
        self,
        param: &str,
        resources: Option<&impl Serialize>,
    ) -> Result<()> {
        let value = resources.map(|resources| serde_json::to_value(resources).unwrap_or_default());
        let mut members = value.as_ref().and_then(Value::as_object).into_iter().flatten();
        let used = members.find(|(_, resources)| has_content(resources));
        used.map_or(Ok(()), |(name, _)| self.check(format!("{param}.{name}"), "tool resources"))
    }

    /// Rejects stored tools that the model does not have.
    pub(super) fn check_built_in_tools(self, members: &LongMembers) -> Result<()> {
        if self.built_in_tools {
            return Ok(());
        }
        match run_texts::built_in_tools(members)?.first() {
            Some(Tool::FileSearch(_)) => self.check("tools".to_owned(), "the tool 'file_search'"),
            Some(_) => self.check("tools".to_owned(), "the tool 'code_interpreter'"),
            None => Ok(()),
        }
    }

    /// Checks that a tool choice names one of the tools.
    pub(super) fn check_tool_choice(
        self,
        choice: Option<&ToolChoice>,
        members: &LongMembers,
    ) -> Result<()> {
        let Some(ToolChoice::Named(named)) = choice else { return Ok(()) };
        if named.type_ != NamedToolChoiceType::Function {
            self.check("tool_choice.type".to_owned(), &format!("the tool '{}'", named.type_))?;
            let is_chosen = |tool: &Tool| match named.type_ {
                NamedToolChoiceType::CodeInterpreter => matches!(tool, Tool::CodeInterpreter(_)),
                _ => matches!(tool, Tool::FileSearch(_)),
            };
            if run_texts::built_in_tools(members)?.iter().any(is_chosen) {
                return Ok(());
            }
            let message = format!("the run has no tool '{}'; name one of its tools.", named.type_);
            return Err(EngineError::invalid("tool_choice.type", message));
        }
        let Some(function) = &named.function else {
            let message = "the name of the function is missing.";
            return Err(EngineError::invalid("tool_choice.function", message));
        };
        if run_texts::has_function(members, &function.name)? {
            return Ok(());
        }
        let message =
            format!("the run has no function '{}'; name one of its tools.", function.name);
        Err(EngineError::invalid("tool_choice.function.name", message))
    }

    /// Accepts text, and images and files if the model supports them. The message must not be empty.
    pub(super) fn check_message(self, prefix: &str, message: &CreateMessageRequest) -> Result<()> {
        let attachments = message.attachments.as_option().map(Vec::as_slice).unwrap_or_default();
        if !attachments.is_empty() {
            self.check(format!("{prefix}attachments"), "attachments")?;
        }
        for (index, attachment) in attachments.iter().enumerate() {
            if attachment.file_id.is_none() {
                let param = format!("{prefix}attachments[{index}].file_id");
                return Err(EngineError::invalid(param, "the id of the file is missing."));
            }
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
            let param = format!("{content}[{index}].type");
            match part {
                MessageContentPart::Text(part) => {
                    texts.push((format!("{content}[{index}].text"), &part.text));
                }
                MessageContentPart::ImageUrl(part) if self.images => {
                    let param = format!("{content}[{index}].image_url.url");
                    check_image_url(&param, &part.image_url.url)?;
                }
                MessageContentPart::ImageUrl(_) => {
                    return Err(EngineError::unsupported(param, "content of type 'image_url'"));
                }
                MessageContentPart::ImageFile(_) => {
                    self.check(param, "content of type 'image_file'")?;
                }
                _ => return Err(EngineError::unsupported(param, "this type of content")),
            }
        }
        check_texts(&content, texts)
    }
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

/// Returns whether a value has more than objects and lists without content.
fn has_content(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(has_content),
        Value::Object(members) => members.values().any(has_content),
        _ => true,
    }
}
