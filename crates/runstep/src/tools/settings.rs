//! Settings of the tool loop.

use std::pin::Pin;
use std::sync::Arc;

use super::event::ToolEvent;
use super::policy::FailurePolicy;
use super::toolbox::{ToolSet, Toolbox};
use crate::suspended::{Approval, PendingCall};

/// Default maximum number of rounds of a run.
pub const DEFAULT_MAX_ROUNDS: u32 = 32;

/// Default number of concurrent calls of a round.
pub const DEFAULT_CONCURRENCY: usize = 8;

pub(super) type ApprovalHook =
    dyn Fn(PendingCall) -> Pin<Box<dyn Future<Output = Approval> + Send>> + Send + Sync;

pub(super) type ProgressCallback = dyn Fn(&ToolEvent) + Send + Sync;

/// Settings of the tool loop.
#[derive(Clone)]
pub(super) struct ToolLoopSettings {
    pub(super) tools: Arc<ToolSet>,
    pub(super) attach: bool,
    pub(super) max_rounds: u32,
    pub(super) concurrency: usize,
    pub(super) failure_policy: FailurePolicy,
    pub(super) approval_hook: Option<Arc<ApprovalHook>>,
    pub(super) progress: Option<Arc<ProgressCallback>>,
}

impl ToolLoopSettings {
    pub(super) fn new<S: Send + Sync + 'static>(tools: &Toolbox<S>) -> Self {
        Self {
            tools: tools.tools(),
            attach: true,
            max_rounds: DEFAULT_MAX_ROUNDS,
            concurrency: DEFAULT_CONCURRENCY,
            failure_policy: FailurePolicy::default(),
            approval_hook: None,
            progress: None,
        }
    }
}
