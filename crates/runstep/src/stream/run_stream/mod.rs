//! The events of a run as they come, over cuts and tool outputs.

mod cancel;
mod cut;
mod mend;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use runstep_api::types::{Message, Run, RunStep, StreamEvent as RunEvent, ToolOutput};
use tokio::time::{Sleep, sleep_until};

use cancel::CancelOnDrop;
use mend::{Gap, Settled};

use super::identity::{Identity, Origin};
use super::leg::{Body, Heard, Leg};
use super::open::StreamSettings;
use super::progress::Progress;
use super::recovery::{Look, MAX_KEPT, Recovery, too_long};
use super::remote::{Answer, Opened, Remote};
use super::{CollectedRun, RunStreamEnd, TextDeltas};
use crate::error::{Error, ErrorKind, Result};
use crate::poll::{RunRef, after};
use crate::retry::is_passing;

/// How long the end of a reply is waited for when the end of the run has been told, so that the
/// connection can be used again.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The events of a run; see [`CreateRun::stream`](crate::CreateRun::stream) and
/// [`docs::streaming`](crate::docs::streaming).
///
/// It ends when the run has ended or requires action, and says why ([`end`](Self::end)). Then
/// [`submit_tool_outputs`](Self::submit_tool_outputs) lets the same stream go on.
///
/// A connection that breaks is no end: the stream asks the server for the rest, or for the run, and
/// tells what was missed. The request is never sent again, so that no run is made twice.
///
/// Dropping it closes the connection at once. The run goes on, unless
/// [`cancel_on_drop`](crate::OpenStream::cancel_on_drop) says otherwise.
#[must_use = "a stream does nothing until it is polled"]
pub struct RunStream {
    remote: Arc<dyn Remote>,
    settings: StreamSettings,
    source: Source,
    progress: Progress,
    identity: Identity,
    /// Events made up for after a cut that are still to be given.
    missed: VecDeque<RunEvent>,
    recovered: bool,
    recovery: Option<Recovery>,
    last_event_id: String,
    /// Whether the reply that is read has told something new.
    advanced: bool,
    gap: Gap,
    guard: CancelOnDrop,
}

/// Where events come from.
enum Source {
    /// A reply that is read, for so long once the run has told its end.
    Leg(Box<Leg>, Option<Pin<Box<Sleep>>>),
    /// A look at the server after a cut.
    Look(Answer<'static, Look>),
    /// A look for what could not be taken of a run that has ended.
    Mend(Settled),
    /// Nowhere: it is over, or waits for outputs.
    None,
}

impl RunStream {
    /// A stream of a request that makes a run.
    pub(super) fn new(
        remote: Arc<dyn Remote>,
        settings: StreamSettings,
        opened: Opened,
        origin: Origin,
    ) -> Self {
        let progress = match origin.thread_id() {
            Some(_) => Progress::default(),
            None => Progress::of_new_thread(),
        };
        let mut stream = Self::resting(remote, settings, progress, Identity::Sought(origin));
        stream.begin(opened);
        stream
    }

    /// A stream of a request that lets a run go on, with answers to these calls.
    pub(super) fn of_later_leg(
        remote: Arc<dyn Remote>,
        settings: StreamSettings,
        opened: Opened,
        run: RunRef,
        answered: Vec<String>,
    ) -> Self {
        let progress = Progress::of_later_leg(answered);
        let mut stream = Self::resting(remote, settings, progress, Identity::Told(run));
        stream.begin(opened);
        stream
    }

    fn resting(
        remote: Arc<dyn Remote>,
        settings: StreamSettings,
        progress: Progress,
        identity: Identity,
    ) -> Self {
        let watched = identity.run().filter(|_| settings.cancel_on_drop).cloned();
        Self {
            guard: CancelOnDrop { remote: Arc::clone(&remote), run: watched },
            remote,
            settings,
            source: Source::None,
            progress,
            identity,
            missed: VecDeque::new(),
            recovered: false,
            recovery: None,
            last_event_id: String::new(),
            advanced: false,
            gap: Gap::None,
        }
    }

    /// The next event; none when the run has ended or requires action.
    ///
    /// # Errors
    ///
    /// - An event that does not decode, or is too long. The stream goes on after it.
    /// - The stream was cut, and that could not be made up for: the last item before the end, which
    ///   is then [`RunStreamEnd::Cut`]. It carries the run as it was seen last.
    pub async fn try_next(&mut self) -> Result<Option<RunEvent>> {
        self.next().await.transpose()
    }

