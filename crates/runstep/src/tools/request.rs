//! Requests with a toolbox.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::event::ToolEvent;
use super::policy::FailurePolicy;
use super::polling::ToolLoop;
use super::resume::fetch_suspended;
use super::settings::ToolLoopSettings;
use super::stream::ToolStream;
use super::tool_run::ToolRun;
use super::toolbox::Toolbox;
use crate::client::Client;
use crate::error::Result;
use crate::polling::{CancelLate, InFlight, poll_until, start_run};
use crate::run_ref::RunRef;
use crate::run_request::sealed::Sealed;
use crate::run_request::{
    ErasedRequest, Plain, RunAction, RunMode, RunOptions, RunRequest, RunTarget,
};
use crate::streaming::{open, waiting_for_outputs};
use crate::suspended::{Approval, PendingCall};
use crate::time::deadline_after;
use crate::transport::ResponseFuture;

/// The mode of a request whose function calls are executed by a toolbox; see
/// [`RunRequest::toolbox`] and [`docs::tools`](crate::docs::tools).
#[derive(Clone)]
pub struct WithToolbox {
    settings: ToolLoopSettings,
}

/// A mode without a toolbox.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "this request has a toolbox already: put all functions into one `Toolbox`",
    label = "this request has the mode `{Self}`"
)]
pub trait AcceptsToolbox: RunMode {
    /// The same mode with a toolbox.
    type WithToolbox: HasToolbox;

    #[doc(hidden)]
    fn with_toolbox(self, toolbox: WithToolbox) -> Self::WithToolbox;
}

/// A mode with a toolbox.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "this request has no toolbox: call `.toolbox(&tools)` before options of tools",
    label = "this request has the mode `{Self}`"
)]
pub trait HasToolbox: RunMode {
    #[doc(hidden)]
    fn toolbox(&mut self) -> &mut WithToolbox;
}

impl Sealed for WithToolbox {}

impl AcceptsToolbox for Plain {
    type WithToolbox = WithToolbox;

    fn with_toolbox(self, toolbox: WithToolbox) -> WithToolbox {
        toolbox
    }
}

impl HasToolbox for WithToolbox {
    fn toolbox(&mut self) -> &mut WithToolbox {
        self
    }
}

impl<R, M> RunRequest<R, M> {
    /// Executes the function calls of the run with these tools, in every round, until the run ends or
    /// requires another action.
    ///
    /// A new run gets the definitions of the tools; see [`attach`](Self::attach). A run that exists
    /// already keeps its own.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::tools::Toolbox;
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let run = runs.create(&assistant.id).toolbox(&tools).and_poll().await?;
    /// assert_eq!(run.status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// As a stream, which includes the events of the calls:
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::RunEvent;
    /// use runstep::tools::{ToolEvent, ToolStreamEvent, Toolbox};
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let mut events = runs.create(&assistant.id).toolbox(&tools).stream().await?;
    /// while let Some(event) = events.try_next().await? {
    ///     match event {
    ///         ToolStreamEvent::Run(RunEvent::MessageDelta(delta)) => print!("{}", delta.text()),
    ///         ToolStreamEvent::Tool(ToolEvent::Started(call)) => println!("{} …", call.name),
    ///         _ => {}
    ///     }
    /// }
    /// assert_eq!(events.run().unwrap().status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A run that was created elsewhere:
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::tools::Toolbox;
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let started = runs.create(&assistant.id).await?;
    /// let run = runs.poll(&started.id).toolbox(&tools).await?;
    /// assert_eq!(run.status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn toolbox<S>(self, tools: &Toolbox<S>) -> RunRequest<R, M::WithToolbox>
    where
        M: AcceptsToolbox,
        S: Send + Sync + 'static,
    {
        let toolbox = WithToolbox { settings: ToolLoopSettings::new(tools) };
        self.map_mode(|mode| mode.with_toolbox(toolbox))
    }
}

/// Options of requests with a [`toolbox`](Self::toolbox).
impl<R, M> RunRequest<R, M> {
    fn with_settings(mut self, change: impl FnOnce(&mut ToolLoopSettings)) -> Self
    where
        M: HasToolbox,
    {
        change(&mut self.mode.toolbox().settings);
        self
    }

