//! The events of a run: an ordered log that any number of subscribers read, from any event on.

mod frame;
mod log;
mod retained;
mod subscriber;

pub(crate) use frame::encode;
pub(crate) use log::{EventLog, SLOW_SUBSCRIBER_BUDGET};
pub(crate) use retained::RetainedLogs;
pub(crate) use subscriber::{Received, Subscriber};

#[cfg(test)]
mod stress_tests;
#[cfg(test)]
mod tests;
