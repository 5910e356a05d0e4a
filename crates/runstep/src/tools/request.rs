//! Requests with a toolbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use runstep_api::types::Tool;
use tokio::time::Instant;

use super::event::{Approval, PendingCall, ToolEvent};
use super::policy::FailurePolicy;
use super::polling::ToolLoop;
use super::settings::ToolLoopSettings;
use super::stream::ToolStream;
use super::suspend::ToolRun;
use super::toolbox::Toolbox;
use crate::client::{Client, HasClient};
use crate::error::Result;
use crate::polling::{AndPoll, Poll, PollSettings, Pollable, StartRun, Wait, start_run};
use crate::resources::macros::example;
use crate::resources::{CreateRun, CreateThreadAndRun};
use crate::streaming::{FollowRun, StartStream, StreamRequest};
use crate::time::deadline_after;
use crate::transport::ResponseFuture;

/// A request whose tool calls are executed by a toolbox; see [`CreateRun::toolbox`] and
/// [`docs::tools`](crate::docs::tools).
///
/// Set the options of the request itself before calling `toolbox`.
#[derive(Clone)]
#[must_use = "a request is sent when it is awaited"]
pub struct WithToolbox<R> {
    pub(crate) request: R,
    settings: ToolLoopSettings,
}

impl<R> WithToolbox<R> {
    pub(super) fn new<S: Send + Sync + 'static>(request: R, tools: &Toolbox<S>) -> Self {
        Self { request, settings: ToolLoopSettings::new(tools) }
    }

    pub(super) fn into_parts(self) -> (R, ToolLoopSettings) {
        (self.request, self.settings)
    }

    pub(super) fn map_request<Q>(self, change: impl FnOnce(R) -> Q) -> WithToolbox<Q> {
        WithToolbox { request: change(self.request), settings: self.settings }
    }

    /// Sets the maximum number of rounds of calls. A run that exceeds it is cancelled, and an error of
    /// kind [`Tool`](crate::ErrorKind::Tool) is returned. Default:
    /// [`DEFAULT_MAX_ROUNDS`](super::DEFAULT_MAX_ROUNDS).
    pub fn max_rounds(mut self, rounds: u32) -> Self {
        self.settings.max_rounds = rounds;
        self
    }

    /// Sets how many calls of a round run concurrently, at least 1. Default:
    /// [`DEFAULT_CONCURRENCY`](super::DEFAULT_CONCURRENCY).
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.settings.concurrency = calls.max(1);
        self
    }

    /// Sets how failed calls are handled. Default: the model receives the error, in at most three
    /// consecutive rounds.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.failure_policy = policy;
        self
    }

    /// Sets a hook that decides about each call before it runs. Hooks run one at a time, in the order
    /// of the calls. Default: every call is allowed.
    ///
    /// To let a person decide later, possibly in another process, return
    /// [`Approval::Defer`]: the loop stops, and [`Runs::resume`](crate::Runs::resume) continues it.
    ///
    /// The time that the hook takes counts toward the run's expiry, not toward the function's timeout.
    /// Calls of unknown functions fail without asking the hook.
    ///
    #[doc = example!("use runstep::tools::{Approval, PendingCall, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs
    .create(&assistant.id)
    .toolbox(&tools)
    .approve(|call: PendingCall| async move {
        match call.name.starts_with(\"get_\") {
            true => Approval::Allow,
            false => Approval::Deny(\"only reading is allowed\".to_owned()),
        }
    })
    .and_poll()
    .await?;
assert_eq!(run.status, \"completed\");")]
    pub fn approve<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(PendingCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Approval> + Send + 'static,
    {
        self.settings.approval_hook = Some(Arc::new(move |call| Box::pin(hook(call))));
        self
    }

    /// Sets a callback for the events of each call. It must not block.
    ///
    #[doc = example!("use runstep::tools::{ToolEvent, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
runs.create(&assistant.id)
    .toolbox(&tools)
    .on_progress(|event| match event {
        ToolEvent::Started(call) => println!(\"{}({}) …\", call.name, call.arguments),
        ToolEvent::Finished { call, elapsed, .. } => println!(\"{} took {elapsed:?}\", call.name),
        other => println!(\"{other:?}\"),
    })
    .and_poll()
    .await?;")]
    pub fn on_progress(mut self, callback: impl Fn(&ToolEvent) + Send + Sync + 'static) -> Self {
        self.settings.progress = Some(Arc::new(callback));
        self
    }
}

impl<R: HasClient> HasClient for WithToolbox<R> {
    fn client(&self) -> &Client {
        self.request.client()
    }
}

/// A request that accepts tools.
pub(crate) trait AcceptsTools: Send + 'static {
    fn with_tool(self, tool: Tool) -> Self;
}

impl<R: AcceptsTools> WithToolbox<R> {
    /// Sets whether the toolbox's tools are added to the request. Default: true.
    ///
    /// The tools of a run replace those of the assistant, and a run can have at most 20. Without them,
    /// the run has the tools that the assistant was created with; see [`Toolbox::definitions`].
    pub fn attach(mut self, attach: bool) -> Self {
        self.settings.attach = attach;
        self
    }

    /// Adds the tools to the request, or returns an error if the toolbox is not valid.
    fn with_tools(self) -> Result<(R, ToolLoopSettings)> {
        let tools = self.settings.tools.definitions()?;
        let tools = if self.settings.attach { tools } else { Vec::new() };
        Ok((tools.into_iter().fold(self.request, AcceptsTools::with_tool), self.settings))
    }
}

impl<R: AcceptsTools + StartRun> WithToolbox<R> {
    /// Creates the run, executes the calls of every round, and waits until the run has ended.
    ///
    /// A run that requires another action than outputs of functions is returned as it is. If calls were
    /// deferred, the result has the state with which the loop continues ([`ToolRun::suspended`]).
    ///
    /// # Errors
    ///
    /// In addition to the errors of the requests and of waiting, awaiting it returns
    /// [`Configuration`](crate::ErrorKind::Configuration) if the toolbox is not valid, before anything
    /// is sent, and [`Tool`](crate::ErrorKind::Tool) if a call failed and the policy does not tolerate
    /// it, or if there were too many rounds. In the latter cases the run is cancelled.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }
}

impl<R: AcceptsTools + StartStream> WithToolbox<R> {
    /// Creates the run, executes the calls of every round, and streams all events.
    ///
    /// Set the options of the stream before the toolbox:
    /// `.stream().idle_timeout(…).toolbox(&tools)`.
    ///
    #[doc = example!("use runstep::RunEvent;
use runstep::tools::{ToolEvent, ToolStreamEvent, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let mut events = runs.create(&assistant.id).toolbox(&tools).stream().await?;
while let Some(event) = events.try_next().await? {
    match event {
        ToolStreamEvent::Run(RunEvent::MessageDelta(delta)) => print!(\"{}\", delta.text()),
        ToolStreamEvent::Tool(ToolEvent::Started(call)) => println!(\"{} …\", call.name),
        _ => {}
    }
}
assert_eq!(events.run().unwrap().status, \"completed\");")]
    ///
    /// # Errors
    ///
    /// In addition to the errors of the request, awaiting it returns
    /// [`Configuration`](crate::ErrorKind::Configuration) if the toolbox is not valid, before anything
    /// is sent.
    pub fn stream(self) -> WithToolbox<StreamRequest<R>> {
        self.map_request(StreamRequest::new)
    }
}

impl<R: AcceptsTools> AcceptsTools for StreamRequest<R> {
    fn with_tool(self, tool: Tool) -> Self {
        self.map_request(|request| request.with_tool(tool))
    }
}

impl<R> WithToolbox<StreamRequest<R>> {
    /// Sets the total time of the run, including its calls. Default:
    /// [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
    ///
    /// The deadline error ([`Error::is_deadline`](crate::Error::is_deadline)) carries the last known
    /// state of the run, which remains active.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }
}

impl<R: AcceptsTools + StartStream> IntoFuture for WithToolbox<StreamRequest<R>> {
    type Output = Result<ToolStream>;
    type IntoFuture = ResponseFuture<ToolStream>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (mut request, settings) = self.with_tools()?;
            let client = request.client().clone();
            let options = request.request.options().for_related_requests();
            let (creates_run, cancels_on_drop) =
                (request.request.creates_run(), request.cancel_on_drop);
            let events = request.await?;
            let created = creates_run.then(Instant::now);
            Ok(ToolStream::new(client, options, settings, events, created, cancels_on_drop))
        })
    }
}

impl<R: AcceptsTools + StartRun> Pollable for WithToolbox<R> {
    type Output = ToolRun;
}

impl<R: AcceptsTools + StartRun> Wait for WithToolbox<R> {
    fn wait(self, settings: PollSettings) -> ResponseFuture<ToolRun> {
        let mut settings = settings;
        Box::pin(async move {
            let (request, tool_settings) = self.with_tools()?;
            let deadline = deadline_after(settings.deadline);
            let (runs, response) = start_run(request, &mut settings, deadline).await?;
            // Not when it was sent: the request may have been retried.
            let created = Instant::now();
            settings.deadline = deadline.saturating_duration_since(created);
            let run = response.into_inner();
            ToolLoop::new(runs, run, Some(created), settings, tool_settings).run_to_end().await
        })
    }
}

impl IntoFuture for WithToolbox<Poll> {
    type Output = Result<ToolRun>;
    type IntoFuture = ResponseFuture<ToolRun>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.settings.tools.check()?;
            let (runs, mut settings) = (self.request.runs.clone(), self.request.settings.clone());
            let deadline = deadline_after(settings.deadline);
            let run = self.request.await?;
            settings.deadline = deadline.saturating_duration_since(Instant::now());
            ToolLoop::new(runs, run, None, settings, self.settings).run_to_end().await
        })
    }
}

