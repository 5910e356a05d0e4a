//! Requests to models.

use super::conversation::Conversation;
use super::schema_text::SchemaText;

use serde_json::Value;

use super::built_in::{CodeInterpreter, CodeInterpreterCall, FileSearch, FileSearchCall};

/// A request to a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelRequest {
    /// The name of the model that the run uses.
    pub model: String,
    /// The run's instructions.
    pub instructions: Option<String>,
    /// The messages of the thread, and the calls of the run, oldest first.
    pub conversation: Conversation,
    /// The functions that the model can call.
    pub tools: Vec<Function>,
    /// The tool `file_search`, if the run has it. Only models that [support built-in
    /// tools](super::Model::supports_built_in_tools) get it.
    pub file_search: Option<FileSearch>,
    /// The tool `code_interpreter`, under the same condition.
    pub code_interpreter: Option<CodeInterpreter>,
    /// Whether the model can, must or must not call tools.
    pub tool_choice: ToolChoice,
    /// Whether one response may contain several calls.
    pub parallel_tool_calls: bool,
    /// The format of the text.
    pub response_format: ResponseFormat,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// The effort of a reasoning model, such as `low`.
    pub reasoning_effort: Option<String>,
    /// The token limit of the response.
    pub max_completion_tokens: Option<u64>,
}

impl ModelRequest {
    /// Creates a request with a conversation, and defaults for everything else.
    pub fn new(model: impl Into<String>, conversation: impl Into<Conversation>) -> Self {
        Self {
            model: model.into(),
            instructions: None,
            conversation: conversation.into(),
            tools: Vec::new(),
            file_search: None,
            code_interpreter: None,
            tool_choice: ToolChoice::Auto,
            parallel_tool_calls: true,
            response_format: ResponseFormat::Text,
            temperature: None,
            top_p: None,
            reasoning_effort: None,
            max_completion_tokens: None,
        }
    }
}

/// An item of a conversation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConversationItem {
    /// A text message of the user.
    User(String),
    /// A message of the user with images. Only models that [support
    /// images](super::Model::supports_images) get these.
    UserParts(Vec<UserPart>),
    /// A message of the assistant.
    Assistant(String),
    /// The function calls of one response.
    ToolCalls(Vec<ToolCall>),
    /// The output of a function call.
    ToolOutput {
        /// The id of the call.
        call_id: String,
        /// The output.
        output: String,
    },
    /// A call of `code_interpreter`. Only models that [support built-in
    /// tools](super::Model::supports_built_in_tools) get this and the following items.
    CodeInterpreterCall(CodeInterpreterCall),
    /// A call of `file_search`.
    FileSearchCall(FileSearchCall),
    /// The reasoning that precedes the next item, as the model has emitted it.
    Reasoning(Value),
}

/// A part of a user message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserPart {
    /// Text.
    Text(String),
    /// An image.
    Image {
        /// The URL of the image, which may be a `data:` URL.
        url: String,
        /// The level of detail, such as `low` or `high`.
        detail: Option<String>,
    },
    /// An image in a file of the provider. Only models that [support built-in
    /// tools](super::Model::supports_built_in_tools) get these.
    ImageFile {
        /// The id of the file.
        file_id: String,
        /// The level of detail, such as `low` or `high`.
        detail: Option<String>,
    },
}

/// A function call of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The id of the call.
    pub id: String,
    /// The name of the function.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// A function that the model can call.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// The name.
    pub name: String,
    /// What the function does.
    pub description: Option<String>,
    /// The JSON schema of the arguments. `None` means that there are no arguments.
    pub parameters: Option<SchemaText>,
    /// Whether the model must follow the schema exactly.
    pub strict: bool,
}

/// Whether the model can, must or must not call tools.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// The model must not call a tool.
    None,
    /// The model must call at least one tool.
    Required,
    /// The model must call this function.
    Function(String),
    /// The model must call `code_interpreter`.
    CodeInterpreter,
    /// The model must call `file_search`.
    FileSearch,
}

/// The format of a response's text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that matches a schema.
    JsonSchema(NamedSchema),
}

/// The JSON schema of a response's text.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSchema {
    /// The name of the schema.
    pub name: String,
    /// The purpose of the schema.
    pub description: Option<String>,
    /// The schema.
    pub schema: SchemaText,
    /// Whether the model must follow the schema exactly.
    pub strict: bool,
}
