//! Starts a run and waits for it.

use runstep_api::types::Run;
use tokio::time::Instant;

use super::cancel_on_drop::{CancelLate, InFlight};
use super::new_steps::{NewSteps, NoSteps};
use super::poll_loop::PollLoop;
use super::updates::RunUpdates;
use crate::client::Client;
use crate::error::Result;
use crate::resources::Runs;
use crate::run_request::sealed::Sealed;
use crate::run_request::{Action, ErasedRequest, PlainMode, RunRequest, RunTarget, StartRun};
use crate::time::deadline_after;
use crate::transport::{RequestOptions, Response, ResponseFuture};

/// Waits until the run of a request settles.
pub(crate) fn poll(request: ErasedRequest) -> ResponseFuture<Run> {
    Box::pin(async move { start::<NoSteps>(request).await?.settled_run().await })
}

/// Waits until a run settles, at most until `deadline`.
#[cfg(feature = "tools")]
pub(crate) async fn poll_until(
    runs: Runs,
    run_id: String,
    options: &crate::run_request::RunOptions,
    deadline: Instant,
) -> Result<Run> {
    Box::new(PollLoop::new(runs, run_id, options, deadline)).settled_run().await
}

/// Starts the deadline, sends the request, and creates the poll loop.
async fn start<S: NewSteps>(request: ErasedRequest) -> Result<Box<PollLoop<S>>> {
    let deadline = deadline_after(request.options.deadline);
    if let RunTarget::Existing { run, .. } = request.action.target() {
        let runs = request.client.runs(run.thread_id);
        return Ok(Box::new(PollLoop::new(runs, run.run_id, &request.options, deadline)));
    }
    let options = request.options.clone();
    let (runs, response) = start_run(request, deadline).await?;
    let poll_loop = PollLoop::new(runs, response.value().id.clone(), &options, deadline);
    Ok(Box::new(poll_loop.starting_with(response)))
}

/// Sends the request, at most until `deadline`.
pub(crate) async fn start_run(
    request: ErasedRequest,
    deadline: Instant,
) -> Result<(Runs, Response<Run>)> {
    let ErasedRequest { client, action, options } = request;
    let (late_client, late_options) = (client.clone(), options.related());
    let cancel_late =
        CancelLate::new(&action.target(), &client, options.related(), move |response| {
            cancel(late_client, response, late_options)
        });
    let in_flight = InFlight {
        request: action.send(client.clone(), options.request),
        cancel: Some(cancel_late),
        on_drop: options.cancel_on_drop,
        on_deadline: options.cancel_on_deadline,
    };
    let response = in_flight.result(deadline).await?;
    Ok((client.runs(&response.value().thread_id), response))
}

async fn cancel(client: Client, response: Response<Run>, options: RequestOptions) {
    let run = response.into_inner();
    let _ = client.runs(&run.thread_id).cancel(&run.id).with_options(options).await;
}

/// The parameters of a request whose run can be watched by polling.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a stream of events cannot be watched: end this request with `.await`, or use `runs.poll(id).watch()`",
    label = "`{Self}` opens a stream of events"
)]
pub trait WatchRun: Sealed {
    #[doc(hidden)]
    fn into_watch(self) -> Action;
}

#[diagnostic::do_not_recommend]
impl<R: StartRun> WatchRun for R {
    fn into_watch(self) -> Action {
        self.into_action()
    }
}

impl<R, M> RunRequest<R, M> {
    /// Returns a stream of the changes of the run, by polling: the current state first, then one item for
    /// each change of the status or, with [`with_steps`](Self::with_steps), for new steps. The stream ends
    /// after the run has settled, or after an error.
    ///
    /// A request that creates or continues a run is sent when the stream is first read.
    pub fn watch(self) -> RunUpdates
    where
        R: WatchRun,
        M: PlainMode,
    {
        let (_, request) = self.erase(R::into_watch);
        RunUpdates::new(start(request))
    }
}
