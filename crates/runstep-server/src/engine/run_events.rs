//! The events of objects: each names the object's kind and its state, and has the object as data.

use axum::body::Bytes;
use runstep_api::types::RunStep;

use super::hidden_step;
use super::run_state::{MessageState, RunState, StepState};
use crate::events::Event;

/// The state of an object that did not exist before.
const CREATED: &str = "created";

/// Returns the event that a thread was created.
pub(super) fn thread_created(json: Bytes) -> Event {
    Event::object("thread", CREATED, json)
}

impl RunState {
    /// Returns the JSON of the run with its long members.
    pub(super) fn run_json(&self) -> Bytes {
        self.run.json_by(|run| self.texts.run_json(run))
    }

    pub(super) fn created_event(&self) -> Event {
        self.event_of(CREATED)
    }

    /// Returns the event that the run has its status.
    pub(super) fn event(&self) -> Event {
        self.event_of(self.run.status.as_str())
    }

    fn event_of(&self, state: &str) -> Event {
        Event::object("thread.run", state, self.run_json())
    }
}

impl StepState {
    pub(super) fn created_event(&self) -> Event {
        self.event_of(CREATED, false)
    }

    /// Returns the event that the step has its status, with the passages of file searches if clients
    /// ask for them.
    pub(super) fn event(&self, with_passages: bool) -> Event {
        self.event_of(self.step.status.as_str(), with_passages)
    }

    fn event_of(&self, state: &str, with_passages: bool) -> Event {
        let json = match hidden_step::has_hidden(&self.step) {
            true => hidden_step::visible_step(RunStep::clone(&self.step), with_passages),
            false => self.step.json(),
        };
        Event::object("thread.run.step", state, json)
    }
}

impl MessageState {
    pub(super) fn created_event(&self) -> Event {
        self.event_of(CREATED)
    }

    /// Returns the event that the message has its status.
    pub(super) fn event(&self) -> Event {
        let status = self.message.status.as_ref();
        // The server gives each message a status.
        self.event_of(status.map_or(CREATED, |status| status.as_str()))
    }

    fn event_of(&self, state: &str) -> Event {
        Event::object("thread.message", state, self.message.json())
    }
}
