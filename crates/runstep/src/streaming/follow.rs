//! Streams of runs that exist already.

use std::time::Duration;

use runstep_api::ByteStream;
use runstep_api::types::RunInclude;

use super::request::{StartStream, StreamRequest, StreamTarget};
use crate::client::{Client, HasClient};
use crate::resources::macros::{example, header_setters};
use crate::resources::{RetrieveRun, Runs};
use crate::run_ref::RunRef;
use crate::transport::{RequestOptions, Response, ResponseFuture, TakesOptions};

/// A run that exists already; see [`Runs::stream`].
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct FollowRun {
    retrieve: RetrieveRun,
    include: Vec<RunInclude>,
    last_event_id: String,
}

impl Runs {
    /// Streams the events of a run that is under way, for example one that another process has created.
    ///
    /// [`last_event_id`](StreamRequest::last_event_id) resumes the events after a saved position.
    /// Without a position, or if the server cannot resume events, the run is polled and its events are
    /// synthesized, starting with `thread.run.created`; see
    /// [`RunStream::is_synthesized`](crate::RunStream::is_synthesized).
    ///
    #[doc = example!("let mut events = runs.create(&assistant.id).stream().await?;
let _first = events.try_next().await?;
let run_id = events.run().unwrap().id.clone();
let position = events.last_event_id().map(str::to_owned); // to be saved
drop(events);

let mut request = runs.stream(run_id);
if let Some(position) = position {
    request = request.last_event_id(position);
}
let mut events = request.await?;
while let Some(event) = events.try_next().await? {
    println!(\"{}\", event.event());
}
assert_eq!(events.run().unwrap().status, \"requires_action\");")]
    ///
    /// # Errors
    ///
    /// Awaiting it returns the errors of [`retrieve`](Self::retrieve). Errors of the stream are those of
    /// [`RunStream::try_next`](crate::RunStream::try_next).
    pub fn stream(&self, run_id: impl Into<String>) -> StreamRequest<FollowRun> {
        StreamRequest::new(FollowRun {
            retrieve: self.retrieve(run_id),
            include: Vec::new(),
            last_event_id: String::new(),
        })
    }
}

impl StreamRequest<FollowRun> {
    /// Resumes after the event with this id; see
    /// [`RunStream::last_event_id`](crate::RunStream::last_event_id). Snapshots of earlier messages and
    /// steps are fetched at the end of the stream.
    ///
    /// Servers define the format of ids and how long they keep events. If the server cannot resume after
    /// this id, all events of the run are synthesized.
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.request.last_event_id = id.into();
        self
    }

    /// Requests an optional field of the steps.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.request.include.push(include.into());
        self
    }

    header_setters!(request.retrieve.options, " to each request of the stream");

    /// Sets the timeout of each request of the stream, until its response starts. Default: the client's.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request.options().timeout = Some(timeout);
        self
    }
}

impl TakesOptions for FollowRun {
    fn options(&mut self) -> &mut RequestOptions {
        self.retrieve.options()
    }
}

impl HasClient for FollowRun {
    fn client(&self) -> &Client {
        &self.retrieve.client
    }
}

impl StartStream for FollowRun {
    fn target(&self) -> StreamTarget {
        let run = RunRef::from((&self.retrieve.thread_id, &self.retrieve.run_id));
        StreamTarget::Position { run, last_event_id: self.last_event_id.clone() }
    }

    fn include(&self) -> &[RunInclude] {
        &self.include
    }

    fn open(self) -> ResponseFuture<Response<ByteStream>> {
        let Self { retrieve, last_event_id, .. } = self;
        Box::pin(async move {
            if last_event_id.is_empty() {
                return retrieve.open_stream().await;
            }
            let resume = retrieve.clone().header("last-event-id", last_event_id);
            match resume.open_stream().await {
                // The server cannot resume after this id. It may be able to return the run.
                Err(error) if error.status().is_some() && !error.is_authentication() => {
                    retrieve.open_stream().await
                }
                response => response,
            }
        })
    }
}
