//! What happens when a wait is dropped.

use std::future::{IntoFuture, pending};

use runstep_api::types::Run;
use sync_wrapper::SyncWrapper;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{RequestOptions, Response, ResponseFuture, TakesOptions as _};

/// Cancels a run when it is dropped, unless it was disarmed because the run settled.
pub(crate) struct CancelOnDrop(Option<SyncWrapper<ResponseFuture<Run>>>);

impl CancelOnDrop {
    /// Creates a guard that sends a cancel request when it is dropped.
    pub(crate) fn armed(cancel: impl IntoFuture<IntoFuture = ResponseFuture<Run>>) -> Self {
        Self(Some(SyncWrapper::new(cancel.into_future())))
    }

    /// Creates a disarmed guard.
    pub(crate) fn disarmed() -> Self {
        Self(None)
    }

    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some(cancel) = self.0.take() else { return };
        // Without a runtime the request cannot be sent.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(cancel.into_inner());
        }
    }
}

/// A request in flight that creates a run. If it is dropped before the response arrives, it can
/// continue in the background so that the run is cancelled once its id is known.
pub(super) struct CreateInFlight {
    pub(super) client: Client,
    pub(super) request: ResponseFuture<Response<Run>>,
    /// The options of the cancel request, if the run is to be cancelled.
    pub(super) cancel: Option<RequestOptions>,
}

impl CreateInFlight {
    /// Waits for the response until `deadline`. After that, cancels the run if `cancel_late` is set.
    pub(super) async fn response(
        mut self,
        deadline: Instant,
        cancel_late: Option<RequestOptions>,
    ) -> Result<Response<Run>> {
        if let Ok(response) = timeout_at(deadline, &mut self.request).await {
            self.cancel = None;
            return response;
        }
        self.cancel = self.cancel.take().or(cancel_late);
        let message = match self.cancel {
            Some(_) => "no response arrived before the deadline; a created run is cancelled",
            None => "no response arrived before the deadline; a run may have been created",
        };
        Err(Error::new(ErrorKind::Deadline, message))
    }
}

impl Drop for CreateInFlight {
    fn drop(&mut self) {
        let Some(options) = self.cancel.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let request = std::mem::replace(&mut self.request, Box::pin(pending()));
        let client = self.client.clone();
        runtime.spawn(async move {
            if let Ok(response) = request.await {
                let run = response.into_inner();
                let cancel = client.runs(&run.thread_id).cancel(&run.id);
                let _ = cancel.with_options(options).await;
            }
        });
    }
}
