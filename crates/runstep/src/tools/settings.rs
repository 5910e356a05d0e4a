//! How the calls of a run are answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Approval, FunctionCall, ToolEvent};
use super::policy::FailurePolicy;
use super::toolbox::{Contents, Toolbox};
use crate::poll::DEFAULT_DEADLINE;

/// How many rounds of calls a run may ask for unless told.
pub const DEFAULT_MAX_ROUNDS: u32 = 32;

/// How many calls of a round run at once unless told.
pub const DEFAULT_CONCURRENCY: usize = 8;

pub(super) type Approve =
    dyn Fn(FunctionCall) -> Pin<Box<dyn Future<Output = Approval> + Send>> + Send + Sync;

pub(super) type Progress = dyn Fn(&ToolEvent) + Send + Sync;

/// How the calls of a run are answered.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) contents: Arc<Contents>,
    pub(super) attach: bool,
    /// How long a stream may take in all; a poll has a deadline of its own.
    pub(super) deadline: Duration,
    pub(super) max_rounds: u32,
    pub(super) concurrency: usize,
    pub(super) failures: FailurePolicy,
    pub(super) approve: Option<Arc<Approve>>,
    pub(super) progress: Option<Arc<Progress>>,
}

impl Settings {
    pub(super) fn new<S: Send + Sync + 'static>(tools: &Toolbox<S>) -> Self {
        Self {
            contents: tools.contents(),
            attach: true,
            deadline: DEFAULT_DEADLINE,
            max_rounds: DEFAULT_MAX_ROUNDS,
            concurrency: DEFAULT_CONCURRENCY,
            failures: FailurePolicy::default(),
            approve: None,
            progress: None,
        }
    }
}
