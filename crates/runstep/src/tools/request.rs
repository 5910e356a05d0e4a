//! Requests that are given a toolbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use runstep_api::types::{Run, Tool};
use tokio::time::Instant;

use super::answer::Answered;
use super::event::{Approval, FunctionCall, ToolEvent};
use super::policy::FailurePolicy;
use super::settings::Settings;
use super::stream::ToolStream;
use super::toolbox::Toolbox;
use crate::Client;
use crate::error::Result;
use crate::poll::{AndPoll, Poll, PollSettings, Polled, StartRun, Wait, after, started};
use crate::request::{ResponseFuture, example};
use crate::runs::CreateRun;
use crate::stream::{OpenStream, StartStream};
use crate::threads::CreateThreadAndRun;

/// A request whose run has its calls answered by a toolbox; see [`CreateRun::toolbox`] and
/// [`docs::tools`](crate::docs::tools).
///
/// What is to be said of the request itself comes before `toolbox`.
#[derive(Clone)]
#[must_use = "a request is sent when it is awaited"]
pub struct WithToolbox<R> {
    pub(crate) request: R,
    settings: Settings,
}

impl<R> WithToolbox<R> {
    fn new<S: Send + Sync + 'static>(request: R, tools: &Toolbox<S>) -> Self {
        Self { request, settings: Settings::new(tools) }
    }

    /// How many rounds of calls the run may ask for; then it is cancelled, with an error of kind
    /// [`Tool`](crate::ErrorKind::Tool). Default: [`DEFAULT_MAX_ROUNDS`](super::DEFAULT_MAX_ROUNDS).
    pub fn max_rounds(mut self, rounds: u32) -> Self {
        self.settings.max_rounds = rounds;
        self
    }

    /// How many calls of a round run at once, at least 1. Default:
    /// [`DEFAULT_CONCURRENCY`](super::DEFAULT_CONCURRENCY).
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.settings.concurrency = calls.max(1);
        self
    }

    /// What becomes of calls that fail. Default: the model is told, three rounds in a row.
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.settings.failures = policy;
        self
    }

    /// Asks before each call whether it may run; one call after the other, in their order. Default:
    /// every call may.
    ///
    /// The time that the answer takes counts against the run's, and not against the function's
    /// timeout. A call of an unknown name is not asked about, because it cannot run.
    ///
    #[doc = example!("use runstep::tools::{Approval, FunctionCall, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs
    .create(&assistant.id)
    .toolbox(&tools)
    .approve(|call: FunctionCall| async move {
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
        F: Fn(FunctionCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Approval> + Send + 'static,
    {
        self.settings.approve = Some(Arc::new(move |call| Box::pin(hook(call))));
        self
    }

    /// Tells what becomes of each call, as it happens. What is told must not block.
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
    pub fn on_progress(mut self, tell: impl Fn(&ToolEvent) + Send + Sync + 'static) -> Self {
        self.settings.progress = Some(Arc::new(tell));
        self
    }
}

/// A request that says which tools its run has.
pub(crate) trait TakesTools: Send + 'static {
    fn with_tool(self, tool: Tool) -> Self;
}

#[allow(private_bounds, reason = "which requests take tools is not for others to say")]
impl<R: TakesTools> WithToolbox<R> {
    /// Whether the run is given the toolbox's tools, after those of the request. Default: yes.
    ///
    /// A run's tools take the place of the assistant's, and there may be 20 of them. Without them
    /// the run has those that the assistant was created with; see [`Toolbox::definitions`].
    pub fn attach(mut self, attach: bool) -> Self {
        self.settings.attach = attach;
        self
    }

    /// The request with the tools; an error if something is wrong with them.
    fn attached(self) -> Result<(R, Settings)> {
        let tools = self.settings.contents.definitions()?;
        let tools = if self.settings.attach { tools } else { Vec::new() };
        Ok((tools.into_iter().fold(self.request, TakesTools::with_tool), self.settings))
    }
}

#[allow(private_bounds, reason = "which requests take tools is not for others to say")]
impl<R: TakesTools + StartRun> WithToolbox<R> {
    /// Runs, answers the calls of every round, and waits until the run has ended.
    ///
    /// A run that waits for something else than the outputs of functions is given back as it came.
    ///
    /// # Errors
    ///
    /// Awaited, it gives besides the errors of the requests and of waiting:
    /// [`Configuration`](crate::ErrorKind::Configuration) when something is wrong with the toolbox,
    /// and nothing was sent; [`Tool`](crate::ErrorKind::Tool) when a call failed and was not to be
    /// tolerated, or there were too many rounds, and the run was asked to cancel.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }
}

#[allow(private_bounds, reason = "which requests take tools is not for others to say")]
impl<R: TakesTools + StartStream> WithToolbox<R> {
    /// Runs, answers the calls of every round, and tells all that happens as one stream.
    ///
    /// What is to be said of the stream itself comes before the toolbox:
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
    /// Awaited, it gives besides the errors of the request
    /// [`Configuration`](crate::ErrorKind::Configuration) when something is wrong with the toolbox,
    /// and nothing was sent.
    pub fn stream(self) -> WithToolbox<OpenStream<R>> {
        WithToolbox { request: OpenStream::new(self.request), settings: self.settings }
    }
}

impl<R: TakesTools> TakesTools for OpenStream<R> {
    fn with_tool(self, tool: Tool) -> Self {
        self.map_request(|request| request.with_tool(tool))
    }
}

impl<R> WithToolbox<OpenStream<R>> {
    /// How long the run may take in all, with its calls. Default:
    /// [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
    ///
    /// The error on the deadline ([`Error::is_deadline`](crate::Error::is_deadline)) carries the
    /// last state of the run, which goes on.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: TakesTools + StartStream> IntoFuture for WithToolbox<OpenStream<R>> {
    type Output = Result<ToolStream>;
    type IntoFuture = ResponseFuture<ToolStream>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (mut request, settings) = self.attached()?;
            let client = request.client().clone();
            let options = request.options().for_others();
            let cancels_on_drop = request.cancels_on_drop();
            let events = request.await?;
            Ok(ToolStream::new(client, options, settings, events, cancels_on_drop))
        })
    }
}

