//! Waiting for a run: the end of it, or each change on the way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll as Ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;
use runstep_api::types::{Run, RunStatus};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::request::awaitable;
use crate::runs::Runs;

/// How long a poll waits in all unless told: 15 minutes. A run expires after 10.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// The first and the longest pause between two looks, where neither server nor caller names one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Pauses are never shorter, so that no server is asked without end.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// A wait for a run; see [`Runs::poll`].
///
/// Awaited, it gives the run once it needs action or has ended. As a stream
/// ([`into_stream`](Self::into_stream)) it gives the run each time its status has changed.
///
/// A status that nobody knows yet is waited through, until the deadline.
#[derive(Clone, Debug)]
#[must_use = "a poll does nothing until it is awaited"]
pub struct Poll {
    runs: Runs,
    run_id: String,
    deadline: Duration,
    interval: Option<Duration>,
}

impl Poll {
    pub(crate) fn new(runs: Runs, run_id: String) -> Self {
        Self { runs, run_id, deadline: DEFAULT_DEADLINE, interval: None }
    }

    /// How long to wait in all. Default: [`DEFAULT_DEADLINE`].
    ///
    /// The error on the deadline carries the last state of the run; the run itself goes on.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long to pause between two looks. Default: what the server asks for in
    /// `openai-poll-after-ms`, else from 250 ms growing to 2 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The way there: the run at first, then each time its status has changed. The stream ends
    /// after the run that needs action or has ended, or after an error.
    pub fn into_stream(self) -> RunUpdates {
        let watch = Watch {
            until: after(self.deadline),
            pause: PAUSES.0,
            interval: self.interval,
            runs: self.runs,
            run_id: self.run_id,
            last: None,
            ended: false,
        };
        let changes = futures_util::stream::try_unfold(watch, |mut watch| async move {
            Ok(watch.next().await?.map(|run| (run, watch)))
        });
        RunUpdates(changes.boxed())
    }

    async fn send(self) -> Result<Run> {
        let mut updates = self.into_stream();
        let mut last = None;
        while let Some(run) = updates.try_next().await? {
            last = Some(run);
        }
        last.ok_or_else(|| Error::new(ErrorKind::Decode, "the run was never seen"))
    }
}

awaitable!(Poll -> Run);

/// The changes of a run; see [`Poll::into_stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct RunUpdates(Pin<Box<dyn Stream<Item = Result<Run>> + Send>>);

impl RunUpdates {
    /// The next change; none after the last.
    ///
    /// # Errors
    ///
    /// When a look at the run fails, or the deadline is reached.
    pub async fn try_next(&mut self) -> Result<Option<Run>> {
        self.0.next().await.transpose()
    }
}

impl Stream for RunUpdates {
    type Item = Result<Run>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Ready<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for RunUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUpdates").finish_non_exhaustive()
    }
}

/// The longest a poll looks ahead, so that no sum of times overflows: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(FAR)
}

struct Watch {
    runs: Runs,
    run_id: String,
    until: Instant,
    interval: Option<Duration>,
    /// The next pause, where nobody names one.
    pause: Duration,
    /// The last run given, and how long to pause after it.
    last: Option<(Run, Duration)>,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Result<Option<Run>> {
        if self.ended {
            return Ok(None);
        }
        loop {
            if let Some((_, pause)) = &self.last {
                let wake = after(*pause);
                tokio::time::sleep_until(wake.min(self.until)).await;
                if wake >= self.until {
                    return Err(self.late());
                }
            }
            let look = self.runs.retrieve(&self.run_id).reply();
            let Ok(reply) = tokio::time::timeout_at(self.until, look).await else {
                return Err(self.late());
            };
            let reply = reply?;
            let changed =
                self.last.as_ref().map(|(run, _)| &run.status) != Some(&reply.value.status);
            let pause = self.pause_after(&reply.headers);
            self.last = Some((reply.value.clone(), pause));
            self.ended =
                reply.value.is_terminal() || reply.value.status == RunStatus::RequiresAction;
            if changed {
                return Ok(Some(reply.value));
            }
        }
    }

    fn pause_after(&mut self, headers: &HeaderMap) -> Duration {
        let asked = || {
            let milliseconds = headers.get("openai-poll-after-ms")?.to_str().ok()?.parse().ok()?;
            Some(Duration::from_millis(milliseconds))
        };
        if let Some(pause) = self.interval.or_else(asked) {
            return pause.clamp(LEAST_PAUSE, FAR);
        }
        let pause = self.pause;
        self.pause = (pause * 3 / 2).min(PAUSES.1);
        pause
    }

    fn late(&mut self) -> Error {
        let run = self.last.take().map(|(run, _)| run);
        let message = "the run neither ended nor asked for action before the deadline";
        Error::new(ErrorKind::Deadline, message).with_run(run)
    }
}
