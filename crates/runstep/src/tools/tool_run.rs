//! Runs whose tool loop waits for a person.
//!
//! # How the state reaches the caller
//!
//! A loop that stops for a deferred call has not failed, and the run that it returns is an ordinary
//! run that requires action. So the result of a loop is a [`ToolRun`]: it dereferences to the run, for
//! the many programs that never defer a call, and has the state next to it, for those that do. An
//! error kind would turn the expected case into a failure that `?` propagates, and an enum would make
//! every caller match on a case that cannot occur without [`Approval::Defer`](super::Approval::Defer).
//! A stream has the same accessor, [`ToolStream::suspended`](super::ToolStream::suspended), and so has
//! a structured [`Answer`](crate::Answer::suspended).

use std::ops::Deref;

use runstep_api::types::Run;

use crate::error::Result;
use crate::into_completed::{IntoCompleted, sealed::Sealed};
use crate::suspended::SuspendedRun;

/// A run whose calls were executed by a toolbox. Dereferences to the run.
///
/// The run has ended, or requires an action that the toolbox does not perform. If calls were deferred,
/// [`suspended`](Self::suspended) returns the state with which the loop continues.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRun {
    pub(crate) run: Run,
    pub(crate) suspended: Option<SuspendedRun>,
}

impl ToolRun {
    /// Returns the run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the run without the state of the loop.
    pub fn into_run(self) -> Run {
        self.run
    }

    /// Returns the state of the loop if calls were deferred.
    pub fn suspended(&self) -> Option<&SuspendedRun> {
        self.suspended.as_ref()
    }

    /// Returns the state of the loop if calls were deferred.
    pub fn into_suspended(self) -> Option<SuspendedRun> {
        self.suspended
    }
}

impl From<Run> for ToolRun {
    fn from(run: Run) -> Self {
        Self { run, suspended: None }
    }
}

impl Deref for ToolRun {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Sealed for ToolRun {}

impl IntoCompleted for ToolRun {
    fn into_completed(self) -> Result<Self> {
        let Self { run, suspended } = self;
        Ok(Self { run: run.into_completed()?, suspended })
    }
}
