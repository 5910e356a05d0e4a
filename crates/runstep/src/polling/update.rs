//! A change of a polled run.

use std::ops::Deref;

use runstep_api::types::{Run, RunStep};

use crate::error::Error;

/// A change that a poll detected. Dereferences to the run.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunUpdate {
    /// The current state of the run.
    pub run: Run,
    /// Steps that are new since the last update, oldest first. Empty without [`with_steps`](crate::Poll::with_steps).
    pub new_steps: Vec<RunStep>,
    /// The last eight polling errors that were tolerated since the last update. Errors after the last
    /// update are the source of the error that ends the stream.
    pub tolerated_errors: Vec<Error>,
}

impl RunUpdate {
    /// Creates a change without tolerated errors, for a test.
    pub fn new(run: Run, new_steps: Vec<RunStep>) -> Self {
        Self { run, new_steps, tolerated_errors: Vec::new() }
    }
}

impl Deref for RunUpdate {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}
