//! What is seen to when a wait is dropped.

use std::future::{IntoFuture as _, pending};

use runstep_api::types::Run;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{RequestOptions, TakesOptions as _};
use crate::request::ResponseFuture;
use crate::response::Response;
use crate::runs::{CancelRun, Runs};

/// Asks to cancel the run when it is dropped before the run has settled.
pub(crate) struct CancelOnDrop(Option<CancelRun>);

impl CancelOnDrop {
    /// A guard of a run, if it is wanted.
    pub(crate) fn of(runs: &Runs, run_id: &str, wanted: bool) -> Self {
        Self(wanted.then(|| runs.cancel(run_id)))
    }

    /// A guard of nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The same guard, whose request takes these options.
    pub(crate) fn with_options(mut self, options: &RequestOptions) -> Self {
        self.0 = self.0.take().map(|cancel| cancel.with_options(options.clone()));
        self
    }

    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(cancel) = self.0.take() else { return };
        // Outside of a runtime there is nobody who could ask.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(cancel.into_future());
        }
    }
}

/// A request that starts a run, on its way. Dropped before its reply has come it goes on by itself,
/// if that is wanted, so that the run can be cancelled.
pub(super) struct Starting {
    client: Client,
    request: ResponseFuture<Response<Run>>,
    /// What goes along with the request to cancel; none if it is not wanted.
    cancel: Option<RequestOptions>,
}

impl Starting {
    pub(super) fn new(
        client: Client,
        request: ResponseFuture<Response<Run>>,
        cancel: Option<RequestOptions>,
    ) -> Self {
        Self { client, request, cancel }
    }

    /// The reply, if it comes until then; otherwise the run may be cancelled.
    pub(super) async fn reply(
        mut self,
        until: Instant,
        late: Option<RequestOptions>,
    ) -> Result<Response<Run>> {
        if let Ok(reply) = timeout_at(until, &mut self.request).await {
            self.cancel = None;
            return reply;
        }
        self.cancel = self.cancel.take().or(late);
        let message = match self.cancel {
            Some(_) => "no reply came before the deadline; if a run goes on, it is cancelled",
            None => "no reply came before the deadline; a run may go on all the same",
        };
        Err(Error::new(ErrorKind::Deadline, message))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let Some(options) = self.cancel.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let request = std::mem::replace(&mut self.request, Box::pin(pending()));
        let client = self.client.clone();
        runtime.spawn(async move {
            if let Ok(run) = request.await {
                let cancel = client.runs(&run.thread_id).cancel(&run.id);
                let _ = cancel.with_options(options).await;
            }
        });
    }
}
