//! Waiting for many runs at once, within a budget of requests.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll as Ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::{self, Either};
use futures_util::stream::FuturesUnordered;
use runstep_api::types::Run;
use tokio::time::Instant;

use super::policy::{Pace, PollErrorPolicy};
use super::settings::{PollSettings, look_setters};
use super::watch::{LAST_LOOK, LATE, after, is_settled};
use crate::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{RequestOptions, TakesOptions as _};
use crate::response::Response;

/// How many requests a second go out unless told.
const REQUESTS_PER_SECOND: f64 = 10.0;

/// A run by its ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RunRef {
    /// The thread that it is on.
    pub thread_id: String,
    /// The run.
    pub run_id: String,
}

impl<T: Into<String>, R: Into<String>> From<(T, R)> for RunRef {
    fn from((thread_id, run_id): (T, R)) -> Self {
        Self { thread_id: thread_id.into(), run_id: run_id.into() }
    }
}

impl From<&Run> for RunRef {
    fn from(run: &Run) -> Self {
        Self { thread_id: run.thread_id.clone(), run_id: run.id.clone() }
    }
}

/// The end of one of many runs.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunEnd {
    /// Which run.
    pub run_ref: RunRef,
    /// The run once it needs action or has ended, or why that was not seen.
    pub result: Result<Run>,
}

/// A wait for many runs; see [`Client::poll_all`].
///
/// A stream that gives each run as it ends. Looks at all of them together stay within a budget of
/// requests a second: the more runs there are, the less often each is looked at.
///
/// ```no_run
/// # async fn example(client: runstep::Client, runs: Vec<runstep::types::Run>) {
/// let mut ends = client.poll_all(&runs).requests_per_second(5.0);
/// while let Some(end) = ends.next_end().await {
///     match end.result {
///         Ok(run) => println!("{} {}", run.id, run.status),
///         Err(error) => println!("{} {error}", end.run_ref.run_id),
///     }
/// }
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct PollAll {
    client: Client,
    settings: PollSettings,
    spacing: Duration,
    runs: Vec<RunRef>,
    stream: Option<Pin<Box<dyn Stream<Item = RunEnd> + Send>>>,
}

impl PollAll {
    pub(crate) fn new(client: Client, runs: Vec<RunRef>) -> Self {
        Self {
            settings: PollSettings::default(),
            spacing: Duration::from_secs_f64(1.0 / REQUESTS_PER_SECOND),
            client,
            runs,
            stream: None,
        }
    }

    /// How many requests a second go out at most, from one in 1,000 s to 1,000 in one. Default: 10.
    pub fn requests_per_second(mut self, requests: f64) -> Self {
        let requests =
            if requests.is_finite() { requests.clamp(0.001, 1000.0) } else { REQUESTS_PER_SECOND };
        self.spacing = Duration::from_secs_f64(1.0 / requests);
        self
    }

    /// How long to wait for all of them. Default: [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
    ///
    /// As many as the budget allows are looked at once more within a second from then. Those that
    /// have not ended are given with an error that carries their last state, and the last look that
    /// failed as its cause.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    look_setters!();

    /// The next run that has ended; none after the last.
    pub async fn next_end(&mut self) -> Option<RunEnd> {
        self.next().await
    }

    fn start(&mut self) -> Pin<Box<dyn Stream<Item = RunEnd> + Send>> {
        let pace = self.settings.pace(&self.client);
        let now = Instant::now();
        let watched: Vec<Watched> = std::mem::take(&mut self.runs)
            .into_iter()
            .map(|run_ref| Watched { run_ref, pace, last: None, failure: None, failed_in_a_row: 0 })
            .collect();
        let crowd = Crowd {
            until: after(self.settings.deadline),
            closing: false,
            spacing: self.spacing,
            errors: self.settings.errors(&self.client),
            options: self.settings.look_options(&self.client),
            client: self.client.clone(),
            next_slot: now,
            due: (0..watched.len()).map(|number| Reverse((now, number))).collect(),
            watched: watched.into_iter().map(Some).collect(),
            looks: FuturesUnordered::new(),
        };
        futures_util::stream::unfold(crowd, |mut crowd| async move {
            crowd.next().await.map(|end| (end, crowd))
        })
        .fuse()
        .boxed()
    }
}

