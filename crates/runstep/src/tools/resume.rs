//! Continues a suspended tool loop.

use std::collections::HashMap;

use runstep_api::ByteStream;
use runstep_api::types::{Run, ToolOutput};
use tokio::time::Instant;

use super::event::Approval;
use super::output::denied_output;
use super::polling::ToolLoop;
use super::request::WithToolbox;
use super::resumed_round::ResumedRound;
use super::rounds::requires_functions_only;
use super::settings::ToolLoopSettings;
use super::stream::ToolStream;
use super::suspend::{SuspendedRun, ToolRun};
use super::toolbox::Toolbox;
use crate::client::{Client, HasClient};
use crate::error::{Error, ErrorKind, Result};
use crate::polling::{AndPoll, PollSettings, Pollable, StartRun, Wait};
use crate::resources::macros::{example, request_options};
use crate::resources::{Runs, SubmitToolOutputs};
use crate::run_ref::RunRef;
use crate::streaming::{StartStream, StreamRequest, StreamTarget};
use crate::time::deadline_after;
use crate::transport::{RequestOptions, Response, ResponseFuture, TakesOptions};

/// A request that continues a suspended tool loop; see [`Runs::resume`].
///
/// Without a toolbox, awaiting it submits the outputs and returns the run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ResumeRun {
    runs: Runs,
    options: RequestOptions,
    suspended: SuspendedRun,
    decisions: HashMap<String, Decision>,
}

/// What the caller has decided about a deferred call.
#[derive(Clone, Debug)]
enum Decision {
    Output(String),
    Approval(Approval),
}

impl Runs {
    /// Continues a tool loop that was suspended because calls were deferred
    /// ([`Approval::Defer`]), also in another process.
    ///
    /// Each deferred call needs an [`answer`](ResumeRun::answer) or a [`decision`](ResumeRun::decide).
    /// Calls that were executed before the suspension are not executed again, and nothing is executed or
    /// sent if the run no longer requires exactly the calls of the suspended round, for example because
    /// another process has resumed it.
    ///
    #[doc = example!("use runstep::tools::{Approval, PendingCall, SuspendedRun, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs
    .create(&assistant.id)
    .toolbox(&tools)
    .approve(|_: PendingCall| async { Approval::Defer })
    .and_poll()
    .await?;
let saved = serde_json::to_string(run.suspended().unwrap())?;

// Later, in another process:
let suspended: SuspendedRun = serde_json::from_str(&saved)?;
let call_id = suspended.calls[0].id.clone();
let resume = runs.resume(suspended).decide(call_id, Approval::Allow).toolbox(&tools);
let run = resume.and_poll().await?;
assert_eq!(run.status, \"completed\");")]
    pub fn resume(&self, suspended: SuspendedRun) -> ResumeRun {
        ResumeRun {
            runs: self.clone(),
            options: RequestOptions::default(),
            suspended,
            decisions: HashMap::new(),
        }
    }
}

impl ResumeRun {
    /// Sets the output of a deferred call, which is not executed.
    pub fn answer(mut self, call_id: impl Into<String>, output: impl Into<String>) -> Self {
        self.decisions.insert(call_id.into(), Decision::Output(output.into()));
        self
    }

    /// Sets the decision about a deferred call: to execute it with the
    /// [`toolbox`](Self::toolbox), to deny it, or to defer it again.
    pub fn decide(mut self, call_id: impl Into<String>, approval: Approval) -> Self {
        self.decisions.insert(call_id.into(), Decision::Approval(approval));
        self
    }

    request_options!(Run);

    /// Submits the outputs and waits until the run has settled again.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }

    /// Submits the outputs and streams the events that follow.
    pub fn stream(self) -> StreamRequest<Self> {
        StreamRequest::new(self)
    }

    /// Executes approved calls and those of later rounds with these tools. The run keeps its own tool
    /// definitions.
    ///
    /// Set [`approve`](WithToolbox::approve) again for later rounds: the hook is not part of the
    /// suspended state.
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }

    async fn execute(&self) -> Result<Response<Run>> {
        self.clone().submission()?.send().await
    }

    /// Returns the request that submits all outputs.
    fn submission(self) -> Result<SubmitToolOutputs> {
        let (runs, run_ref) = (self.runs.clone(), self.suspended.run_ref.clone());
        let options = self.options.clone();
        let ResumedRound { calls, outputs, .. } = self.resumed_round()?;
        if let Some((call, _)) = calls.first() {
            let message = format!(
                "the call {} cannot be executed without a toolbox; nothing was sent",
                call.id
            );
            return Err(invalid(message));
        }
        Ok(runs.submit_tool_outputs(run_ref.run_id).outputs(outputs).with_options(options))
    }

    /// Combines the suspended state with the decisions.
    fn resumed_round(mut self) -> Result<ResumedRound> {
        let SuspendedRun { run_ref, calls, mut outputs, rounds } = self.suspended;
        if run_ref.thread_id != self.runs.thread_id() {
            let message = format!(
                "the suspended run {run_ref} is not a run of the thread {}; nothing was sent",
                self.runs.thread_id()
            );
            return Err(invalid(message));
        }
        let (mut waiting, mut missing) = (Vec::new(), Vec::new());
        for call in calls {
            let output = match self.decisions.remove(&call.id) {
                Some(Decision::Output(output)) => output,
                Some(Decision::Approval(Approval::Deny(reason))) => denied_output(&reason),
                Some(Decision::Approval(approval)) => {
                    waiting.push((call, approval));
                    continue;
                }
                None => {
                    missing.push(call.id);
                    continue;
                }
            };
            outputs.push(ToolOutput::default().tool_call_id(call.id).output(output));
        }
        if let Some(id) = self.decisions.keys().next() {
            let message = format!("the suspended run has no deferred call {id}; nothing was sent");
            return Err(invalid(message));
        }
        if !missing.is_empty() {
            let message = format!(
                "deferred calls without an answer: {}; nothing was sent",
                missing.join(", ")
            );
            return Err(invalid(message));
        }
        Ok(ResumedRound { calls: waiting, outputs, rounds })
    }
}

