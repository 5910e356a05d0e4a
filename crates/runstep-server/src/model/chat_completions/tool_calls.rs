//! Matches the parts of function calls, and numbers the calls as they begin.
//!
//! Most providers number calls by `index` and send an id and the name with the first part only.
//! Some give all calls the same index, or none; some send calls whole; some repeat the name with
//! each part; some have no ids.

use serde_json::Value;

use super::answer::Output;
use super::chunk::{CallDelta, arguments};
use crate::model::ModelEvent;

/// More calls than any model makes in one answer.
const MAX_CALLS: usize = 128;

/// The calls of an answer so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
    /// How many of them were told.
    told: usize,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: Option<Named>,
    arguments: String,
}

/// A call that was told, because its name came.
#[derive(Debug)]
struct Named {
    name: String,
    number: usize,
}

/// Why calls cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolCallsError {
    TooMany,
    NoName,
}

impl ToolCalls {
    /// Takes a part of a call, and tells it.
    pub(super) fn take(
        &mut self,
        delta: CallDelta,
        output: &mut Output,
    ) -> Result<(), ToolCallsError> {
        let function = delta.function.unwrap_or_default();
        let id = delta.id.filter(|id| !id.is_empty());
        let name = function.name.filter(|name| !name.is_empty());
        let text = function.arguments.map(arguments).unwrap_or_default();
        let begins = || Call { index: delta.index, ..Call::default() };
        let call = match self.position(delta.index, id.as_deref(), name.as_deref(), &text) {
            Some(position) => self.calls.get_mut(position),
            None if self.calls.len() == MAX_CALLS => return Err(ToolCallsError::TooMany),
            None => {
                self.calls.push(begins());
                self.calls.last_mut()
            }
        };
        let Some(call) = call else { return Ok(()) };
        if call.id.is_none() {
            call.id = id;
        }
        if call.name.is_none()
            && let Some(name) = name
        {
            call.name = Some(Named { name: name.clone(), number: self.told });
            output.push(ModelEvent::ToolCall { index: self.told, name });
            self.told += 1;
        }
        if !text.is_empty() {
            let Named { number, .. } = call.name.as_ref().ok_or(ToolCallsError::NoName)?;
            call.arguments.push_str(&text);
            output.push(ModelEvent::Arguments { index: *number, text });
        }
        Ok(())
    }

    /// The call that a part belongs to; none when it begins one.
    fn position(
        &self,
        index: Option<u64>,
        id: Option<&str>,
        name: Option<&str>,
        text: &str,
    ) -> Option<usize> {
        let last = self.calls.len().checked_sub(1)?;
        let position = match (index, id) {
            (Some(_), _) => self.calls.iter().rposition(|call| call.index == index)?,
            (None, Some(id)) => {
                match self.calls.iter().rposition(|call| call.id.as_deref() == Some(id)) {
                    Some(position) => return Some(position),
                    None => last,
                }
            }
            (None, None) => last,
        };
        let call = self.calls.get(position)?;
        let Some(name) = name else { return Some(position) };
        let other_id = id.is_some() && call.id.is_some() && id != call.id.as_deref();
        let other_name = index.is_none() && call.name.as_ref().is_some_and(|it| it.name != name);
        // A repeated name is no call of its own, unless the arguments begin once more.
        let is_whole = call.name.is_some() && !text.is_empty() && is_object(&call.arguments);
        (!other_id && !other_name && !is_whole).then_some(position)
    }

    /// Tells what is missing at the end.
    pub(super) fn end(&self, output: &mut Output) -> Result<(), ToolCallsError> {
        for call in &self.calls {
            let Some(Named { number, .. }) = &call.name else { return Err(ToolCallsError::NoName) };
            // Arguments are JSON, also for a function that takes none.
            if call.arguments.trim().is_empty() {
                output.push(ModelEvent::Arguments { index: *number, text: "{}".to_owned() });
            }
        }
        Ok(())
    }
}

fn is_object(text: &str) -> bool {
    text.trim_end().ends_with('}')
        && serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
}
