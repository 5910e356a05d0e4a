//! One stream over all rounds: what the run does, and what becomes of its calls.

mod read;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep, ToolOutput};
use tokio::time::{Instant, Sleep, sleep_until};

use super::event::ToolEvent;
use super::round::Round;
use super::rounds::{Rounds, give_up};
use super::settings::Settings;
use super::submit::not_submitted;
use crate::error::{Error, ErrorKind, Result};
use crate::options::RequestOptions;
use crate::poll::{CancelOnDrop, after};
use crate::retry::RetryPolicy;
use crate::{Client, RunEvent, RunStream, RunStreamEnd};

/// What a [`ToolStream`] tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum ToolStreamEvent {
    /// The run goes on.
    Run(RunEvent),
    /// A call goes on.
    Tool(ToolEvent),
}

/// The events of a run whose calls are answered, over all rounds; see
/// [`WithToolbox::stream`](crate::tools::WithToolbox::stream).
///
/// It ends when the run has ended, or waits for something else than the outputs of functions. Calls
/// run while it is polled, several at once.
///
/// Dropping it cancels the calls that run and closes the connection. The run goes on, unless
/// [`cancel_on_drop`](crate::OpenStream::cancel_on_drop) says otherwise.
#[must_use = "a stream does nothing until it is polled"]
pub struct ToolStream {
    client: Client,
    /// What goes along with the request to cancel.
    options: RequestOptions,
    settings: Settings,
    /// When the reply came, and the run was new.
    created: Instant,
    deadline: Pin<Box<Sleep>>,
    /// None before the first round.
    rounds: Option<Rounds>,
    state: State,
    cancels_on_drop: bool,
    /// Armed while the calls are answered; the stream of events has its own while it goes on.
    guard: CancelOnDrop,
}

enum State {
    /// The run goes on.
    Events(Box<RunStream>),
    /// Its calls are carried out.
    Calling(Box<RunStream>, Box<Round>),
    /// The outputs are on their way, and the stream with them.
    Submitting(Box<Seen>, Pin<Box<dyn Future<Output = Submitted> + Send>>),
    /// The run is asked to cancel.
    GivingUp(Box<RunStream>, Pin<Box<dyn Future<Output = Error> + Send>>),
    Ended(Box<RunStream>),
    /// An error of the calls has ended the stream before the run.
    Failed(Box<RunStream>),
    /// Only while it is changed from one into another.
    Changing,
}

/// The stream again, and how it went.
type Submitted = (Box<RunStream>, Result<()>);

/// What there was to see of the run when its outputs were sent.
struct Seen {
    run: Option<Run>,
    messages: Vec<Message>,
    steps: Vec<RunStep>,
}

impl ToolStream {
    pub(super) fn new(
        client: Client,
        options: RequestOptions,
        settings: Settings,
        events: RunStream,
        cancels_on_drop: bool,
    ) -> Self {
        Self {
            client,
            options,
            deadline: Box::pin(sleep_until(after(settings.deadline))),
            settings,
            created: Instant::now(),
            rounds: None,
            state: State::Events(Box::new(events)),
            cancels_on_drop,
            guard: CancelOnDrop::none(),
        }
    }

    /// Why the stream has ended; none while it goes on, or when an error of the calls has ended it.
    pub fn end(&self) -> Option<RunStreamEnd> {
        match &self.state {
            State::Ended(events) => events.end(),
            _ => None,
        }
    }