/// Fetches the run and checks that it still requires the calls of the suspended round.
async fn fetch_suspended(
    runs: &Runs,
    run_id: &str,
    options: &RequestOptions,
    round: &ResumedRound,
) -> Result<Run> {
    let run = runs.retrieve(run_id).with_options(options.clone()).await?;
    if requires_functions_only(&run) && round.is_required_by(&run) {
        return Ok(run);
    }
    let message =
        "the run no longer requires the calls of the suspended round; nothing was executed";
    Err(invalid(message).with_run(Some(run)))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

crate::resources::macros::awaitable!(ResumeRun -> Run);

impl HasClient for ResumeRun {
    fn client(&self) -> &Client {
        self.runs.client()
    }
}

impl StartRun for ResumeRun {
    fn start(self) -> ResponseFuture<Response<Run>> {
        self.send()
    }
}

impl StartStream for ResumeRun {
    fn target(&self) -> StreamTarget {
        let SuspendedRun { run_ref, calls, outputs, .. } = &self.suspended;
        let submitted = outputs.iter().filter_map(|output| output.tool_call_id.clone());
        let waiting = calls.iter().map(|call| call.id.clone());
        let submitted_call_ids = submitted.chain(waiting).collect();
        StreamTarget::ExistingRun { run: run_ref.clone(), submitted_call_ids }
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>> {
        Box::pin(async move { self.submission()?.open_stream().await })
    }
}

impl StreamRequest<ResumeRun> {
    /// Executes approved calls and those of later rounds with these tools; see
    /// [`ResumeRun::toolbox`].
    pub fn toolbox<S: Send + Sync + 'static>(self, tools: &Toolbox<S>) -> WithToolbox<Self> {
        WithToolbox::new(self, tools)
    }
}

impl WithToolbox<ResumeRun> {
    /// Executes the approved calls, submits all outputs, executes the calls of every further round, and
    /// waits until the run has ended.
    ///
    /// # Errors
    ///
    /// In addition to the errors of a tool loop, awaiting it returns
    /// [`InvalidRequest`](ErrorKind::InvalidRequest) if a deferred call has no answer, or if the run no
    /// longer requires the calls of the suspended round. Nothing is executed or submitted in these cases.
    pub fn and_poll(self) -> AndPoll<Self> {
        AndPoll::new(self)
    }

    /// Does the same as [`and_poll`](Self::and_poll) and streams the events of the run and of its calls.
    ///
    #[doc = example!("use runstep::tools::{Approval, PendingCall, ToolStreamEvent, Toolbox};

let tools = Toolbox::new().function(\"get_weather\", || async { \"18 degrees\" });
let run = runs
    .create(&assistant.id)
    .toolbox(&tools)
    .approve(|_: PendingCall| async { Approval::Defer })
    .and_poll()
    .await?;
let suspended = run.into_suspended().unwrap();

let call_id = suspended.calls[0].id.clone();
let resume = runs.resume(suspended).answer(call_id, \"20 degrees\").toolbox(&tools);
let mut events = resume.stream().await?;
while let Some(event) = events.try_next().await? {
    if let ToolStreamEvent::Run(event) = event {
        println!(\"{}\", event.event());
    }
}
assert_eq!(events.run().unwrap().status, \"completed\");")]
    pub fn stream(self) -> WithToolbox<StreamRequest<ResumeRun>> {
        self.map_request(StreamRequest::new)
    }
}

impl Pollable for WithToolbox<ResumeRun> {
    type Output = ToolRun;
}

impl Wait for WithToolbox<ResumeRun> {
    fn wait(self, mut settings: PollSettings) -> ResponseFuture<ToolRun> {
        let (mut request, tool_settings) = self.into_parts();
        let options = request.options().for_related_requests();
        settings.options = options.extended(std::mem::take(&mut settings.options));
        Box::pin(async move {
            let (runs, run_id) = (request.runs.clone(), request.suspended.run_ref.run_id.clone());
            tool_settings.tools.check()?;
            let round = request.resumed_round()?;
            let deadline = deadline_after(settings.deadline);
            let run = fetch_suspended(&runs, &run_id, &settings.options, &round).await?;
            settings.deadline = deadline.saturating_duration_since(Instant::now());
            let tool_loop = ToolLoop::new(runs, run, None, settings, tool_settings);
            tool_loop.resumed(round).run_to_end().await
        })
    }
}

impl IntoFuture for WithToolbox<StreamRequest<ResumeRun>> {
    type Output = Result<ToolStream>;
    type IntoFuture = ResponseFuture<ToolStream>;

    fn into_future(self) -> Self::IntoFuture {
        let (mut request, tool_settings): (_, ToolLoopSettings) = self.into_parts();
        Box::pin(async move {
            tool_settings.tools.check()?;
            let client = request.client().clone();
            let options = request.request.options().for_related_requests();
            let resume = request.request.clone();
            let (runs, RunRef { run_id, .. }) =
                (resume.runs.clone(), resume.suspended.run_ref.clone());
            let round = resume.resumed_round()?;
            let run = fetch_suspended(&runs, &run_id, &options, &round).await?;
            let cancels_on_drop = request.cancel_on_drop;
            let events = request.waiting_for_outputs(run);
            let stream =
                ToolStream::new(client, options, tool_settings, events, None, cancels_on_drop);
            Ok(stream.resumed(round))
        })
    }
}
