//! What happens when a wait is dropped.

use std::future::{IntoFuture, pending};
use std::pin::Pin;
use std::time::Duration;

use runstep_api::types::Run;
use sync_wrapper::SyncWrapper;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::run_request::RunTarget;
use crate::transport::{RequestOptions, ResponseFuture};

/// Timeout of the cancel request at the deadline.
pub(crate) const FINAL_CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

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
        if let Some(cancel) = self.0.take() {
            spawn_cancel(cancel.into_inner());
        }
    }
}

/// A future of the background. All tasks have this type, because a task is compiled per type of future.
type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

fn spawn(future: Background) {
    // Without a runtime the request cannot be sent.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(future);
    }
}

fn spawn_cancel(cancel: ResponseFuture<Run>) {
    spawn(Box::pin(async move { drop(cancel.await) }));
}

type CancelCreated<T> = Box<dyn FnOnce(T) -> Background + Send>;

/// How the run of a request in flight is cancelled.
pub(crate) enum CancelLate<T> {
    /// The request creates the run: its id is known when the result arrives.
    Created(CancelCreated<T>),
    /// The run exists already.
    Existing(RunRef, ResponseFuture<Run>),
}

/// A request in flight that starts a run or is about one. If it is dropped or reaches its deadline before
/// the response arrives, the run can be cancelled. To cancel a run that it creates, the request continues
/// in the background until the id of the run is known.
pub(crate) struct InFlight<T: Send + 'static> {
    pub(crate) request: ResponseFuture<T>,
    /// `None` once there is nothing to cancel.
    pub(crate) cancel: Option<CancelLate<T>>,
    /// Whether to cancel the run if this is dropped.
    pub(crate) on_drop: bool,
    /// Whether to cancel the run after the deadline.
    pub(crate) on_deadline: bool,
}

impl<T> CancelLate<T> {
    /// Returns how the run of `target` is cancelled. `created` cancels a run that the request creates.
    pub(crate) fn new<F>(
        target: &RunTarget,
        client: &Client,
        options: RequestOptions,
        created: impl FnOnce(T) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match target {
            RunTarget::New { .. } => Self::Created(Box::new(|result| Box::pin(created(result)))),
            RunTarget::Continued { run, .. } | RunTarget::Existing { run, .. } => {
                Self::existing(run.clone(), client, options)
            }
        }
    }

    /// Returns how a run that exists is cancelled.
    pub(crate) fn existing(run: RunRef, client: &Client, options: RequestOptions) -> Self {
        let cancel = client.runs(&run.thread_id).cancel(&run.run_id);
        Self::Existing(run, cancel.with_options(options).into_future())
    }
}

impl<T: Send + 'static> InFlight<T> {
    /// Waits for the result until `deadline`.
    pub(crate) async fn result(mut self, deadline: Instant) -> Result<T> {
        if let Ok(result) = timeout_at(deadline, &mut self.request).await {
            self.cancel = None;
            return result;
        }
        match self.cancel.take() {
            Some(CancelLate::Existing(run, cancel)) => {
                Err(existing_exceeded_deadline(run, cancel, self.on_deadline).await)
            }
            created => {
                self.cancel = created;
                self.on_drop |= self.on_deadline;
                Err(exceeded_deadline(self.on_drop))
            }
        }
    }
}

/// Creates the error of a request about a run that exists. Cancels the run if `cancels` is true.
async fn existing_exceeded_deadline(
    run: RunRef,
    cancel: ResponseFuture<Run>,
    cancels: bool,
) -> Error {
    let message = format!("no response about the run {run} arrived before the deadline");
    let error = Error::new(ErrorKind::Deadline, message);
    if !cancels {
        return error;
    }
    let cancelled = timeout(FINAL_CANCEL_TIMEOUT, cancel).await;
    error.with_run(cancelled.ok().and_then(Result::ok))
}

/// Creates the error of a request that creates a run.
fn exceeded_deadline(is_cancelled: bool) -> Error {
    let message = match is_cancelled {
        true => "no response arrived before the deadline; a created run is cancelled",
        false => "no response arrived before the deadline; a run may have been created",
    };
    Error::new(ErrorKind::Deadline, message)
}

impl<T: Send + 'static> Drop for InFlight<T> {
    fn drop(&mut self) {
        let Some(cancel) = self.cancel.take().filter(|_| self.on_drop) else { return };
        match cancel {
            CancelLate::Created(cancel) => {
                let request = std::mem::replace(&mut self.request, Box::pin(pending()));
                spawn(Box::pin(async move {
                    if let Ok(result) = request.await {
                        cancel(result).await;
                    }
                }));
            }
            CancelLate::Existing(_, cancel) => spawn_cancel(cancel),
        }
    }
}
