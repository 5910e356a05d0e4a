//! Identifies a run.

use std::fmt;

use runstep_api::types::Run;
use serde::{Deserialize, Serialize};

/// Identifies a run by its thread and its id.
///
/// ```
/// use runstep::RunRef;
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let run = RunRef::from(("thread_abc123", "run_abc123"));
/// assert_eq!(run.to_string(), "thread_abc123/run_abc123");
/// let saved = serde_json::to_string(&run)?;
/// assert_eq!(serde_json::from_str::<RunRef>(&saved)?, run);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
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

/// Displays `THREAD_ID/RUN_ID`.
impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.thread_id, self.run_id)
    }
}

impl From<&Run> for RunRef {
    fn from(run: &Run) -> Self {
        Self { thread_id: run.thread_id.clone(), run_id: run.id.clone() }
    }
}
