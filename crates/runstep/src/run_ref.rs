//! Identifies a run.

use runstep_api::types::Run;

/// Identifies a run by its thread and its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RunRef {
    /// The id of the thread.
    pub thread_id: String,
    /// The id of the run.
    pub run_id: String,
}

impl<T: Into<String>, R: Into<String>> From<(T, R)> for RunRef {
    fn from((thread_id, run_id): (T, R)) -> Self {
        Self { thread_id: thread_id.into(), run_id: run_id.into() }
    }
}

impl From<&Run> for RunRef {
    fn from(run: &Run) -> Self {
        Self { thread_id: run.thread_id.clone(), run_id: run.id.clone() }
    }
}
