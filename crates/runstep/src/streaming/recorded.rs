//! Streams of recorded events, for tests of applications.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runstep_api::types::{
    Message, Run, RunInclude, RunStep, StreamEvent as RunEvent, Thread, ToolOutput,
};

use super::recovery::RunOrigin;
use super::run_api::{ApiFuture, FetchedRun, RunApi, StreamResponse};
use super::run_stream::RunStream;
use super::settings::StreamSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::run_request::DEFAULT_MAX_EVENT_BYTES;
use crate::transport::PollErrorPolicy;

impl RunStream {
    /// Creates a stream of these events, for a test. Requires the feature `test-util`.
    ///
    /// The stream behaves as if a server had sent the events and closed the connection: it applies them
    /// to its snapshots, and without a terminal event it ends with an error. It sends no requests, so
    /// submitting outputs is an error. Events after `thread.run.requires_action` are read as if outputs
    /// had been submitted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use runstep::{RunEvent, RunStream};
    ///
    /// /// The function under test.
    /// async fn answer(events: &mut RunStream) -> runstep::Result<String> {
    ///     let mut answer = String::new();
    ///     while let Some(piece) = events.text_deltas().try_next().await? {
    ///         answer += &piece;
    ///     }
    ///     Ok(answer)
    /// }
    ///
    /// let delta = r#"{"id": "msg_1", "object": "thread.message.delta",
    ///     "delta": {"content": [{"index": 0, "type": "text", "text": {"value": "Sunny."}}]}}"#;
    /// let mut events = RunStream::from_events([RunEvent::decode("thread.message.delta", delta)?]);
    /// // There is no terminal event.
    /// assert!(answer(&mut events).await.is_err());
    /// assert_eq!(events.messages()[0].text(), "Sunny.");
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_events(events: impl IntoIterator<Item = RunEvent>) -> Self {
        // Not as bytes: they cannot represent a carriage return in the data of an unknown event.
        let mut stream = Self::from_sse(Bytes::new());
        stream.record(events);
        stream
    }

    /// Creates a stream of recorded server-sent events, for a test: the body of a response with the
    /// content type `text/event-stream`. Otherwise as [`from_events`](Self::from_events). Requires the
    /// feature `test-util`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use runstep::{RunStream, StreamEnd};
    ///
    /// // Usually `include_bytes!("recorded.sse")`, recorded with `curl --no-buffer`.
    /// let recorded = "event: error\ndata: {\"message\": \"The model is overloaded.\"}\n\n";
    /// let mut events = RunStream::from_sse(recorded);
    /// let error = events.final_run().await.unwrap_err();
    /// assert!(error.message().contains("The model is overloaded."));
    /// assert_eq!(events.end(), Some(StreamEnd::ConnectionLost));
    /// # }
    /// ```
    pub fn from_sse(recorded: impl Into<Bytes>) -> Self {
        let settings = StreamSettings {
            include: Vec::new(),
            reconnect: false,
            idle_timeout: None,
            max_event_bytes: DEFAULT_MAX_EVENT_BYTES,
            recovery_deadline: Duration::ZERO,
            deadline: Duration::MAX,
            cancel_on_deadline: false,
            cancel_on_drop: false,
            backoff: None,
            error_policy: PollErrorPolicy::none(),
        };
        let recorded = recorded.into();
        let body = futures_util::stream::once(async move { Ok(recorded) });
        let response = StreamResponse::Events(Box::pin(body));
        let headers = reqwest::header::HeaderMap::new();
        let origin = RunOrigin::new(None, String::new(), &headers, Duration::ZERO);
        Self::for_new_run(Arc::new(NoServer), settings, response, origin)
    }
}

/// The API of a recording: there is no server.
struct NoServer;

fn no_server<T>() -> Result<T> {
    let message = "a stream of recorded events has no server; nothing was sent";
    Err(Error::new(ErrorKind::InvalidRequest, message))
}

impl RunApi for NoServer {
    fn resume<'a>(&'a self, _: &'a RunRef, _: &'a str) -> ApiFuture<'a, StreamResponse> {
        Box::pin(async { no_server() })
    }

    fn submit(&self, _: RunRef, _: Vec<ToolOutput>) -> ApiFuture<'_, StreamResponse> {
        Box::pin(async { no_server() })
    }

    fn run<'a>(&'a self, _: &'a RunRef) -> ApiFuture<'a, FetchedRun> {
        Box::pin(async { no_server() })
    }

    fn steps<'a>(&'a self, _: &'a RunRef, _: &'a [RunInclude]) -> ApiFuture<'a, Vec<RunStep>> {
        Box::pin(async { no_server() })
    }

    fn message<'a>(&'a self, _: &'a str, _: &'a str) -> ApiFuture<'a, Option<Message>> {
        Box::pin(async { no_server() })
    }

    fn thread<'a>(&'a self, _: &'a str) -> ApiFuture<'a, Thread> {
        Box::pin(async { no_server() })
    }

    fn newest_runs<'a>(&'a self, _: &'a str) -> ApiFuture<'a, Vec<Run>> {
        Box::pin(async { no_server() })
    }

    fn cancel(&self, _: RunRef) -> ApiFuture<'static, Run> {
        Box::pin(async { no_server() })
    }
}
