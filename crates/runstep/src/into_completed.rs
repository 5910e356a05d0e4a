//! Methods of runs that return errors of this crate.

use runstep_api::types::{Run, RunStatus};

use crate::error::{Error, ErrorKind, Result};

/// Methods of [`Run`](crate::types::Run) and [`ToolRun`](crate::tools::ToolRun) that return an
/// [`Error`].
///
/// ```no_run
/// use runstep::IntoCompleted as _;
///
/// # async fn example(runs: runstep::Runs) -> runstep::Result<()> {
/// let run = runs.create("asst_abc123").and_poll().await?.into_completed()?;
/// # let _ = run;
/// # Ok(())
/// # }
/// ```
///
/// The trait is sealed.
pub trait IntoCompleted: sealed::Sealed + Sized {
    /// Returns the run if it completed. Waiting for a run is not an error if the run fails, so this
    /// makes a failed run visible to `?`.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::NotCompleted`] if the run failed, expired, is incomplete, was cancelled,
    /// requires action or is active. The error carries the run ([`Error::run`]); its message and
    /// [`code`](Error::code) are those of the run's `last_error`, if there is one.
    fn into_completed(self) -> Result<Self>;
}

impl IntoCompleted for Run {
    fn into_completed(self) -> Result<Self> {
        if self.status == RunStatus::Completed {
            return Ok(self);
        }
        let mut error = Error::new(ErrorKind::NotCompleted, not_completed_message(&self));
        if let Some(code) = self.last_error.as_ref().and_then(|cause| cause.code.as_ref()) {
            error = error.with_code(code.as_str());
        }
        Err(error.with_run(Some(self)))
    }
}

fn not_completed_message(run: &Run) -> String {
    let message = "the run has not completed";
    let reason = run.incomplete_details.as_ref().and_then(|details| details.reason.as_ref());
    match (&run.last_error, reason) {
        (Some(error), _) => format!("{message}: {}", error.message),
        (None, Some(reason)) => format!("{message}: {reason}"),
        (None, None) => message.to_owned(),
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}

    impl Sealed for runstep_api::types::Run {}
}
