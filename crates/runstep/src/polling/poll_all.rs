//! Polls many runs within one request rate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll as TaskPoll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::future::{self, Either};
use futures_util::stream::FuturesUnordered;
use runstep_api::types::Run;
use sync_wrapper::SyncWrapper;
use tokio::time::Instant;

use super::delays::PollDelays;
use super::poll_loop::{DEADLINE_MESSAGE, FINAL_POLL_TIMEOUT, has_settled};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::run_request::RunOptions;
use crate::time::deadline_after;
use crate::transport::{Backoff, PollErrorPolicy, RequestOptions, Response};

/// Default request rate.
const REQUESTS_PER_SECOND: f64 = 10.0;

/// The result of one of many polled runs.
#[derive(Debug)]
#[non_exhaustive]
pub struct PolledRun {
    /// The run.
    pub run_ref: RunRef,
    /// The run once it has settled, or the error that ended its poll.
    pub result: Result<Run>,
}

/// A run that [`Client::poll_all`] waits for: a reference, or the run as it is known.
#[derive(Clone, Debug)]
pub struct PollTarget {
    run_ref: RunRef,
    known: Option<Box<Run>>,
}

impl From<Run> for PollTarget {
    fn from(run: Run) -> Self {
        Self { run_ref: RunRef::from(&run), known: Some(Box::new(run)) }
    }
}

impl From<&Run> for PollTarget {
    fn from(run: &Run) -> Self {
        run.clone().into()
    }
}

impl From<RunRef> for PollTarget {
    fn from(run_ref: RunRef) -> Self {
        Self { run_ref, known: None }
    }
}

impl From<&RunRef> for PollTarget {
    fn from(run_ref: &RunRef) -> Self {
        run_ref.clone().into()
    }
}

impl<T: Into<String>, R: Into<String>> From<(T, R)> for PollTarget {
    fn from(ids: (T, R)) -> Self {
        RunRef::from(ids).into()
    }
}

/// Polls many runs; see [`Client::poll_all`].
///
/// A stream that yields each run when it settles. All polls together stay within one request rate:
/// the more runs there are, the less often each is polled.
///
/// ```no_run
/// # async fn example(client: runstep::Client, runs: Vec<runstep::types::Run>) {
/// let mut poll = client.poll_all(&runs).requests_per_second(5.0);
/// while let Some(polled) = poll.next_run().await {
///     match polled.result {
///         Ok(run) => println!("{} {}", run.id, run.status),
///         Err(error) => println!("{} {error}", polled.run_ref.run_id),
///     }
/// }
/// # }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct PollAll {
    client: Client,
    options: RunOptions,
    spacing: Duration,
    runs: Vec<PollTarget>,
    stream: Option<SyncWrapper<PolledRunStream>>,
}

type PolledRunStream = Pin<Box<dyn Stream<Item = PolledRun> + Send>>;

impl PollAll {
    pub(crate) fn new(client: Client, runs: Vec<PollTarget>) -> Self {
        Self {
            options: RunOptions::default(),
            spacing: Duration::from_secs_f64(1.0 / REQUESTS_PER_SECOND),
            client,
            runs,
            stream: None,
        }
    }

    /// Sets the maximum number of requests per second, from 0.001 to 1,000. Default: 10.
    ///
    /// One round over N runs takes N divided by this number, in seconds: with the default, each of 200
    /// runs is polled every 20 seconds.
    pub fn requests_per_second(mut self, requests: f64) -> Self {
        let requests =
            if requests.is_finite() { requests.clamp(0.001, 1000.0) } else { REQUESTS_PER_SECOND };
        self.spacing = Duration::from_secs_f64(1.0 / requests);
        self
    }

