//! What a stream asks of the server besides the reply that it reads.

use std::future::{Future, IntoFuture as _};
use std::ops::Deref;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use reqwest::header::CONTENT_TYPE;
use runstep_api::ByteStream;
use runstep_api::types::{Message, Order, Run, RunInclude, RunStep, Thread, ToolOutput};

use super::leg::Body;
use super::open::StartStream as _;
use super::recovery::{MAX_KEPT, too_long};
use super::snapshots::json_size;
use crate::Client;
use crate::error::{Error, ErrorKind, Result, Source};
use crate::headers;
use crate::options::{RequestOptions, TakesOptions};
use crate::poll::RunRef;
use crate::response::Response;
use crate::retry::RetryPolicy;

/// How long a reply may be that is no stream, as with every other request.
const MAX_REPLY: usize = 64 * 1024 * 1024;

/// Among how many of the newest runs of a thread one is looked for that was made just now.
const NEWEST: u64 = 20;

pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A reply to a request that asks for events.
pub(super) enum Opened {
    Events(Body),
    /// The server does not stream, and tells the run as it is.
    Run(Box<Seen>),
}

/// A run as it was seen, and when the server asks to be asked again.
pub(super) struct Seen {
    pub(super) run: Run,
    pub(super) ask_after: Option<Duration>,
}

impl Deref for Seen {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// The server of a run.
pub(super) trait Remote: Send + Sync + 'static {
    /// The events after the one with this id, if the server still has them.
    fn resume<'a>(&'a self, run: &'a RunRef, last_event_id: &'a str) -> Answer<'a, Opened>;

    fn submit(&self, run: RunRef, outputs: Vec<ToolOutput>) -> Answer<'_, Opened>;

    fn run<'a>(&'a self, run: &'a RunRef) -> Answer<'a, Seen>;

    /// Oldest first.
    fn steps<'a>(&'a self, run: &'a RunRef, include: &'a [RunInclude]) -> Answer<'a, Vec<RunStep>>;

    /// None if it has been deleted.
    fn message<'a>(&'a self, thread_id: &'a str, id: &'a str) -> Answer<'a, Option<Message>>;

    fn thread<'a>(&'a self, thread_id: &'a str) -> Answer<'a, Thread>;

    /// The newest runs of a thread, the newest first.
    fn newest_runs<'a>(&'a self, thread_id: &'a str) -> Answer<'a, Vec<Run>>;

    fn cancel(&self, run: RunRef) -> Answer<'_, Run>;
}

/// The server that a client knows.
pub(super) struct Server {
    client: Client,
    /// What goes along with each request about the run.
    options: RequestOptions,
}

impl Server {
    /// Everything is asked with what went along with the request that opens the stream, but for
    /// what was that one's own.
    pub(super) fn new(client: Client, opening: &RequestOptions) -> Self {
        Self { client, options: opening.for_others() }
    }

    /// What goes along with a look. None is sent again by itself: whoever looks has a policy for it.
    fn look<R: TakesOptions>(&self, request: R) -> R {
        let retry = Some(RetryPolicy::none());
        request.with_options(RequestOptions { retry, ..self.options.clone() })
    }
}

impl Remote for Server {
    fn resume<'a>(&'a self, run: &'a RunRef, last_event_id: &'a str) -> Answer<'a, Opened> {
        let retrieve = self.look(self.client.runs(&run.thread_id).retrieve(&run.run_id));
        let retrieve = retrieve.header("last-event-id", last_event_id);
        Box::pin(async move { opened(retrieve.open().await?).await })
    }

    fn submit(&self, run: RunRef, outputs: Vec<ToolOutput>) -> Answer<'_, Opened> {
        let submit = self.client.runs(run.thread_id).submit_tool_outputs(run.run_id);
        let submit = submit.with_options(self.options.clone()).outputs(outputs);
        Box::pin(async move { opened(submit.open().await?).await })
    }

    fn run<'a>(&'a self, run: &'a RunRef) -> Answer<'a, Seen> {
        let retrieve = self.look(self.client.runs(&run.thread_id).retrieve(&run.run_id));
        Box::pin(async move {
            let reply = retrieve.send().await?;
            let ask_after = headers::poll_after(reply.header_map());
            Ok(Seen { run: reply.into_value(), ask_after })
        })
    }

    fn steps<'a>(&'a self, run: &'a RunRef, include: &'a [RunInclude]) -> Answer<'a, Vec<RunStep>> {
        let steps = self.look(self.client.runs(&run.thread_id).steps(&run.run_id).list());
        let steps = include.iter().cloned().fold(steps, |steps, what| steps.include(what));
        let steps = steps.order(Order::Asc).limit(100);
        Box::pin(async move {
            let (mut items, mut all, mut size) = (steps.items(), Vec::new(), 0_usize);
            while let Some(step) = items.try_next().await? {
                size += json_size(&step);
                if size > MAX_KEPT {
                    return Err(too_long());
                }
                all.push(step);
            }
            Ok(all)
        })
    }

    fn message<'a>(&'a self, thread_id: &'a str, id: &'a str) -> Answer<'a, Option<Message>> {
        let message = self.look(self.client.messages(thread_id).retrieve(id));
        Box::pin(async move {
            match message.await {
                Ok(message) => Ok(Some(message)),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn thread<'a>(&'a self, thread_id: &'a str) -> Answer<'a, Thread> {
        self.look(self.client.threads().retrieve(thread_id)).into_future()
    }

    fn newest_runs<'a>(&'a self, thread_id: &'a str) -> Answer<'a, Vec<Run>> {
        let runs = self.look(self.client.runs(thread_id).list());
        Box::pin(async move { Ok(runs.order(Order::Desc).limit(NEWEST).await?.data) })
    }

    fn cancel(&self, run: RunRef) -> Answer<'_, Run> {
        let cancel = self.client.runs(run.thread_id).cancel(run.run_id);
        cancel.with_options(self.options.clone()).into_future()
    }
}

/// What came, by its content type: an object of JSON is no stream.
pub(super) async fn opened(reply: Response<ByteStream>) -> Result<Opened> {
    let content_type = reply.header_map().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let is_json = content_type
        .is_some_and(|value| value.to_ascii_lowercase().starts_with(b"application/json"));
    let ask_after = headers::poll_after(reply.header_map());
    if !is_json {
        let body = reply.into_value().into_inner().map_err(Error::http);
        return Ok(Opened::Events(Box::pin(body)));
    }
    let headers = reply.header_map().clone();
    let mut body = Vec::new();
    let mut chunks = reply.into_value().into_inner();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::http(error).with_headers(&headers))?;
        if body.len() + chunk.len() > MAX_REPLY {
            let message = format!("the reply is longer than {MAX_REPLY} bytes");
            return Err(Error::new(ErrorKind::Decode, message).with_headers(&headers));
        }
        body.extend_from_slice(&chunk);
    }
    let run = runstep_api::decode(&body).map_err(|error| {
        Error::new(ErrorKind::Decode, format!("the reply cannot be decoded: {error}"))
            .with_source(Source::Json(error))
            .with_headers(&headers)
            .with_body(&body)
    })?;
    Ok(Opened::Run(Box::new(Seen { run, ask_after })))
}
