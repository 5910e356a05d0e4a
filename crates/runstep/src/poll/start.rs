//! Starting a run and waiting for it in one.

use std::future::IntoFuture;

use runstep_api::types::Run;
use tokio::time::Instant;

use super::guard::Starting;
use super::settings::{PollSettings, poll_setters};
use super::watch::{Watch, after};
use super::{RunUpdates, updates};
use crate::Client;
use crate::error::Result;
use crate::options::TakesOptions;
use crate::request::ResponseFuture;
use crate::response::Response;
use crate::runs::Runs;

/// A request after which a run goes on.
pub(crate) trait StartRun: TakesOptions + Send + 'static {
    fn client(&self) -> &Client;

    fn start(self) -> ResponseFuture<Response<Run>>;
}

/// A request that can be waited for, such as [`CreateRun`](crate::CreateRun).
pub trait Polled {
    /// What [`AndPoll`] gives at the end.
    type Output;
}

/// How a request is waited for.
pub(crate) trait Wait: Polled + Send + 'static {
    fn client(&self) -> &Client;

    fn wait(self, settings: PollSettings) -> ResponseFuture<Self::Output>;
}

#[allow(private_bounds, reason = "which requests start runs is not for others to say")]
impl<R: StartRun> Polled for R {
    type Output = Run;
}

impl<R: StartRun> Wait for R {
    fn client(&self) -> &Client {
        StartRun::client(self)
    }

    fn wait(self, settings: PollSettings) -> ResponseFuture<Run> {
        Box::pin(
            async move { Box::pin(AndPoll { request: self, settings }.watch()).await?.end().await },
        )
    }
}

/// Sends the request, until the deadline, and makes what goes along with it go along with the wait.
pub(crate) async fn started<R: StartRun>(
    mut request: R,
    settings: &mut PollSettings,
    until: Instant,
) -> Result<(Runs, Response<Run>)> {
    let options = request.options().for_others();
    settings.options = options.extended(std::mem::take(&mut settings.options));
    let cancel = |wanted: bool| wanted.then(|| settings.options.clone());
    let client = StartRun::client(&request).clone();
    let starting = Starting::new(client.clone(), request.start(), cancel(settings.cancel_on_drop));
    let reply = starting.reply(until, cancel(settings.cancel_on_deadline)).await?;
    Ok((client.runs(&reply.thread_id), reply))
}

/// A request whose run is waited for; see [`Runs::create`](crate::Runs::create) and its `and_poll`.
///
/// Awaited, it sends the request, and gives the run once it needs action or has ended. The headers,
/// the query and the timeout of the request go with the looks at the run too. The deadline counts
/// from when the request is sent; if that has no reply by then, the error has no run.
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

#[allow(private_bounds, reason = "which requests start runs is not for others to say")]
impl<R: StartRun> AndPoll<R> {
    /// Each change of the run from when it was started; see
    /// [`Poll::into_stream`](crate::Poll::into_stream).
    pub fn into_stream(self) -> RunUpdates {
        updates(self.watch())
    }

    async fn watch(mut self) -> Result<Box<Watch>> {
        let until = after(self.settings.deadline);
        let (runs, reply) = started(self.request, &mut self.settings, until).await?;
        let watch = Watch::new(runs, reply.id.clone(), &self.settings, until);
        Ok(Box::new(watch.from(reply)))
    }
}

#[allow(private_bounds, reason = "which requests are waited for is not for others to say")]
impl<R: Wait> IntoFuture for AndPoll<R> {
    type Output = Result<R::Output>;
    type IntoFuture = ResponseFuture<R::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.request.wait(self.settings)
    }
}
