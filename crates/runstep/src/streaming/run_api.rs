//! The requests that a stream sends about its run.

use std::future::{Future, IntoFuture as _};
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use runstep_api::types::{Message, Order, Run, RunInclude, RunStep, Thread, ToolOutput};

use super::connection::Body;
use super::response::read_response;
use super::snapshots::{MAX_SNAPSHOT_BYTES, json_size, snapshots_too_large};
use crate::client::Client;
use crate::error::Result;
use crate::headers;
use crate::resources::SubmitToolOutputs;
use crate::run_ref::RunRef;
use crate::transport::{RequestOptions, RetryPolicy};

/// How many of the newest runs of a thread are searched for a new run.
const NEWEST_RUNS: u64 = 20;

pub(super) type ApiFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A response to a streaming request.
pub(super) enum StreamResponse {
    Events(Body),
    /// The server does not stream and returned the run.
    Run(Box<FetchedRun>),
}

/// A run, and the delay that the server requests before the next poll.
pub(super) struct FetchedRun {
    pub(super) run: Run,
    pub(super) poll_after: Option<Duration>,
}

impl Deref for FetchedRun {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// The operations that a stream needs. Tests replace it by a recording.
pub(super) trait RunApi: Send + Sync + 'static {
    /// Requests the events after an event id.
    fn resume<'a>(
        &'a self,
        run: &'a RunRef,
        last_event_id: &'a str,
    ) -> ApiFuture<'a, StreamResponse>;

    fn submit(&self, run: RunRef, outputs: Vec<ToolOutput>) -> ApiFuture<'_, StreamResponse>;

    fn run<'a>(&'a self, run: &'a RunRef) -> ApiFuture<'a, FetchedRun>;

    /// Lists the steps, oldest first.
    fn steps<'a>(
        &'a self,
        run: &'a RunRef,
        include: &'a [RunInclude],
    ) -> ApiFuture<'a, Vec<RunStep>>;

    /// Returns `None` if the message was deleted.
    fn message<'a>(&'a self, thread_id: &'a str, id: &'a str) -> ApiFuture<'a, Option<Message>>;

    fn thread<'a>(&'a self, thread_id: &'a str) -> ApiFuture<'a, Thread>;

    /// Lists the newest runs of a thread, newest first.
    fn newest_runs<'a>(&'a self, thread_id: &'a str) -> ApiFuture<'a, Vec<Run>>;

    /// Returns a cancel request, which is sent when it is first polled.
    fn cancel(&self, run: RunRef) -> ApiFuture<'static, Run>;
}

/// Sends the requests with a client.
pub(super) struct ClientRunApi {
    client: Client,
    /// Options of every request.
    options: RequestOptions,
}

impl ClientRunApi {
    pub(super) fn new(client: Client, options: RequestOptions) -> Self {
        Self { client, options }
    }

    /// Returns the options of a fetch. Without retries: the recovery has its own policy.
    fn fetch_options(&self) -> RequestOptions {
        RequestOptions { retry: Some(RetryPolicy::none()), ..self.options.clone() }
    }
}

impl RunApi for ClientRunApi {
    fn resume<'a>(
        &'a self,
        run: &'a RunRef,
        last_event_id: &'a str,
    ) -> ApiFuture<'a, StreamResponse> {
        let retrieve = self.client.runs(&run.thread_id).retrieve(&run.run_id);
        let retrieve = retrieve.with_options(self.fetch_options());
        let retrieve = retrieve.header("last-event-id", last_event_id);
        let opened = retrieve.open_stream();
        Box::pin(async move { read_response(opened.await?).await })
    }

    fn submit(&self, run: RunRef, outputs: Vec<ToolOutput>) -> ApiFuture<'_, StreamResponse> {
        let submit = self.client.runs(run.thread_id).submit_tool_outputs(run.run_id);
        let SubmitToolOutputs { client, params, .. } = submit.outputs(outputs);
        let opened = Box::new(params).open_stream(client, self.options.clone());
        Box::pin(async move { read_response(opened.await?).await })
    }

    fn run<'a>(&'a self, run: &'a RunRef) -> ApiFuture<'a, FetchedRun> {
        let retrieve = self.client.runs(&run.thread_id).retrieve(&run.run_id);
        let retrieve = retrieve.with_options(self.fetch_options());
        Box::pin(async move {
            let response = retrieve.send().await?;
            let poll_after = headers::poll_after(response.header_map());
            Ok(FetchedRun { run: response.into_inner(), poll_after })
        })
    }

    fn steps<'a>(
        &'a self,
        run: &'a RunRef,
        include: &'a [RunInclude],
    ) -> ApiFuture<'a, Vec<RunStep>> {
        let steps = self.client.runs(&run.thread_id).steps(&run.run_id).list();
        let steps = steps.with_options(self.fetch_options());
        let steps = include.iter().cloned().fold(steps, |steps, field| steps.include(field));
        let steps = steps.order(Order::Asc).limit(100);
        Box::pin(async move {
            let (mut items, mut all, mut size) = (steps.readable_items(), Vec::new(), 0_usize);
            while let Some(step) = items.try_next().await? {
                size += json_size(&step);
                if size > MAX_SNAPSHOT_BYTES {
                    return Err(snapshots_too_large());
                }
                all.push(step);
            }
            Ok(all)
        })
    }

    fn message<'a>(&'a self, thread_id: &'a str, id: &'a str) -> ApiFuture<'a, Option<Message>> {
        let message = self.client.messages(thread_id).retrieve(id);
        let message = message.with_options(self.fetch_options());
        Box::pin(async move {
            match message.await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn thread<'a>(&'a self, thread_id: &'a str) -> ApiFuture<'a, Thread> {
        self.client.threads().retrieve(thread_id).with_options(self.fetch_options()).into_future()
    }

    fn newest_runs<'a>(&'a self, thread_id: &'a str) -> ApiFuture<'a, Vec<Run>> {
        let runs = self.client.runs(thread_id).list().with_options(self.fetch_options());
        Box::pin(async move { Ok(runs.order(Order::Desc).limit(NEWEST_RUNS).await?.data) })
    }

    fn cancel(&self, run: RunRef) -> ApiFuture<'static, Run> {
        let cancel = self.client.runs(run.thread_id).cancel(run.run_id);
        cancel.with_options(self.options.clone()).into_future()
    }
}
