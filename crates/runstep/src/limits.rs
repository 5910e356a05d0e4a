//! The API's limits, checked before a request is sent, so that an error names the field.

use std::collections::BTreeMap;

use runstep_api::Field;
use runstep_api::types::{
    CodeInterpreterResources, CreateAssistantRequest, CreateMessageRequest, CreateRunRequest,
    CreateThreadAndRunRequest, CreateThreadRequest, CreateToolResources, ToolResources,
    TruncationStrategy, UpdateAssistantRequest, UpdateMessageRequest, UpdateRunRequest,
    UpdateThreadRequest,
};

use crate::Client;
use crate::error::{Error, ErrorKind, Result};

const METADATA_PAIRS: usize = 16;
const METADATA_KEY: usize = 64;
const METADATA_VALUE: usize = 512;
const INSTRUCTIONS: usize = 256_000;
const NAME: usize = 256;
const DESCRIPTION: usize = 512;
const RUN_TOOLS: usize = 20;
const ASSISTANT_TOOLS: usize = 128;
const LEAST_TOKENS: u64 = 256;
const LEAST_MESSAGES: u64 = 1;
const FILES: usize = 20;
const STORES: usize = 1;
const PAGE: std::ops::RangeInclusive<u64> = 1..=100;

/// A body that has limits.
pub(crate) trait Limited {
    fn check(&self) -> Result<()>;
}

impl Client {
    /// Checks a body, unless the client is told not to.
    pub(crate) fn check(&self, body: &impl Limited) -> Result<()> {
        if self.settings().check_limits { body.check() } else { Ok(()) }
    }

    /// Checks the number of entries of a page.
    pub(crate) fn check_page(&self, limit: Option<u64>) -> Result<()> {
        match limit {
            Some(limit) if self.settings().check_limits && !PAGE.contains(&limit) => {
                Err(beyond("limit", format!("must be from 1 to 100, and is {limit}")))
            }
            _ => Ok(()),
        }
    }
}

fn beyond(field: &str, what: impl std::fmt::Display) -> Error {
    let message = format!("`{field}` {what}; nothing was sent");
    Error::new(ErrorKind::InvalidRequest, message).with_param(field)
}

fn text(field: &str, text: &Field<String>, longest: usize) -> Result<()> {
    let length = text.as_option().map_or(0, |text| text.chars().count());
    if length > longest {
        return Err(beyond(field, format!("may have {longest} characters, and has {length}")));
    }
    Ok(())
}

fn number(field: &str, value: &Field<f64>, largest: f64) -> Result<()> {
    match value.as_option() {
        Some(value) if !(0.0..=largest).contains(value) => {
            Err(beyond(field, format!("must be from 0 to {largest}, and is {value}")))
        }
        _ => Ok(()),
    }
}

fn tokens(field: &str, value: &Field<u64>) -> Result<()> {
    match value.as_option() {
        Some(value) if *value < LEAST_TOKENS => {
            Err(beyond(field, format!("must be at least {LEAST_TOKENS}, and is {value}")))
        }
        _ => Ok(()),
    }
}

fn count<T>(field: &str, items: Option<&Vec<T>>, most: usize) -> Result<()> {
    match items.map(Vec::len) {
        Some(count) if count > most => {
            Err(beyond(field, format!("may have {most} entries, and has {count}")))
        }
        _ => Ok(()),
    }
}

/// Checks metadata; the place is where its object is in the body, such as `thread.`.
fn metadata(place: &str, pairs: &Field<BTreeMap<String, String>>) -> Result<()> {
    let Some(pairs) = pairs.as_option() else { return Ok(()) };
    let beyond = |what: String| beyond(&format!("{place}metadata"), what);
    if pairs.len() > METADATA_PAIRS {
        return Err(beyond(format!("may have {METADATA_PAIRS} pairs, and has {}", pairs.len())));
    }
    for (key, value) in pairs {
        if key.chars().count() > METADATA_KEY {
            return Err(beyond(format!(
                "may have keys of {METADATA_KEY} characters, and has a longer one"
            )));
        }
        if value.chars().count() > METADATA_VALUE {
            return Err(beyond(format!(
                "may have values of {METADATA_VALUE} characters, and that of `{key}` is longer"
            )));
        }
    }
    Ok(())
}

fn truncation(strategy: &Field<TruncationStrategy>) -> Result<()> {
    let last = strategy.as_option().and_then(|strategy| strategy.last_messages.as_option());
    match last {
        Some(last) if *last < LEAST_MESSAGES => Err(beyond(
            "truncation_strategy.last_messages",
            format!("must be at least {LEAST_MESSAGES}, and is {last}"),
        )),
        _ => Ok(()),
    }
}