impl<R: fmt::Debug> fmt::Debug for WithToolbox<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithToolbox").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Implements `toolbox` for the requests that accept tools.
macro_rules! accepts_tools {
    ($($Request:ident: $example:expr;)+) => {
        $(
            impl AcceptsTools for $Request {
                fn with_tool(self, tool: Tool) -> Self {
                    self.tool(tool)
                }
            }

            impl $Request {
                /// Adds these tools to the run, and executes its calls with them.
                ///
                #[doc = $example]
                pub fn toolbox<S>(self, tools: &Toolbox<S>) -> WithToolbox<Self>
                where
                    S: Send + Sync + 'static,
                {
                    WithToolbox::new(self, tools)
                }
            }
        )+
    };
}

accepts_tools! {
    CreateRun: example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs.create(&assistant.id).toolbox(&tools).and_poll().await?; // executes all rounds
assert_eq!(run.status, \"completed\");");
    CreateThreadAndRun: example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let request = client.threads().create_and_run(&assistant.id).user_message(\"How is it?\");
let run = request.toolbox(&tools).and_poll().await?; // executes all rounds
assert_eq!(run.status, \"completed\");");
}

impl<R: AcceptsTools + StartStream> StreamRequest<R> {
    /// Adds these tools to the run, and executes its calls with them; see [`WithToolbox::stream`]. A run
    /// that exists already ([`Runs::stream`](crate::Runs::stream)) keeps its own tool definitions.
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }
}

/// The run keeps its own tool definitions.
impl AcceptsTools for FollowRun {
    fn with_tool(self, _: Tool) -> Self {
        self
    }
}

impl Poll {
    /// Executes the calls of a run that was created elsewhere with these tools. The run keeps its own
    /// tool definitions.
    ///
    #[doc = example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let started = runs.create(&assistant.id).await?;
let run = runs.poll(&started.id).toolbox(&tools).await?; // executes all rounds
assert_eq!(run.status, \"completed\");")]
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }
}