impl Stream for PollAll {
    type Item = RunEnd;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Ready<Option<RunEnd>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.start(),
        };
        let next = stream.as_mut().poll_next(context);
        self.stream = Some(stream);
        next
    }
}

impl fmt::Debug for PollAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollAll")
            .field("settings", &self.settings)
            .field("spacing", &self.spacing)
            .finish_non_exhaustive()
    }
}

struct Watched {
    run_ref: RunRef,
    pace: Pace,
    last: Option<Run>,
    /// The last look, if it failed.
    failure: Option<Error>,
    failed_in_a_row: u32,
}

impl Watched {
    fn late(self) -> RunEnd {
        let error = Error::new(ErrorKind::Deadline, LATE).with_run(self.last);
        RunEnd { run_ref: self.run_ref, result: Err(error.with_cause(self.failure)) }
    }
}

type Look = Pin<Box<dyn Future<Output = (usize, Result<Response<Run>>)> + Send>>;

/// All runs that have not ended.
struct Crowd {
    client: Client,
    until: Instant,
    /// Whether the deadline has come, so that each look is a run's last.
    closing: bool,
    spacing: Duration,
    errors: PollErrorPolicy,
    options: RequestOptions,
    /// When the next request may go out.
    next_slot: Instant,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    watched: Vec<Option<Watched>>,
    looks: FuturesUnordered<Look>,
}

impl Crowd {
    async fn next(&mut self) -> Option<RunEnd> {
        loop {
            let next_due = self.due.peek().map(|Reverse((due, _))| match self.closing {
                true => self.next_slot,
                false => (*due).max(self.next_slot),
            });
            if next_due.is_none() && self.looks.is_empty() {
                return None;
            }
            let wake = next_due.unwrap_or(self.until).min(self.until);
            let slept = tokio::time::sleep_until(wake);
            let looked = if self.looks.is_empty() {
                slept.await;
                None
            } else {
                match future::select(self.looks.next(), std::pin::pin!(slept)).await {
                    Either::Left((looked, _)) => looked,
                    Either::Right(_) => None,
                }
            };
            match looked {
                Some((number, look)) => {
                    if let Some(end) = self.looked(number, look) {
                        return Some(end);
                    }
                }
                None if Instant::now() < self.until => self.look(),
                None if self.closing => return self.late(),
                None => {
                    self.closing = true;
                    self.until = after(LAST_LOOK);
                }
            }
        }
    }

    fn look(&mut self) {
        let Some(Reverse((_, number))) = self.due.pop() else { return };
        let Some(Some(watched)) = self.watched.get(number) else { return };
        self.next_slot = Instant::now() + self.spacing;
        let RunRef { thread_id, run_id } = watched.run_ref.clone();
        let retrieve = self.client.runs(thread_id).retrieve(run_id);
        let look = retrieve.with_options(self.options.clone()).send();
        self.looks.push(Box::pin(async move { (number, look.await) }));
    }

    fn looked(&mut self, number: usize, look: Result<Response<Run>>) -> Option<RunEnd> {
        let place = self.watched.get_mut(number)?;
        let watched = place.as_mut()?;
        let pause = match look {
            Ok(reply) => {
                watched.failed_in_a_row = 0;
                watched.failure = None;
                let pause = watched.pace.pause_after(reply.header_map());
                let run = reply.into_value();
                if is_settled(&run) {
                    let run_ref = place.take()?.run_ref;
                    return Some(RunEnd { run_ref, result: Ok(run) });
                }
                watched.last = Some(run);
                pause
            }
            Err(error) if self.errors.tolerates(&error, watched.failed_in_a_row) => {
                watched.failed_in_a_row += 1;
                let pause = watched.pace.pause(error.retry_after());
                watched.failure = Some(error.shortened());
                pause
            }
            Err(error) => {
                let ended = place.take()?;
                return Some(RunEnd {
                    run_ref: ended.run_ref,
                    result: Err(error.with_run(ended.last)),
                });
            }
        };
        if self.closing {
            return place.take().map(Watched::late);
        }
        self.due.push(Reverse((after(pause), number)));
        None
    }

    /// The time is up: those that are left are given one by one.
    fn late(&mut self) -> Option<RunEnd> {
        self.looks.clear();
        self.due.clear();
        let left = self.watched.iter_mut().find_map(Option::take)?;
        // Something must be due, or the next call would take this for the end.
        self.due.push(Reverse((self.until, usize::MAX)));
        Some(left.late())
    }
}