    /// Whether the stream gives nothing more: the run has ended or waits for something else, or an
    /// error has ended the stream. After any other error it goes on.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_) | State::Failed(_))
    }

    /// The run as it was told last; none before that.
    pub fn run(&self) -> Option<&Run> {
        match &self.state {
            State::Submitting(seen, _) => seen.run.as_ref(),
            _ => self.events()?.run(),
        }
    }

    /// The messages of the run as far as they have been told, oldest first.
    pub fn messages(&self) -> &[Message] {
        match &self.state {
            State::Submitting(seen, _) => &seen.messages,
            _ => self.events().map_or(&[], |events| events.messages()),
        }
    }

    /// The steps of the run as far as they have been told, oldest first.
    pub fn steps(&self) -> &[RunStep] {
        match &self.state {
            State::Submitting(seen, _) => &seen.steps,
            _ => self.events().map_or(&[], |events| events.steps()),
        }
    }

    /// Whether the last event of the run was made up for after a cut; see
    /// [`RunStream::is_recovered`].
    pub fn is_recovered(&self) -> bool {
        self.events().is_some_and(RunStream::is_recovered)
    }

    fn events(&self) -> Option<&RunStream> {
        match &self.state {
            State::Events(events)
            | State::Calling(events, _)
            | State::GivingUp(events, _)
            | State::Ended(events)
            | State::Failed(events) => Some(events.as_ref()),
            State::Submitting(..) | State::Changing => None,
        }
    }

    /// The events have come to an end: the run waits, or it has ended.
    fn pause(&mut self, events: Box<RunStream>) -> State {
        let Some(run) = events.run().filter(|_| events.end() == Some(RunStreamEnd::RequiresAction))
        else {
            return State::Ended(events);
        };
        let rounds = self.rounds.get_or_insert_with(|| {
            let until = self.deadline.deadline();
            Rounds::new(self.settings.clone(), run, Some(self.created), until)
        });
        match rounds.begin(run) {
            Ok(Some(round)) => {
                let runs = self.client.runs(&run.thread_id);
                self.guard = CancelOnDrop::of(&runs, &run.id, self.cancels_on_drop)
                    .with_options(&self.options);
                State::Calling(events, Box::new(round))
            }
            Ok(None) => State::Ended(events),
            Err(error) => self.give_up(events, error),
        }
    }

    /// All calls are done.
    fn submit(&mut self, events: Box<RunStream>, round: Round) -> Result<State> {
        let late = self.rounds.as_ref().map_or(Ok(()), Rounds::check_deadline);
        let outputs = late.and_then(|()| round.into_outputs());
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(error) => {
                let error = error.with_run(events.run().cloned());
                self.fail(events);
                return Err(error);
            }
        };
        let seen = Box::new(Seen {
            run: events.run().cloned(),
            messages: events.messages().to_vec(),
            steps: events.steps().to_vec(),
        });
        let (policy, until) = (self.client.retry_policy(), self.deadline.deadline());
        Ok(State::Submitting(seen, Box::pin(submitted(events, outputs, policy, until))))
    }

    fn give_up(&mut self, events: Box<RunStream>, error: Error) -> State {
        let Some(run) = events.run().cloned() else { return State::Ended(events) };
        let (runs, options) = (self.client.runs(&run.thread_id), self.options.clone());
        let given_up = async move { give_up(&runs, run, error, &options).await };
        State::GivingUp(events, Box::pin(given_up))
    }

    /// Takes a step. Gives what there is to tell; the outer none says that there is more to do.
    fn step(&mut self, context: &mut Context<'_>) -> Poll<Option<Option<Item>>> {
        match &mut self.state {
            State::Events(events) => {
                if events.end().is_none() && self.deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(Some(Err(self.late()))));
                }
                let mut item = events.poll_next_unpin(context);
                // What was missed is worth no wait beyond the deadline.
                if item.is_pending()
                    && events.is_mending()
                    && self.deadline.as_mut().poll(context).is_ready()
                {
                    events.stop_mending();
                    item = events.poll_next_unpin(context);
                }
                if let Some(item) = ready!(item) {
                    return Poll::Ready(Some(Some(item.map(ToolStreamEvent::Run))));
                }
            }
            State::Calling(_, round) => {
                if let Some(event) = ready!(round.poll_next_unpin(context)) {
                    return Poll::Ready(Some(Some(Ok(self.judge(event)))));
                }
            }
            State::Submitting(_, submitted) => {
                let (events, result) = ready!(submitted.as_mut().poll(context));
                if let Err(error) = result {
                    self.fail(events);
                    return Poll::Ready(Some(Some(Err(error))));
                }
                self.guard.disarm();
                self.state = State::Events(events);
                return Poll::Ready(None);
            }
            State::GivingUp(_, error) => {
                let error = ready!(error.as_mut().poll(context));
                if let State::GivingUp(events, _) = self.change() {
                    self.fail(events);
                }
                return Poll::Ready(Some(Some(Err(error))));
            }
            State::Ended(_) | State::Failed(_) | State::Changing => return Poll::Ready(Some(None)),
        }
        // The run, or the round, has come to its end.
        self.state = match self.change() {
            State::Events(events) => self.pause(events),
            State::Calling(events, round) => match self.submit(events, *round) {
                Ok(state) => state,
                Err(error) => return Poll::Ready(Some(Some(Err(error)))),
            },
            other => other,
        };
        Poll::Ready(None)
    }

    fn judge(&mut self, event: ToolEvent) -> ToolStreamEvent {
        let judged = self.rounds.as_mut().map_or(Ok(()), |rounds| rounds.judge(&event));
        if let Err(error) = judged
            && let State::Calling(events, _) = self.change()
        {
            // The other calls are dropped with the round.
            self.state = self.give_up(events, error);
        }
        ToolStreamEvent::Tool(event)
    }

    fn late(&mut self) -> Error {
        let error = Error::new(ErrorKind::Deadline, "the run did not end before the deadline");
        let error = error.with_run(self.run().cloned());
        if let State::Events(events) = self.change() {
            self.fail(events);
        }
        error
    }

    /// An error ends the stream: it is the caller's then to say what becomes of the run.
    fn fail(&mut self, mut events: Box<RunStream>) {
        self.guard.disarm();
        events.stop();
        self.state = State::Failed(events);
    }

    fn change(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Changing)
    }
}

type Item = Result<ToolStreamEvent>;

/// Submits outputs, as often as the policy allows. The stream looks at the run itself before it
/// gives an error: then the run waits for them still, and they may be sent again.
async fn submitted(
    mut events: Box<RunStream>,
    outputs: Vec<ToolOutput>,
    policy: RetryPolicy,
    until: Instant,
) -> Submitted {
    let attempts = async {
        let mut attempt = 1;
        loop {
            let result = events.submit_tool_outputs(outputs.iter().cloned()).await;
            let Err(error) = &result else { return result };
            // What may be sent again without a look has been already.
            let sent_again = policy.pause(error, false, 1).is_some();
            let pause = policy.pause(error, true, attempt).filter(|_| !sent_again);
            let Some(pause) = pause else { return result };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    };
    let result = tokio::time::timeout_at(until, attempts).await;
    let result = result.unwrap_or_else(|_| Err(not_submitted().with_run(events.run().cloned())));
    (events, result)
}

impl Stream for ToolStream {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = ready!(self.step(context)) {
                return Poll::Ready(item);
            }
        }
    }
}

impl fmt::Debug for ToolStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolStream")
            .field("run", &self.run().map(|run| (&run.id, &run.status)))
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}