#[allow(private_bounds, reason = "which requests take tools is not for others to say")]
impl<R: TakesTools + StartRun> Polled for WithToolbox<R> {
    type Output = Run;
}

impl<R: TakesTools + StartRun> Wait for WithToolbox<R> {
    fn client(&self) -> &Client {
        StartRun::client(&self.request)
    }

    fn wait(self, settings: PollSettings) -> ResponseFuture<Run> {
        let mut settings = settings;
        Box::pin(async move {
            let (request, calls) = self.attached()?;
            let until = after(settings.deadline);
            let (runs, reply) = started(request, &mut settings, until).await?;
            // Not when it was sent: it may have been sent more than once.
            let created = Instant::now();
            settings.deadline = until.saturating_duration_since(created);
            Answered::new(runs, reply.into_value(), Some(created), settings, calls).end().await
        })
    }
}

impl IntoFuture for WithToolbox<Poll> {
    type Output = Result<Run>;
    type IntoFuture = ResponseFuture<Run>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.settings.contents.check()?;
            let (runs, mut settings) = self.request.parts();
            let until = after(settings.deadline);
            let run = self.request.await?;
            settings.deadline = until.saturating_duration_since(Instant::now());
            Answered::new(runs, run, None, settings, self.settings).end().await
        })
    }
}

impl<R: fmt::Debug> fmt::Debug for WithToolbox<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithToolbox").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The requests that take tools.
macro_rules! takes_tools {
    ($($Request:ident: $example:expr;)+) => {
        $(
            impl TakesTools for $Request {
                fn with_tool(self, tool: Tool) -> Self {
                    self.tool(tool)
                }
            }

            impl $Request {
                /// Gives the run these tools, and has its calls answered by them.
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

takes_tools! {
    CreateRun: example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs.create(&assistant.id).toolbox(&tools).and_poll().await?; // every round
assert_eq!(run.status, \"completed\");");
    CreateThreadAndRun: example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let request = client.threads().create_and_run(&assistant.id).user_message(\"How is it?\");
let run = request.toolbox(&tools).and_poll().await?; // every round
assert_eq!(run.status, \"completed\");");
}

#[allow(private_bounds, reason = "which requests stream is not for others to say")]
impl<R: TakesTools + StartStream> OpenStream<R> {
    /// Gives the run these tools, and has its calls answered by them; see [`WithToolbox::stream`].
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }
}

impl Poll {
    /// Has the calls of a run that was started elsewhere answered by these tools. The run keeps the
    /// tools that it was given.
    ///
    #[doc = example!("use runstep::tools::Toolbox;

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let started = runs.create(&assistant.id).await?;
let run = runs.poll(&started.id).toolbox(&tools).await?; // every round
assert_eq!(run.status, \"completed\");")]
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }
}
