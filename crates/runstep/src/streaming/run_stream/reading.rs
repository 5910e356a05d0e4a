//! `Reading` and `Draining`: applies the items of a connection.

use std::time::Duration;

use runstep_api::types::StreamEvent as RunEvent;

use super::{RunStream, SnapshotGap, State};
use crate::error::Result;
use crate::streaming::connection::{Body, ConnectionItem, EventConnection};
use crate::streaming::recovery::RunLocation;
use crate::streaming::settings::StreamSettings;
use crate::streaming::snapshots::{MAX_SNAPSHOT_BYTES, snapshots_too_large};
use crate::time::deadline_after;

/// How long the end of a response is awaited after the terminal event, so that the connection can be
/// reused.
const TRAILER_TIMEOUT: Duration = Duration::from_secs(1);

impl RunStream {
    pub(super) fn read(&mut self, body: Body) {
        let StreamSettings { max_event_bytes, idle_timeout, .. } = self.settings;
        let connection = EventConnection::new(body, max_event_bytes, idle_timeout);
        self.state = State::Reading(Box::new(connection));
        self.has_new_events = false;
    }

    /// Adds events that are read as if the server had sent them.
    #[cfg(feature = "test-util")]
    pub(in crate::streaming) fn record(&mut self, events: impl IntoIterator<Item = RunEvent>) {
        if let State::Reading(connection) = &mut self.state {
            connection.record(events);
        }
    }

    /// Applies an item of the connection. Returns `None` if there is nothing to yield.
    pub(super) fn on_connection_item(&mut self, item: ConnectionItem) -> Option<Result<RunEvent>> {
        match item {
            ConnectionItem::Event(RunEvent::Done) if self.run_state.end().is_some() => None,
            ConnectionItem::Event(RunEvent::Done) => self.on_closed(None, true).map(Err),
            // Applied by reference: events are large, so they are moved as rarely as possible.
            ConnectionItem::Event(event) => match self.apply(&event) {
                Ok(true) => Some(Ok(event)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            },
            ConnectionItem::Malformed(error) => {
                self.gap = SnapshotGap::Open;
                Some(Err(error.with_run(self.run().cloned())))
            }
            ConnectionItem::Closed(cause) => self.on_closed(cause, false).map(Err),
        }
    }

    /// Applies an event. Returns `false` for a duplicate.
    fn apply(&mut self, event: &RunEvent) -> Result<bool> {
        if !self.run_state.apply(event) {
            return Ok(false);
        }
        if self.run_state.snapshots().size() > MAX_SNAPSHOT_BYTES {
            return Err(self.fail(snapshots_too_large()));
        }
        self.is_synthesized = false;
        self.is_resumed = false;
        self.has_new_events |= !matches!(event, RunEvent::Error(_) | RunEvent::Unknown { .. });
        if let RunLocation::Unconfirmed(origin) = &self.location {
            let location =
                origin.location_after_event(self.run_state.run(), self.run_state.thread_id());
            self.set_location(location);
        }
        let has_settled = self.run_state.end().is_some();
        if has_settled {
            self.guard.disarm();
        }
        match (&self.state, has_settled) {
            (State::Reading(_), true) | (State::Draining(..), false) => {
                self.state = match std::mem::replace(&mut self.state, State::Idle) {
                    State::Reading(connection) => {
                        State::Draining(connection, deadline_after(TRAILER_TIMEOUT))
                    }
                    // A later event supersedes the terminal event.
                    State::Draining(connection, _) => {
                        self.arm_guard();
                        State::Reading(connection)
                    }
                    other => other,
                };
            }
            _ => {}
        }
        if let State::Draining(connection, _) = &self.state {
            // Later ids belong to events that are not yielded, such as `done`.
            connection.last_event_id().clone_into(&mut self.last_event_id);
        }
        Ok(true)
    }
}
