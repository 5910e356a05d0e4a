//! The events of runs. While a run executes, an [`EventLog`] has its newest events in memory; the
//! store has all that are retained. A [`Subscriber`] reads both, from any event on.

mod followers;
mod frame;
mod log;
mod subscriber;

pub(crate) use followers::Followers;
pub(crate) use frame::{Event, Frame, Frames, encode};
pub(crate) use log::{EventLog, SLOW_SUBSCRIBER_BUDGET};
pub(crate) use subscriber::{EventSource, Received, Subscriber};

#[cfg(test)]
mod stress_tests;
#[cfg(test)]
mod tests;