    /// Sets whether the toolbox's tools are added to a request that creates a run. Default: true.
    ///
    /// The tools of a run replace those of the assistant, and a run can have at most 20. Without them,
    /// the run has the tools that the assistant was created with; see [`Toolbox::definitions`].
    pub fn attach(self, attach: bool) -> Self
    where
        M: HasToolbox,
    {
        self.with_settings(|settings| settings.attach = attach)
    }

    /// Sets the maximum number of rounds of calls. A run that exceeds it is cancelled, and an error of
    /// kind [`Tool`](crate::ErrorKind::Tool) is returned. Default:
    /// [`DEFAULT_MAX_ROUNDS`](crate::tools::DEFAULT_MAX_ROUNDS).
    pub fn max_rounds(self, rounds: u32) -> Self
    where
        M: HasToolbox,
    {
        self.with_settings(|settings| settings.max_rounds = rounds)
    }

    /// Sets how many calls of a round run concurrently, at least 1. Default:
    /// [`DEFAULT_CONCURRENCY`](crate::tools::DEFAULT_CONCURRENCY).
    pub fn concurrency(self, calls: usize) -> Self
    where
        M: HasToolbox,
    {
        self.with_settings(|settings| settings.concurrency = calls.max(1))
    }

    /// Sets how failed calls are handled. Default: the model receives the error, in at most three
    /// consecutive rounds.
    pub fn failure_policy(self, policy: FailurePolicy) -> Self
    where
        M: HasToolbox,
    {
        self.with_settings(|settings| settings.failure_policy = policy)
    }

    /// Sets a hook that decides about each call before it runs. Hooks run one at a time, in the order
    /// of the calls. Default: every call is allowed.
    ///
    /// To let a person decide later, possibly in another process, return
    /// [`Approval::Defer`]: the loop stops, and [`Runs::resume`](crate::Runs::resume) continues it.
    ///
    /// The time that the hook takes counts toward the run's expiry, not toward the function's timeout.
    /// Calls of unknown functions fail without calling the hook.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::tools::{Approval, PendingCall, Toolbox};
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let run = runs
    ///     .create(&assistant.id)
    ///     .toolbox(&tools)
    ///     .approve(|call: PendingCall| async move {
    ///         match call.name.starts_with("get_") {
    ///             true => Approval::Allow,
    ///             false => Approval::Deny("only reading is allowed".to_owned()),
    ///         }
    ///     })
    ///     .and_poll()
    ///     .await?;
    /// assert_eq!(run.status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn approve<F, Fut>(self, hook: F) -> Self
    where
        M: HasToolbox,
        F: Fn(PendingCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Approval> + Send + 'static,
    {
        self.with_settings(|settings| {
            settings.approval_hook = Some(Arc::new(move |call| Box::pin(hook(call))));
        })
    }

    /// Sets a callback for the events of each call. It must not block.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::tools::{ToolEvent, Toolbox};
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// runs.create(&assistant.id)
    ///     .toolbox(&tools)
    ///     .on_progress(|event| match event {
    ///         ToolEvent::Started(call) => println!("{}({}) …", call.name, call.arguments),
    ///         ToolEvent::Finished { call, elapsed, .. } => println!("{} took {elapsed:?}", call.name),
    ///         other => println!("{other:?}"),
    ///     })
    ///     .and_poll()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(self, callback: impl Fn(&ToolEvent) + Send + Sync + 'static) -> Self
    where
        M: HasToolbox,
    {
        self.with_settings(|settings| settings.progress = Some(Arc::new(callback)))
    }
}

impl RunMode for WithToolbox {
    type Polled = ToolRun;
    type Streamed = ToolStream;

    fn poll(self, request: ErasedRequest) -> ResponseFuture<ToolRun> {
        Box::pin(async move { Box::pin(self.tool_loop(request)).await?.run_to_end().await })
    }

