//! The events of a run: an ordered log that any number of subscribers read, from any event on.

mod frame;
mod log;
mod retained;
mod subscriber;

pub(crate) use frame::unnumbered;
pub(crate) use log::{EventLog, SLOW_READER_BUDGET};
pub(crate) use retained::RetainedLogs;
pub(crate) use subscriber::{Received, Subscriber};

#[cfg(test)]
mod tests;