    /// Why the stream has ended; none while it goes on.
    pub fn end(&self) -> Option<RunStreamEnd> {
        if self.missed.is_empty() { self.progress.end() } else { None }
    }

    /// The run as it was told last; none before that.
    pub fn run(&self) -> Option<&Run> {
        self.progress.run()
    }

    /// The messages of the run as far as they have been told, oldest first. At the end, once the
    /// stream has given none, they are what [`Messages::retrieve`](crate::Messages::retrieve) gives.
    ///
    /// What was in an event that was an error item is looked up for that, once the run has told its
    /// end. If that fails or takes longer than 30 s, or with
    /// [`recover(false)`](crate::OpenStream::recover), they are as told and lack it.
    pub fn messages(&self) -> &[Message] {
        self.progress.snapshots().messages()
    }

    /// The steps of the run as far as they have been told, oldest first. At the end they are what
    /// [`Steps::retrieve`](crate::Steps::retrieve) gives, as with [`messages`](Self::messages).
    pub fn steps(&self) -> &[RunStep] {
        self.progress.snapshots().steps()
    }

    /// Whether the last event was made up for after a cut, from the run, its steps and messages:
    /// what came in pieces meanwhile is in one piece then, and objects on their way are made from
    /// what they are now. Events that a server sends again after a cut are its own.
    pub fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// The text of messages alone, piece by piece. Errors are as with [`try_next`](Self::try_next).
    pub fn text_deltas(&mut self) -> TextDeltas<'_> {
        TextDeltas::new(self)
    }