    fn stream(self, request: ErasedRequest) -> ResponseFuture<ToolStream> {
        Box::pin(self.tool_stream(request))
    }
}

impl WithToolbox {
    /// Adds the tools to the request, or returns an error if the toolbox is not valid.
    fn attach_to(&self, action: &mut dyn RunAction) -> Result<()> {
        let tools = self.settings.tools.definitions()?;
        if self.settings.attach {
            action.add_tools(tools);
        }
        Ok(())
    }

    /// Sends the request, or fetches the run that exists.
    async fn tool_loop(self, mut request: ErasedRequest) -> Result<ToolLoop> {
        self.attach_to(&mut *request.action)?;
        let resumed = request.action.resumed_round()?;
        let (client, options) = (request.client.clone(), request.options.clone());
        let deadline = deadline_after(options.deadline);
        match (request.action.target(), resumed) {
            (RunTarget::Continued { run, .. }, Some(round)) => {
                let fetched =
                    fetch_suspended(client.clone(), run.clone(), options.related(), round);
                let (run, round) = fetch_before(deadline, &client, run, &options, fetched).await?;
                let runs = client.runs(&run.thread_id);
                let tool_loop = ToolLoop::new(runs, run, None, options, deadline, self.settings);
                Ok(tool_loop.resumed(round))
            }
            (RunTarget::Continued { run, .. }, None) => {
                // The calls that are answered, so that stale state is recognized later.
                let required = client.runs(&run.thread_id).retrieve(&run.run_id);
                let required = required.with_options(options.related()).into_future();
                let required = fetch_before(deadline, &client, run, &options, required).await?;
                let (runs, response) = start_run(request, deadline).await?;
                let run = response.into_inner();
                let tool_loop = ToolLoop::new(runs, run, None, options, deadline, self.settings);
                Ok(tool_loop.submitted(&required))
            }
            (RunTarget::Existing { run, .. }, _) => {
                let runs = client.runs(run.thread_id);
                let run = poll_until(runs.clone(), run.run_id, &options, deadline).await?;
                Ok(ToolLoop::new(runs, run, None, options, deadline, self.settings))
            }
            (RunTarget::New { .. }, _) => {
                let (runs, response) = start_run(request, deadline).await?;
                // Not when it was sent: the request may have been retried.
                let created = Some(Instant::now());
                let run = response.into_inner();
                Ok(ToolLoop::new(runs, run, created, options, deadline, self.settings))
            }
        }
    }

    /// Opens the stream, or fetches the run whose suspended round continues.
    async fn tool_stream(self, mut request: ErasedRequest) -> Result<ToolStream> {
        self.attach_to(&mut *request.action)?;
        let resumed = request.action.resumed_round()?;
        let (client, options) = (request.client.clone(), request.options.clone());
        let deadline = deadline_after(options.deadline);
        let (events, created, resumed) = match (request.action.target(), resumed) {
            (RunTarget::Continued { run, .. }, Some(round)) => {
                let fetched =
                    fetch_suspended(client.clone(), run.clone(), options.related(), round);
                let (run, round) = fetch_before(deadline, &client, run, &options, fetched).await?;
                (waiting_for_outputs(client.clone(), &options, run), None, Some(round))
            }
            (target, _) => {
                let events = open(request).await?;
                (events, matches!(target, RunTarget::New { .. }).then(Instant::now), None)
            }
        };
        let events = events.with_total_deadline(deadline);
        let stream = ToolStream::new(client, options, self.settings, events, created, deadline);
        Ok(stream.resumed(resumed))
    }
}

/// Fetches a run before it continues, until `deadline`. If the fetch is dropped or reaches the deadline,
/// the run is cancelled if the options say so.
async fn fetch_before<T: Send + 'static>(
    deadline: Instant,
    client: &Client,
    run: RunRef,
    options: &RunOptions,
    fetched: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let in_flight = InFlight {
        request: Box::pin(fetched),
        cancel: Some(CancelLate::existing(run, client, options.related())),
        on_drop: options.cancel_on_drop,
        on_deadline: options.cancel_on_deadline,
    };
    in_flight.result(deadline).await
}

impl fmt::Debug for WithToolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithToolbox").finish_non_exhaustive()
    }
}