    /// Sets the total time for all runs. Default: [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
    ///
    /// At the deadline, as many runs as the request rate allows are polled once more within a second.
    /// Each run that has not settled yields an error with its last known state, which is the run as it
    /// was passed if it was not polled yet, and, as its source, the last polling error.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// Sets a fixed delay between polls of a run, overriding the server's. At least 1 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.options.interval = Some(interval);
        self
    }

    /// Sets the delays between polls of a run if the server does not specify one by
    /// `openai-poll-after-ms` or `Retry-After`. Default: the client's.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = Some(backoff);
        self
    }

    /// Sets which polling errors of a run are tolerated. Default: the client's policy.
    pub fn error_policy(mut self, policy: PollErrorPolicy) -> Self {
        self.options.error_policy = Some(policy);
        self
    }

    /// Sets the timeout of one poll request. Default: the client's timeout, at most 30 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request.timeout = Some(timeout);
        self
    }

    /// Adds a header to each poll request. Overrides a header of the client.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.request.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter to each poll request.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.request.query.push((name.into(), value.into()));
        self
    }

    /// Returns the next run that settled, or `None` after the last.
    pub async fn next_run(&mut self) -> Option<PolledRun> {
        self.next().await
    }

    fn start(&mut self) -> PolledRunStream {
        let delays = PollDelays::of(&self.options, &self.client);
        let now = Instant::now();
        // A terminal run no longer changes.
        let (ended, runs): (Vec<PollTarget>, Vec<PollTarget>) = std::mem::take(&mut self.runs)
            .into_iter()
            .partition(|target| target.known.as_ref().is_some_and(|run| run.is_terminal()));
        let ended = ended.into_iter().filter_map(|PollTarget { run_ref, known }| {
            known.map(|run| PolledRun { run_ref, result: Ok(*run) })
        });
        let ended: Vec<PolledRun> = ended.collect();
        let targets: Vec<UnsettledRun> = runs
            .into_iter()
            .map(|PollTarget { run_ref, known }| UnsettledRun {
                run_ref,
                delays,
                last: known.map(|run| *run),
                last_error: None,
                consecutive_errors: 0,
            })
            .collect();
        let scheduler = PollScheduler {
            deadline: deadline_after(self.options.deadline),
            is_final: false,
            spacing: self.spacing,
            error_policy: self.options.error_policy(&self.client),
            options: self.options.poll_request_options(&self.client),
            client: self.client.clone(),
            next_slot: now,
            due: (0..targets.len()).map(|index| Reverse((now, index))).collect(),
            targets: targets.into_iter().map(Some).collect(),
            polls: FuturesUnordered::new(),
        };
        let polled = futures_util::stream::unfold(scheduler, |mut scheduler| async move {
            scheduler.next().await.map(|run| (run, scheduler))
        });
        futures_util::stream::iter(ended).chain(polled).fuse().boxed()
    }
}

impl Client {
    /// Waits for many runs, on one thread or on many, and yields each run when it settles. All polls
    /// together stay within one request rate.
    ///
    /// Accepts runs (`Run` or `&Run`), [`RunRef`]s, and pairs of a thread id and a run id. A run is the
    /// initial state of its poll: if it has ended already, it is yielded without a request, and otherwise
    /// it is in the error at the deadline if no poll has succeeded until then.
    pub fn poll_all<I>(&self, runs: I) -> PollAll
    where
        I: IntoIterator,
        I::Item: Into<PollTarget>,
    {
        PollAll::new(self.clone(), runs.into_iter().map(Into::into).collect())
    }
}

impl Stream for PollAll {
    type Item = PolledRun;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> TaskPoll<Option<PolledRun>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => SyncWrapper::new(self.start()),
        };
        let next = stream.get_mut().as_mut().poll_next(context);
        self.stream = Some(stream);
        next
    }
}

impl fmt::Debug for PollAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollAll")
            .field("options", &self.options)
            .field("spacing", &self.spacing)
            .finish_non_exhaustive()
    }
}

/// A run that has not settled.
struct UnsettledRun {
    run_ref: RunRef,
    delays: PollDelays,
    last: Option<Run>,
    /// The last polling error, if the last poll failed.
    last_error: Option<Error>,
    consecutive_errors: u32,
}

impl UnsettledRun {
    fn deadline_exceeded(self) -> PolledRun {
        let error = Error::new(ErrorKind::Deadline, DEADLINE_MESSAGE).with_run(self.last);
        PolledRun { run_ref: self.run_ref, result: Err(error.with_cause(self.last_error)) }
    }
}

