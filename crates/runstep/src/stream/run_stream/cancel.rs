//! A run need not go on for a stream that nobody reads any more.

use std::sync::Arc;

use crate::poll::RunRef;
use crate::stream::remote::Remote;

/// Asks to cancel the run when the stream is dropped before the run has settled.
pub(super) struct CancelOnDrop {
    pub(super) remote: Arc<dyn Remote>,
    pub(super) run: Option<RunRef>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let remote = Arc::clone(&self.remote);
        // Outside of a runtime there is nobody who could ask.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = remote.cancel(run).await;
            });
        }
    }
}
