//! Streams of run events.

mod events;
mod resuming;
mod slow_readers;