type PollFuture = Pin<Box<dyn Future<Output = (usize, Result<Response<Run>>)> + Send>>;

/// Polls all runs that have not settled.
struct PollScheduler {
    client: Client,
    deadline: Instant,
    /// Whether the deadline has passed, so that each further poll of a run is its last.
    is_final: bool,
    spacing: Duration,
    error_policy: PollErrorPolicy,
    options: RequestOptions,
    /// When the next request may be sent.
    next_slot: Instant,
    /// When each target is due, by its index.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    targets: Vec<Option<UnsettledRun>>,
    polls: FuturesUnordered<PollFuture>,
}

impl PollScheduler {
    async fn next(&mut self) -> Option<PolledRun> {
        loop {
            let next_due = self.due.peek().map(|Reverse((due, _))| match self.is_final {
                true => self.next_slot,
                false => (*due).max(self.next_slot),
            });
            if next_due.is_none() && self.polls.is_empty() {
                return None;
            }
            let wake = next_due.unwrap_or(self.deadline).min(self.deadline);
            let sleep = tokio::time::sleep_until(wake);
            let polled = if self.polls.is_empty() {
                sleep.await;
                None
            } else {
                match future::select(self.polls.next(), std::pin::pin!(sleep)).await {
                    Either::Left((polled, _)) => polled,
                    Either::Right(_) => None,
                }
            };
            match polled {
                Some((index, response)) => {
                    if let Some(run) = self.on_response(index, response) {
                        return Some(run);
                    }
                }
                None if Instant::now() < self.deadline => self.poll_next_due(),
                None if self.is_final => return self.next_unsettled(),
                None => {
                    self.is_final = true;
                    self.deadline = deadline_after(FINAL_POLL_TIMEOUT);
                }
            }
        }
    }

    fn poll_next_due(&mut self) {
        let Some(Reverse((_, index))) = self.due.pop() else { return };
        let Some(Some(target)) = self.targets.get(index) else { return };
        self.next_slot = Instant::now() + self.spacing;
        let RunRef { thread_id, run_id } = target.run_ref.clone();
        let retrieve = self.client.runs(thread_id).retrieve(run_id);
        let poll = retrieve.with_options(self.options.clone()).send();
        self.polls.push(Box::pin(async move { (index, poll.await) }));
    }

    fn on_response(&mut self, index: usize, response: Result<Response<Run>>) -> Option<PolledRun> {
        let slot = self.targets.get_mut(index)?;
        let target = slot.as_mut()?;
        let delay = match response {
            Ok(response) => {
                target.consecutive_errors = 0;
                target.last_error = None;
                let delay = target.delays.next_after_response(response.header_map());
                let run = response.into_inner();
                if has_settled(&run) {
                    let run_ref = slot.take()?.run_ref;
                    return Some(PolledRun { run_ref, result: Ok(run) });
                }
                target.last = Some(run);
                delay
            }
            Err(error) if self.error_policy.tolerates(&error, target.consecutive_errors) => {
                target.consecutive_errors += 1;
                let delay = target.delays.next(error.retry_after());
                target.last_error = Some(error.truncated());
                delay
            }
            Err(error) => {
                let failed = slot.take()?;
                return Some(PolledRun {
                    run_ref: failed.run_ref,
                    result: Err(error.with_run(failed.last)),
                });
            }
        };
        if self.is_final {
            return slot.take().map(UnsettledRun::deadline_exceeded);
        }
        self.due.push(Reverse((deadline_after(delay), index)));
        None
    }

    /// Yields an error for each remaining run, one per call.
    fn next_unsettled(&mut self) -> Option<PolledRun> {
        self.polls.clear();
        self.due.clear();
        let unsettled = self.targets.iter_mut().find_map(Option::take)?;
        // Without an entry in `due`, the next call would end the stream.
        self.due.push(Reverse((self.deadline, usize::MAX)));
        Some(unsettled.deadline_exceeded())
    }
}
