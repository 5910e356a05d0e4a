//! Assembles the fragments of function calls.
//!
//! Most providers identify a call by `index` and send its id and name in the first fragment only.
//! Some use the same index for all calls, or none; some send complete calls; some repeat the name
//! in each fragment; some send no ids.

use serde_json::Value;

use super::chunk::CallDelta;
use crate::model::ModelEvent;
use crate::model::upstream::{CallError, EventQueue, MAX_CALLS, arguments, is_cut_off};

/// The calls of a response so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    calls: Vec<Call>,
    /// The number of calls that have started, which is the index of the next one.
    started: usize,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    started: Option<StartedCall>,
    arguments: String,
}

/// The name of a call, with which it starts, and its index among the model events.
#[derive(Debug)]
struct StartedCall {
    name: String,
    index: usize,
}

impl ToolCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Applies a fragment of a call.
    pub(super) fn apply(
        &mut self,
        delta: CallDelta,
        events: &mut EventQueue,
    ) -> Result<(), CallError> {
        let function = delta.function.unwrap_or_default();
        let id = delta.id.filter(|id| !id.is_empty());
        let name = function.name.filter(|name| !name.is_empty());
        let text = function.arguments.map(arguments).unwrap_or_default();
        let call = match self.position(delta.index, id.as_deref(), name.as_deref(), &text) {
            Some(position) => self.calls.get_mut(position),
            None if self.calls.len() == MAX_CALLS => {
                return Err(CallError::too_many_calls());
            }
            None => {
                self.calls.push(Call { index: delta.index, ..Call::default() });
                self.calls.last_mut()
            }
        };
        let Some(call) = call else { return Ok(()) };
        if call.id.is_none() {
            call.id = id;
        }
        if call.started.is_none()
            && let Some(name) = name
        {
            let index = self.started;
            call.started = Some(StartedCall { name: name.clone(), index });
            events.push(ModelEvent::ToolCall { index, name });
            self.started += 1;
        }
        if !text.is_empty() {
            let index = call.started.as_ref().ok_or_else(CallError::missing_name)?.index;
            call.arguments.push_str(&text);
            events.push(ModelEvent::Arguments { index, text });
        }
        Ok(())
    }

    /// Returns the position of the call that a fragment belongs to, or `None` for a new call.
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
        let other_name =
            index.is_none() && call.started.as_ref().is_some_and(|call| call.name != name);
        // A repeated name belongs to the same call, unless new arguments follow complete ones.
        let is_complete = call.started.is_some() && !text.is_empty() && is_object(&call.arguments);
        (!other_id && !other_name && !is_complete).then_some(position)
    }

    /// Completes the calls at the end of the response. A response without a finish reason may have
    /// been cut off anywhere.
    pub(super) fn finish(
        &self,
        has_finish_reason: bool,
        events: &mut EventQueue,
    ) -> Result<(), CallError> {
        for call in &self.calls {
            let StartedCall { name, index } =
                call.started.as_ref().ok_or_else(CallError::missing_name)?;
            let is_empty = call.arguments.trim().is_empty();
            if is_cut_off(&call.arguments) && !(is_empty && has_finish_reason) {
                return Err(CallError::cut_off_arguments(name));
            }
            // Arguments must be JSON even if the function has none.
            if is_empty {
                events.push(ModelEvent::Arguments { index: *index, text: "{}".to_owned() });
            }
        }
        Ok(())
    }
}

fn is_object(text: &str) -> bool {
    text.trim_end().ends_with('}')
        && serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object())
}
