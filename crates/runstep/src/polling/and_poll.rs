//! Creates a run and waits for it.

use std::future::IntoFuture;

use runstep_api::types::Run;
use tokio::time::Instant;

use super::cancel_on_drop::CreateInFlight;
use super::poll_loop::PollLoop;
use super::settings::{PollSettings, poll_setters};
use super::updates::RunUpdates;
use crate::client::{Client, HasClient};
use crate::error::Result;
use crate::resources::{CreateRun, CreateThreadAndRun, Runs, SubmitToolOutputs};
use crate::time::deadline_after;
use crate::transport::{Response, ResponseFuture, TakesOptions};

/// A request after which a run is active.
pub(crate) trait StartRun: HasClient + TakesOptions + Send + 'static {
    fn start(self) -> ResponseFuture<Response<Run>>;
}

/// Implements [`StartRun`] and `and_poll` for the requests after which a run is active.
macro_rules! start_run {
    ($($(#[$doc:meta])* $Request:ident)+) => {
        $(
            impl HasClient for $Request {
                fn client(&self) -> &Client {
                    &self.client
                }
            }

            impl StartRun for $Request {
                fn start(self) -> ResponseFuture<Response<Run>> {
                    self.send()
                }
            }

            impl $Request {
                $(#[$doc])*
                pub fn and_poll(self) -> AndPoll<Self> {
                    AndPoll::new(self)
                }
            }
        )+
    };
}

start_run! {
    /// Creates the run and waits until it has settled.
    CreateRun
    /// Creates the thread and the run, and waits until the run has settled.
    CreateThreadAndRun
    /// Submits the outputs and waits until the run has settled again.
    SubmitToolOutputs
}

/// A request that can be waited for, such as [`CreateRun`](crate::CreateRun).
pub trait Pollable {
    /// What awaiting [`AndPoll`] returns.
    type Output;
}

/// How a request is waited for.
pub(crate) trait Wait: Pollable + Send + 'static {
    fn wait(self, settings: PollSettings) -> ResponseFuture<Self::Output>;
}

impl<R: StartRun> Pollable for R {
    type Output = Run;
}

impl<R: StartRun> Wait for R {
    fn wait(self, settings: PollSettings) -> ResponseFuture<Run> {
        Box::pin(async move {
            Box::pin(AndPoll { request: self, settings }.start()).await?.settled_run().await
        })
    }
}

/// Sends the request until `deadline`, and adds its options to those of the wait.
pub(crate) async fn start_run<R: StartRun>(
    mut request: R,
    settings: &mut PollSettings,
    deadline: Instant,
) -> Result<(Runs, Response<Run>)> {
    let options = request.options().for_related_requests();
    settings.options = options.extended(std::mem::take(&mut settings.options));
    let cancel_options = |enabled: bool| enabled.then(|| settings.options.clone());
    let client = request.client().clone();
    let cancel = cancel_options(settings.cancel_on_drop);
    let create = CreateInFlight { client: client.clone(), request: request.start(), cancel };
    let response = create.response(deadline, cancel_options(settings.cancel_on_deadline)).await?;
    Ok((client.runs(&response.value().thread_id), response))
}

/// A request whose run is waited for; see [`Runs::create`](crate::Runs::create).
///
/// Awaiting it sends the request and returns the run once it settles. The headers, query and
/// timeout of the request apply to the polls, too. The deadline starts when the request is sent;
/// if no response has arrived by then, the error has no run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct AndPoll<R> {
    request: R,
    settings: PollSettings,
}

impl<R> AndPoll<R> {
    pub(crate) fn new(request: R) -> Self {
        Self { request, settings: PollSettings::default() }
    }

    poll_setters!();
}

impl<R: StartRun> AndPoll<R> {
    /// Returns a stream of changes that starts with the created run; see
    /// [`Poll::into_stream`](crate::Poll::into_stream).
    pub fn into_stream(self) -> RunUpdates {
        RunUpdates::new(self.start())
    }

    async fn start(mut self) -> Result<Box<PollLoop>> {
        let deadline = deadline_after(self.settings.deadline);
        let (runs, response) = start_run(self.request, &mut self.settings, deadline).await?;
        let poll_loop = PollLoop::new(runs, response.value().id.clone(), &self.settings, deadline);
        Ok(Box::new(poll_loop.starting_with(response)))
    }
}

impl<R: Wait> IntoFuture for AndPoll<R> {
    type Output = Result<R::Output>;
    type IntoFuture = ResponseFuture<R::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.request.wait(self.settings)
    }
}
