//! Requests whose run is streamed.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use runstep_api::ByteStream;
use runstep_api::types::{Run, RunInclude};
use tokio::time::Instant;

use super::recovery::RunOrigin;
use super::run_api::{ClientRunApi, read_response};
use super::run_stream::RunStream;
use super::settings::{DEFAULT_IDLE_TIMEOUT, StreamSettings};
use super::sse::DEFAULT_MAX_EVENT_BYTES;
use crate::client::{Client, HasClient};
use crate::error::Result;
use crate::polling::DEFAULT_DEADLINE;
use crate::resources::macros::example;
use crate::resources::{CreateRun, CreateThreadAndRun, SubmitToolOutputs};
use crate::run_ref::RunRef;
use crate::transport::{Response, ResponseFuture, TakesOptions};

/// The run of a request that opens a stream.
pub(crate) enum StreamTarget {
    /// A run that the request creates, together with a thread if `thread_id` is `None`.
    NewRun { thread_id: Option<String>, assistant_id: String },
    /// A run that exists: it continues after outputs of these calls.
    ExistingRun { run: RunRef, submitted_call_ids: Vec<String> },
    /// A run that exists, after the event with this id if it is not empty.
    Position { run: RunRef, last_event_id: String },
}

/// A request that opens a stream of events.
pub(crate) trait StartStream: HasClient + TakesOptions + Send + 'static {
    fn target(&self) -> StreamTarget;

    /// Returns whether the request creates the run.
    fn creates_run(&self) -> bool {
        matches!(self.target(), StreamTarget::NewRun { .. })
    }

    /// Returns the optional fields that the steps of the events include.
    fn include(&self) -> &[RunInclude] {
        &[]
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>>;
}

impl StartStream for CreateRun {
    fn target(&self) -> StreamTarget {
        let thread_id = Some(self.thread_id.clone());
        StreamTarget::NewRun { thread_id, assistant_id: self.body.assistant_id.clone() }
    }

    fn include(&self) -> &[RunInclude] {
        &self.include
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>> {
        Box::pin(self.open_stream())
    }
}

impl StartStream for CreateThreadAndRun {
    fn target(&self) -> StreamTarget {
        StreamTarget::NewRun { thread_id: None, assistant_id: self.body.assistant_id.clone() }
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>> {
        Box::pin(self.open_stream())
    }
}

impl StartStream for SubmitToolOutputs {
    fn target(&self) -> StreamTarget {
        let outputs = self.body.tool_outputs.iter();
        let submitted_call_ids = outputs.filter_map(|output| output.tool_call_id.clone()).collect();
        let run = RunRef::from((&self.thread_id, &self.run_id));
        StreamTarget::ExistingRun { run, submitted_call_ids }
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>> {
        Box::pin(self.open_stream())
    }
}

impl CreateRun {
    /// Creates the run and streams its events; see [`docs::streaming`](crate::docs::streaming).
    ///
    #[doc = example!("use runstep::RunEvent;

let mut events = runs.create(&assistant.id).stream().await?;
while let Some(event) = events.try_next().await? {
    match event {
        RunEvent::MessageDelta(delta) => print!(\"{}\", delta.text()),
        RunEvent::StepCreated(step) => println!(\"{}\", step.id),
        _ => {}
    }
}
let run = events.final_run().await?;
assert_eq!(run.status, \"requires_action\");")]
    pub fn stream(self) -> StreamRequest<Self> {
        StreamRequest::new(self)
    }
}

impl CreateThreadAndRun {
    /// Creates the thread and the run, and streams its events; see
    /// [`docs::streaming`](crate::docs::streaming).
    pub fn stream(self) -> StreamRequest<Self> {
        StreamRequest::new(self)
    }
}

impl SubmitToolOutputs {
    /// Submits the outputs and streams the events that follow. To continue a stream that has ended
    /// with `requires_action`, call
    /// [`RunStream::submit_tool_outputs`](crate::RunStream::submit_tool_outputs).
    pub fn stream(self) -> StreamRequest<Self> {
        StreamRequest::new(self)
    }
}

/// A request whose run is streamed; see [`CreateRun::stream`](crate::CreateRun::stream).
///
/// Awaiting it sends the request and returns the stream when the response starts. The headers, query
/// and timeout of the request apply to all further requests of the stream: recovering from a lost
/// connection, submitting outputs and cancelling the run.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct StreamRequest<R> {
    pub(crate) request: R,
    reconnect: bool,
    idle_timeout: Option<Duration>,
    max_event_bytes: usize,
    recovery_deadline: Duration,
    pub(crate) cancel_on_drop: bool,
}

impl<R> StreamRequest<R> {
    pub(crate) fn new(request: R) -> Self {
        Self {
            request,
            reconnect: true,
            idle_timeout: Some(DEFAULT_IDLE_TIMEOUT),
            max_event_bytes: DEFAULT_MAX_EVENT_BYTES,
            recovery_deadline: DEFAULT_DEADLINE,
            cancel_on_drop: false,
        }
    }