fn files(place: &str, resources: Option<&CodeInterpreterResources>) -> Result<()> {
    let files = resources.and_then(|resources| resources.file_ids.as_ref());
    count(&format!("{place}tool_resources.code_interpreter.file_ids"), files, FILES)
}

/// Checks files and stores that are there; the place is as for [`metadata`].
fn resources(place: &str, resources: &Field<ToolResources>) -> Result<()> {
    let Some(resources) = resources.as_option() else { return Ok(()) };
    files(place, resources.code_interpreter.as_ref())?;
    let Some(search) = &resources.file_search else { return Ok(()) };
    let place = format!("{place}tool_resources.file_search.");
    count(&format!("{place}vector_store_ids"), search.vector_store_ids.as_ref(), STORES)
}

/// The same for stores that may be made along the way.
fn new_resources(place: &str, resources: &Field<CreateToolResources>) -> Result<()> {
    let Some(resources) = resources.as_option() else { return Ok(()) };
    files(place, resources.code_interpreter.as_ref())?;
    let Some(search) = &resources.file_search else { return Ok(()) };
    let place = format!("{place}tool_resources.file_search.");
    count(&format!("{place}vector_store_ids"), search.vector_store_ids.as_ref(), STORES)?;
    count(&format!("{place}vector_stores"), search.vector_stores.as_ref(), STORES)
}

fn messages(place: &str, messages: Option<&Vec<CreateMessageRequest>>) -> Result<()> {
    for (index, message) in messages.into_iter().flatten().enumerate() {
        metadata(&format!("{place}[{index}]."), &message.metadata)?;
    }
    Ok(())
}

fn thread(place: &str, thread: &CreateThreadRequest) -> Result<()> {
    metadata(place, &thread.metadata)?;
    new_resources(place, &thread.tool_resources)?;
    messages(&format!("{place}messages"), thread.messages.as_ref())
}

/// Checks what a run and a thread with a run have in common.
macro_rules! check_run {
    ($body:expr) => {
        text("instructions", &$body.instructions, INSTRUCTIONS)?;
        count("tools", $body.tools.as_option(), RUN_TOOLS)?;
        metadata("", &$body.metadata)?;
        number("temperature", &$body.temperature, 2.0)?;
        number("top_p", &$body.top_p, 1.0)?;
        tokens("max_prompt_tokens", &$body.max_prompt_tokens)?;
        tokens("max_completion_tokens", &$body.max_completion_tokens)?;
        truncation(&$body.truncation_strategy)?;
    };
}

impl Limited for CreateRunRequest {
    fn check(&self) -> Result<()> {
        check_run!(self);
        messages("additional_messages", self.additional_messages.as_option())
    }
}

impl Limited for CreateThreadAndRunRequest {
    fn check(&self) -> Result<()> {
        check_run!(self);
        resources("", &self.tool_resources)?;
        self.thread.as_ref().map_or(Ok(()), |body| thread("thread.", body))
    }
}

impl Limited for CreateThreadRequest {
    fn check(&self) -> Result<()> {
        thread("", self)
    }
}

impl Limited for CreateMessageRequest {
    fn check(&self) -> Result<()> {
        metadata("", &self.metadata)
    }
}

/// Checks what new and changed assistants have in common.
macro_rules! check_assistant {
    ($body:expr) => {
        text("name", &$body.name, NAME)?;
        text("description", &$body.description, DESCRIPTION)?;
        text("instructions", &$body.instructions, INSTRUCTIONS)?;
        count("tools", $body.tools.as_ref(), ASSISTANT_TOOLS)?;
        metadata("", &$body.metadata)?;
        number("temperature", &$body.temperature, 2.0)?;
        number("top_p", &$body.top_p, 1.0)?;
    };
}

impl Limited for CreateAssistantRequest {
    fn check(&self) -> Result<()> {
        check_assistant!(self);
        new_resources("", &self.tool_resources)
    }
}

impl Limited for UpdateAssistantRequest {
    fn check(&self) -> Result<()> {
        check_assistant!(self);
        resources("", &self.tool_resources)
    }
}

impl Limited for UpdateThreadRequest {
    fn check(&self) -> Result<()> {
        resources("", &self.tool_resources)?;
        metadata("", &self.metadata)
    }
}

impl Limited for UpdateMessageRequest {
    fn check(&self) -> Result<()> {
        metadata("", &self.metadata)
    }
}

impl Limited for UpdateRunRequest {
    fn check(&self) -> Result<()> {
        metadata("", &self.metadata)
    }
}
