//! What a request does, without its type.

use runstep_api::ByteStream;
#[cfg(feature = "tools")]
use runstep_api::types::{ResponseFormat, Tool};
use runstep_api::types::{Run, RunInclude};

use crate::client::Client;
use crate::run_ref::RunRef;
use crate::transport::{RequestOptions, Response, ResponseFuture};
#[cfg(feature = "tools")]
use crate::{error::Result, suspended::ResumedRound};

/// The action of a request, whatever its parameters are.
pub struct Action(pub(crate) Box<dyn RunAction>);

impl Action {
    pub(crate) fn new(action: impl RunAction) -> Self {
        Self(Box::new(action))
    }
}

/// The run of a request.
pub(crate) enum RunTarget {
    /// A run that the request creates, together with a thread if `thread_id` is `None`.
    New { thread_id: Option<String>, assistant_id: String },
    /// A run that exists: it continues after outputs of these calls.
    Continued { run: RunRef, submitted_call_ids: Vec<String> },
    /// A run that exists, after the event with this id if it is not empty. There is nothing to send but
    /// fetches.
    Existing { run: RunRef, last_event_id: String },
}

/// The parameters of a request about a run.
pub(crate) trait RunAction: Send + 'static {
    fn target(&self) -> RunTarget;

    /// Sends the request.
    fn send(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<Run>>;

    /// Sends the request and returns its response as a stream of bytes.
    fn open(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<ByteStream>>;

    /// Returns the optional fields that the steps of the run include.
    fn include(&self) -> &[RunInclude] {
        &[]
    }

    /// Adds tool definitions. A run that exists keeps its own.
    #[cfg(feature = "tools")]
    fn add_tools(&mut self, _tools: Vec<Tool>) {}

    /// Sets the format of the answer. A run that exists keeps its own.
    #[cfg(feature = "tools")]
    fn set_response_format(&mut self, _format: ResponseFormat) {}

    /// Returns the suspended round that the request continues, if it does.
    #[cfg(feature = "tools")]
    fn resumed_round(&self) -> Result<Option<ResumedRound>> {
        Ok(None)
    }
}