    /// Sets whether the stream recovers from a lost connection by resuming its events or fetching
    /// the run. Default: true. Without recovery, a lost connection is an error, and the run remains
    /// active.
    ///
    /// If the connection is lost before the first run event, the run is identified by the headers of
    /// the response or in the list of the thread's runs. A lost connection is an error nevertheless if
    /// the run cannot be identified, or if the request creates the thread as well and neither the
    /// headers nor an event name it; see [`docs::streaming`](crate::docs::streaming).
    ///
    /// Also sets whether the content of malformed events is fetched at the end; see
    /// [`RunStream::messages`].
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Sets how long the stream tries to recover from a lost connection. Default: 15 minutes
    /// ([`DEFAULT_DEADLINE`]).
    pub fn recovery_deadline(mut self, deadline: Duration) -> Self {
        self.recovery_deadline = deadline;
        self
    }

    /// Sets how long the connection can be idle, without events or comments, before it counts as
    /// lost. `None` disables the timeout. Default: [`DEFAULT_IDLE_TIMEOUT`]. The request timeout
    /// ([`ClientBuilder::timeout`](crate::ClientBuilder::timeout)) applies until the response starts.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into();
        self
    }

    /// Sets the maximum length of an event in bytes. A longer event is an error, and the stream
    /// continues after it. Default: [`DEFAULT_MAX_EVENT_BYTES`].
    pub fn max_event_bytes(mut self, limit: usize) -> Self {
        self.max_event_bytes = limit;
        self
    }

    /// Sets whether the run is cancelled if the stream is dropped before the run settles. Default:
    /// false. Requires a tokio runtime when the stream is dropped, and that the run is known: from
    /// the headers of the response or from the first run event.
    pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
        self.cancel_on_drop = cancel;
        self
    }

    pub(crate) fn map_request(self, change: impl FnOnce(R) -> R) -> Self {
        Self { request: change(self.request), ..self }
    }
}

impl<R: HasClient> HasClient for StreamRequest<R> {
    fn client(&self) -> &Client {
        self.request.client()
    }
}

impl<R: StartStream> StreamRequest<R> {
    /// Returns a stream of a run that requires outputs, before they are submitted.
    pub(crate) fn waiting_for_outputs(mut self, run: Run) -> RunStream {
        let (api, settings) = self.parts();
        RunStream::waiting_for_outputs(api, settings, run)
    }

    fn parts(&mut self) -> (Arc<ClientRunApi>, StreamSettings) {
        let client = self.request.client().clone();
        let settings = StreamSettings {
            include: self.request.include().to_vec(),
            reconnect: self.reconnect,
            idle_timeout: self.idle_timeout,
            max_event_bytes: self.max_event_bytes,
            recovery_deadline: self.recovery_deadline,
            cancel_on_drop: self.cancel_on_drop,
            backoff: client.settings().poll_backoff,
            error_policy: client.settings().poll_error_policy,
        };
        (Arc::new(ClientRunApi::new(client, self.request.options())), settings)
    }

    async fn open(mut self) -> Result<RunStream> {
        let (api, settings) = self.parts();
        let target = self.request.target();
        let sent = Instant::now();
        let response = self.request.open().await?;
        let elapsed = sent.elapsed();
        Ok(match target {
            StreamTarget::NewRun { thread_id, assistant_id } => {
                let origin =
                    RunOrigin::new(thread_id, assistant_id, response.header_map(), elapsed);
                RunStream::for_new_run(api, settings, read_response(response).await?, origin)
            }
            StreamTarget::ExistingRun { run, submitted_call_ids } => {
                let response = read_response(response).await?;
                RunStream::for_tool_outputs(api, settings, response, run, submitted_call_ids)
            }
            StreamTarget::Position { run, last_event_id } => {
                let response = read_response(response).await?;
                RunStream::at_position(api, settings, response, run, last_event_id)
            }
        })
    }
}

impl<R: StartStream> IntoFuture for StreamRequest<R> {
    type Output = Result<RunStream>;
    type IntoFuture = ResponseFuture<RunStream>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
