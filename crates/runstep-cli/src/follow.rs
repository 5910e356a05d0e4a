//! Follows a run to its end, and cancels it on Ctrl-C after a question.

use std::time::Duration;

use futures_util::StreamExt as _;
use runstep::tools::ToolStream;
use runstep::types::{Message, Run};
use runstep::{Client, RunEvent, RunEventSource, RunRef, RunStream};

use crate::error::{CliError, follow_or_cancel};
use crate::interrupts::Interrupts;
use crate::terminal::Terminal;

/// The time limit of a cancellation whose result is not used.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the events of a run.
pub(crate) trait View {
    /// Shows an event.
    fn event(&mut self, event: &RunEvent, terminal: &mut Terminal) -> Result<(), CliError>;

    /// Shows what no event completed. `messages` are the snapshots of all messages of the run.
    fn end(&mut self, messages: &[Message], terminal: &mut Terminal) -> Result<(), CliError> {
        let _ = (messages, terminal);
        Ok(())
    }
}

/// A stream that has snapshots of its messages.
pub(crate) trait HasMessages {
    fn messages(&self) -> &[Message];
}

impl HasMessages for RunStream {
    fn messages(&self) -> &[Message] {
        self.messages()
    }
}

impl HasMessages for ToolStream {
    fn messages(&self) -> &[Message] {
        self.messages()
    }
}

/// What Ctrl-C and a closed output do to the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CancelPolicy {
    /// Whether Ctrl-C cancels the run without a question.
    pub(crate) without_question: bool,
    /// Whether the run is cancelled if the reader of the output closes it: nobody else waits for it.
    pub(crate) on_closed_output: bool,
}

/// Follows runs.
pub(crate) struct Follower<'a> {
    pub(crate) client: &'a Client,
    pub(crate) terminal: &'a mut Terminal,
    pub(crate) interrupts: Interrupts,
    pub(crate) policy: CancelPolicy,
    /// The run, as soon as it is known.
    pub(crate) run: Option<RunRef>,
}

enum Interrupted {
    Continue,
    Cancel(RunRef),
}

impl Follower<'_> {
    /// Waits for a request, unless Ctrl-C ends the wait.
    pub(crate) async fn request<T>(
        &mut self,
        request: impl Future<Output = runstep::Result<T>>,
    ) -> Result<T, CliError> {
        let mut request = std::pin::pin!(request);
        loop {
            tokio::select! {
                biased;
                () = self.interrupts.next() => {
                    if let Interrupted::Cancel(run) = self.on_interrupt().await? {
                        self.cancel(&run).await?;
                    }
                }
                result = &mut request => return result.map_err(|error| self.failure(error)),
            }
        }
    }

    /// Reads a stream to its end, and returns the last state of the run. After a cancellation, returns
    /// the run that ended.
    pub(crate) async fn stream<S: RunEventSource + HasMessages>(
        &mut self,
        mut events: S,
        view: &mut impl View,
    ) -> Result<Run, CliError> {
        let mut last: Option<Run> = None;
        let (mut failure, mut malformed) = (None, None);
        loop {
            let item = tokio::select! {
                biased;
                () = self.interrupts.next() => match self.on_interrupt().await? {
                    Interrupted::Continue => continue,
                    Interrupted::Cancel(run) => {
                        let shown = view.end(events.messages(), self.terminal);
                        // Stops the calls of tools, too.
                        drop(events);
                        self.cancel(&run).await?;
                        shown?;
                        let waiting = self.client.runs(&run.thread_id).poll(&run.run_id);
                        return self.request(waiting.into_future()).await;
                    }
                },
                item = events.next() => item,
            };
            let event = match item {
                Some(Ok(event)) => event,
                // The stream continues after it.
                Some(Err(error)) if error.is_decode() => {
                    malformed = Some(error);
                    continue;
                }
                Some(Err(error)) => {
                    failure = Some(error);
                    continue;
                }
                None => break,
            };
            let Some(event) = S::run_event(event) else { continue };
            if let Some(run) = run_of(&event) {
                self.run = Some(RunRef::from(run));
                last = Some(run.clone());
            }
            if let Err(error) = view.event(&event, self.terminal) {
                self.on_closed_output().await;
                return Err(error);
            }
        }
        if let Err(error) = view.end(events.messages(), self.terminal) {
            self.on_closed_output().await;
            return Err(error);
        }
        match (failure, last, malformed) {
            (None, Some(run), None) => Ok(run),
            (None, Some(run), Some(error)) => {
                self.terminal.warning(format!("an event is missing: {error}"));
                Ok(run)
            }
            (Some(error), _, _) | (None, None, Some(error)) => Err(self.failure(error)),
            (None, None, None) => {
                Err(CliError::Unsupported("the provider sent no event of the run".to_owned()))
            }
        }
    }

    /// Returns the error of a request or a stream. After a deadline, it names the run.
    fn failure(&self, error: runstep::Error) -> CliError {
        if !error.is_deadline() {
            return error.into();
        }
        let run = error.run().map(RunRef::from).or_else(|| self.run.clone());
        CliError::Deadline { error, run }
    }

    /// Decides what a Ctrl-C does. A second one while the question is open leaves the run alone.
    async fn on_interrupt(&mut self) -> Result<Interrupted, CliError> {
        let Some(run) = self.run.clone() else {
            let message = "interrupted before the run was known; if it was created, it continues";
            return Err(CliError::Interrupted(message.to_owned()));
        };
        if self.policy.without_question {
            return Ok(Interrupted::Cancel(run));
        }
        let prompts = self.terminal.prompts.clone();
        if !prompts.is_interactive() {
            return Err(left_alone(&run));
        }
        let _ = self.terminal.end_line();
        let question = format!("\nCancel {}? Ctrl-C again leaves it running.", run.run_id);
        tokio::select! {
            answer = prompts.confirm(&question) => match answer? {
                true => Ok(Interrupted::Cancel(run)),
                false => {
                    self.terminal.note(format!("{} continues", run.run_id));
                    Ok(Interrupted::Continue)
                }
            },
            () = self.interrupts.next() => {
                eprintln!();
                Err(left_alone(&run))
            }
        }
    }

    async fn cancel(&mut self, run: &RunRef) -> Result<(), CliError> {
        self.terminal.note(format!("cancelling {}", run.run_id));
        match self.client.runs(&run.thread_id).cancel(&run.run_id).await {
            // It has ended meanwhile.
            Err(error) if error.status() == Some(400) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    /// Cancels a run whose output is no longer read. Errors are ignored, because they cannot be printed.
    async fn on_closed_output(&self) {
        if let (true, Some(run)) = (self.policy.on_closed_output, &self.run) {
            let cancelled = self.client.runs(&run.thread_id).cancel(&run.run_id);
            let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelled.into_future()).await;
        }
    }
}

fn left_alone(run: &RunRef) -> CliError {
    CliError::Interrupted(format!(
        "interrupted; {} continues\n  help: {}",
        run.run_id,
        follow_or_cancel(run)
    ))
}

/// Returns the run within an event.
pub(crate) fn run_of(event: &RunEvent) -> Option<&Run> {
    match event {
        RunEvent::RunCreated(run)
        | RunEvent::RunQueued(run)
        | RunEvent::RunInProgress(run)
        | RunEvent::RunRequiresAction(run)
        | RunEvent::RunCompleted(run)
        | RunEvent::RunIncomplete(run)
        | RunEvent::RunFailed(run)
        | RunEvent::RunCancelling(run)
        | RunEvent::RunCancelled(run)
        | RunEvent::RunExpired(run) => Some(run),
        _ => None,
    }
}
