//! Continues a suspended tool loop.

use std::collections::{HashMap, HashSet};

use runstep_api::ByteStream;
use runstep_api::types::{Run, SubmitToolOutputsRequest, ToolOutput};

use super::output::denied_output;
use super::rounds::requires_functions_only;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result, join};
use crate::resources::{Runs, SubmitToolOutputsParams};
use crate::run_ref::RunRef;
use crate::run_request::sealed::Sealed;
use crate::run_request::{Action, Plain, RunAction, RunRequest, RunTarget, StartRun};
use crate::suspended::{Approval, PendingCall, ResumedRound, SuspendedRun};
use crate::transport::{RequestOptions, Response, ResponseFuture};

/// A request that continues a suspended tool loop; see [`Runs::resume`].
///
/// Without a toolbox, awaiting it submits the outputs and returns the run.
pub type ResumeRun<M = Plain> = RunRequest<ResumeRunParams, M>;

/// The parameters of [`ResumeRun`].
#[derive(Clone, Debug)]
pub struct ResumeRunParams {
    thread_id: String,
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
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::tools::{Approval, PendingCall, SuspendedRun, Toolbox};
    ///
    /// let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    /// let run = runs
    ///     .create(&assistant.id)
    ///     .toolbox(&tools)
    ///     .approve(|_: PendingCall| async { Approval::Defer })
    ///     .and_poll()
    ///     .await?;
    /// let saved = serde_json::to_string(run.suspended().unwrap())?;
    ///
    /// // Later, in another process:
    /// let suspended: SuspendedRun = serde_json::from_str(&saved)?;
    /// let call_id = suspended.calls[0].id.clone();
    /// let resume = runs.resume(suspended).decide(call_id, Approval::Allow).toolbox(&tools);
    /// let run = resume.and_poll().await?;
    /// assert_eq!(run.status, "completed");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With a [`toolbox`](RunRequest::toolbox), approved calls and those of later rounds are executed. The
    /// run keeps its own tool definitions. Set [`approve`](RunRequest::approve) again for later rounds: the
    /// hook is not part of the suspended state.
    ///
    /// # Errors
    ///
    /// Every verb returns [`InvalidRequest`](ErrorKind::InvalidRequest) if a deferred call has no answer,
    /// if an approved call has no toolbox, or if the run no longer requires the calls of the suspended
    /// round. Nothing is executed or submitted in these cases.
    pub fn resume(&self, suspended: SuspendedRun) -> ResumeRun {
        let thread_id = self.thread_id().to_owned();
        let params = ResumeRunParams { thread_id, suspended, decisions: HashMap::new() };
        RunRequest::from_params(self.client(), params)
    }
}

impl<M> ResumeRun<M> {
    /// Sets the output of a deferred call, which is not executed.
    pub fn answer(mut self, call_id: impl Into<String>, output: impl Into<String>) -> Self {
        self.params.decisions.insert(call_id.into(), Decision::Output(output.into()));
        self
    }

    /// Sets the decision about a deferred call: to execute it with the
    /// [`toolbox`](Self::toolbox), to deny it, or to defer it again.
    pub fn decide(mut self, call_id: impl Into<String>, approval: Approval) -> Self {
        self.params.decisions.insert(call_id.into(), Decision::Approval(approval));
        self
    }
}

impl ResumeRunParams {
    /// Returns the request that submits all outputs, unless the run no longer requires the round.
    async fn submission(
        self,
        client: &Client,
        options: &RequestOptions,
    ) -> Result<SubmitToolOutputsParams> {
        let run_ref = self.suspended.run_ref.clone();
        let round = self.combined()?;
        if let Some((call, _)) = round.calls.first() {
            let message = format!(
                "the call {} cannot be executed without a toolbox; nothing was sent",
                call.id
            );
            return Err(invalid(message));
        }
        let related = options.for_related_requests();
        let (_, round) = fetch_suspended(client.clone(), run_ref.clone(), related, round).await?;
        let body = SubmitToolOutputsRequest::new(round.outputs);
        let RunRef { thread_id, run_id } = run_ref;
        Ok(SubmitToolOutputsParams { thread_id, run_id, body })
    }

    /// Combines the suspended state with the decisions.
    fn combined(mut self) -> Result<ResumedRound> {
        let SuspendedRun { run_ref, calls, mut outputs, rounds } = self.suspended;
        if run_ref.thread_id != self.thread_id {
            let message = format!(
                "the suspended run {run_ref} is not a run of the thread {}; nothing was sent",
                self.thread_id
            );
            return Err(invalid(message));
        }
        check_unique(&calls, &outputs)?;
        let deferred = calls.clone();
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
                join(&missing, ", ")
            );
            return Err(invalid(message));
        }
        Ok(ResumedRound { deferred, calls: waiting, outputs, rounds })
    }
}

/// Fetches the run and checks that it still requires the calls of the suspended round.
pub(super) async fn fetch_suspended(
    client: Client,
    run: RunRef,
    options: RequestOptions,
    round: ResumedRound,
) -> Result<(Run, ResumedRound)> {
    let run = client.runs(run.thread_id).retrieve(run.run_id).with_options(options).await?;
    if requires_functions_only(&run) && round.is_required_by(&run) {
        return Ok((run, round));
    }
    let message = "the run no longer requires the calls of the suspended round; \
        nothing was executed or submitted";
    Err(invalid(message).with_run(Some(run)))
}

/// Checks that each call of a suspended round is there once: a call that has an output must not be
/// executed again.
fn check_unique(calls: &[PendingCall], outputs: &[ToolOutput]) -> Result<()> {
    let mut ids = HashSet::new();
    let with_outputs = outputs.iter().filter_map(|output| output.tool_call_id.as_deref());
    for id in calls.iter().map(|call| call.id.as_str()).chain(with_outputs) {
        if !ids.insert(id) {
            let message = format!(
                "the suspended run is corrupt: it contains the call {id} twice; nothing was sent"
            );
            return Err(invalid(message));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

impl Sealed for ResumeRunParams {}

#[diagnostic::do_not_recommend]
impl StartRun for ResumeRunParams {
    fn into_action(self) -> Action {
        Action::new(self)
    }
}

impl RunAction for ResumeRunParams {
    fn target(&self) -> RunTarget {
        let SuspendedRun { run_ref, calls, outputs, .. } = &self.suspended;
        let submitted = outputs.iter().filter_map(|output| output.tool_call_id.clone());
        let waiting = calls.iter().map(|call| call.id.clone());
        let submitted_call_ids = submitted.chain(waiting).collect();
        RunTarget::Continued { run: run_ref.clone(), submitted_call_ids }
    }

    fn send(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<Run>> {
        Box::pin(async move {
            let submission = self.submission(&client, &options).await?;
            Box::new(submission).send(client, options).await
        })
    }

    fn open(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<ByteStream>> {
        Box::pin(async move {
            let submission = self.submission(&client, &options).await?;
            Box::new(submission).open_stream(client, options).await
        })
    }

    fn resumed_round(&self) -> Result<Option<ResumedRound>> {
        self.clone().combined().map(Some)
    }
}