    /// Reads on to the end, and gives the run as it then is. Events that do not decode or are too
    /// long are passed over.
    ///
    /// # Errors
    ///
    /// When the stream was cut and that could not be made up for.
    pub async fn final_run(&mut self) -> Result<Run> {
        loop {
            match self.try_next().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if self.end() == Some(RunStreamEnd::Cut) => return Err(error),
                Err(_) => {}
            }
        }
        match (self.end(), self.run()) {
            (Some(RunStreamEnd::Cut) | None, _) | (_, None) => Err(self.cut_error(None)),
            (_, Some(run)) => Ok(run.clone()),
        }
    }

    /// Reads on to the end, and gives the run with all messages and steps, as
    /// [`messages`](Self::messages) and [`steps`](Self::steps) then are.
    ///
    /// # Errors
    ///
    /// As with [`final_run`](Self::final_run).
    pub async fn collect(mut self) -> Result<CollectedRun> {
        let run = self.final_run().await?;
        let end = self.end().unwrap_or(RunStreamEnd::Cut);
        let (messages, steps) = self.progress.into_snapshots().into_parts();
        Ok(CollectedRun { run, messages, steps, end })
    }

    /// Answers the tool calls that the run waits for, all of them at once, and goes on with the
    /// same stream: `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    /// # Errors
    ///
    /// When the run does not wait for outputs, or the request fails: the stream then stays where it
    /// is. Where it is not known whether a request was carried out, the run is asked; if the
    /// outputs have come, that is no error.
    pub async fn submit_tool_outputs(
        &mut self,
        outputs: impl IntoIterator<Item = ToolOutput>,
    ) -> Result<()> {
        if self.end() != Some(RunStreamEnd::RequiresAction) {
            return Err(self.not_waiting());
        }
        // The rest of the last reply, for the sake of its connection.
        while self.next().await.is_some() {}
        let Some(run) = self.run().cloned() else { return Err(self.not_waiting()) };
        let run_ref = RunRef::from(&run);
        let outputs: Vec<ToolOutput> = outputs.into_iter().collect();
        let answered = outputs.iter().filter_map(|output| output.tool_call_id.clone()).collect();
        let opened = match self.remote.submit(run_ref.clone(), outputs).await {
            Err(error) if may_have_moved_on(&error) => match self.remote.run(&run_ref).await {
                Ok(seen) if seen.required_action != run.required_action => {
                    Opened::Run(Box::new(seen))
                }
                _ => return Err(error.or_run(&run)),
            },
            opened => opened.map_err(|error| error.or_run(&run))?,
        };
        self.progress.begin_leg(answered);
        self.know(run_ref);
        self.begin(opened);
        Ok(())
    }

    /// Closes the connection, and leaves the run to the caller.
    pub(crate) fn stop(&mut self) {
        self.source = Source::None;
        self.recovery = None;
        self.gap = Gap::None;
        self.guard.run = None;
    }

    fn not_waiting(&self) -> Error {
        let message = "the stream is not at requires_action; nothing was sent";
        Error::new(ErrorKind::InvalidRequest, message).with_run(self.run().cloned())
    }

    fn begin(&mut self, opened: Opened) {
        self.recovered = false;
        self.recovery = None;
        if self.gap == Gap::Left {
            self.gap = Gap::Open;
        }
        self.last_event_id.clear();
        match opened {
            Opened::Events(body) => self.read(body),
            Opened::Run(run) => {
                self.know(RunRef::from(&run.run));
                let mut recovery = self.new_recovery();
                // Even without recovery: nothing was cut, and nothing else will tell the end.
                let pause = recovery.found(Some(Duration::ZERO));
                self.source = Source::Look(self.look(&recovery, pause, String::new()));
                self.recovery = Some(recovery);
            }
        }
    }

    fn read(&mut self, body: Body) {
        let StreamSettings { max_event_bytes, idle_timeout, .. } = self.settings;
        let leg = Leg::new(body, max_event_bytes, idle_timeout);
        self.source = Source::Leg(Box::new(leg), None);
        self.advanced = false;
    }

    /// The run that the stream is of.
    fn know(&mut self, run: RunRef) {
        self.identify(Identity::Told(run));
    }

    fn identify(&mut self, identity: Identity) {
        self.guard.run = identity.run().filter(|_| self.settings.cancel_on_drop).cloned();
        self.identity = identity;
    }

    /// Takes what a reply says. None if there is nothing to give.
    fn hear(&mut self, heard: Heard) -> Option<Result<RunEvent>> {
        match heard {
            Heard::Event(RunEvent::Done) if self.progress.end().is_some() => None,
            Heard::Event(RunEvent::Done) => self.cut(None, true).map(Err),
            // An event is large, so that it is moved as seldom as can be.
            Heard::Event(event) => match self.take(&event) {
                Ok(true) => Some(Ok(event)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            },
            Heard::Defect(error) => {
                self.gap = Gap::Open;
                Some(Err(error.with_run(self.run().cloned())))
            }
            Heard::End(cause) => self.cut(cause, false).map(Err),
        }
    }

    /// Whether an event is to be given.
    fn take(&mut self, event: &RunEvent) -> Result<bool> {
        if !self.progress.hear(event) {
            return Ok(false);
        }
        if self.progress.snapshots().size() > MAX_KEPT {
            return Err(self.give_up(too_long()));
        }
        self.recovered = false;
        self.advanced |= !matches!(event, RunEvent::Error(_) | RunEvent::Unknown { .. });
        if let Identity::Sought(origin) = &self.identity {
            let identity = origin.settled(self.progress.run(), self.progress.thread_id());
            self.identify(identity);
        }
        if self.progress.end().is_some() {
            self.guard.run = None;
            if let Source::Leg(_, last_words @ None) = &mut self.source {
                *last_words = Some(Box::pin(sleep_until(after(LAST_WORDS))));
            }
        } else if let Source::Leg(_, last_words @ Some(_)) = &mut self.source {
            // An end is taken back.
            *last_words = None;
            self.identify(self.identity.clone());
        }
        Ok(true)
    }
}

/// Whether the run may be further than it was when outputs were sent that failed.
fn may_have_moved_on(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 409)) || (is_passing(error) && !error.is_connect())
}

impl Stream for RunStream {
    type Item = Result<RunEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut *self;
        loop {
            if let Some(event) = stream.missed.pop_front() {
                stream.recovered = true;
                return Poll::Ready(Some(Ok(event)));
            }
            match &mut stream.source {
                Source::Leg(leg, last_words) => {
                    // First, so that whoever goes on talking is not listened to for ever.
                    if let Some(last_words) = last_words
                        && last_words.as_mut().poll(context).is_ready()
                    {
                        stream.source = Source::None;
                        continue;
                    }
                    let heard = ready!(leg.poll_heard(context));
                    if let Some(item) = stream.hear(heard) {
                        return Poll::Ready(Some(item));
                    }
                }
                Source::Look(look) => {
                    let looked = ready!(look.as_mut().poll(context));
                    if let Some(error) = stream.looked(looked) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Source::Mend(look) => {
                    let found = ready!(look.as_mut().poll(context));
                    stream.mended(found);
                }
                Source::None => {
                    if !stream.mends() {
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }
}

impl fmt::Debug for RunStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunStream")
            .field("run", &self.identity.run())
            .field("end", &self.end())
            .field("recovered", &self.recovered)
            .finish_non_exhaustive()
    }
}
