//! What the requests about runs do, without their types.

use runstep_api::ByteStream;
#[cfg(feature = "tools")]
use runstep_api::types::{ResponseFormat, Tool};
use runstep_api::types::{Run, RunInclude};

use super::requests::{
    CreateRunParams, CreateThreadAndRunParams, RetrieveRun, SubmitToolOutputsParams,
};
use crate::client::{Call, Client, CompletedCall};
use crate::run_ref::RunRef;
use crate::run_request::{Action, RunAction, RunTarget, StartRun, sealed::Sealed};
use crate::transport::{RequestOptions, Response, ResponseFuture};

/// Implements the traits of a request that creates a run or continues one.
macro_rules! start_run {
    ($Params:ident { $($method:item)+ }) => {
        impl Sealed for $Params {}

        #[diagnostic::do_not_recommend]
        impl StartRun for $Params {
            fn into_action(self) -> Action {
                Action::new(self)
            }
        }

        impl RunAction for $Params {
            fn send(
                self: Box<Self>,
                client: Client,
                options: RequestOptions,
            ) -> ResponseFuture<Response<Run>> {
                Call::new(client, options, self).read(CompletedCall::object)
            }

            fn open(
                self: Box<Self>,
                client: Client,
                options: RequestOptions,
            ) -> ResponseFuture<Response<ByteStream>> {
                self.open_stream(client, options)
            }

            $($method)+
        }
    };
}

start_run!(CreateRunParams {
    fn target(&self) -> RunTarget {
        let thread_id = Some(self.thread_id.clone());
        RunTarget::New { thread_id, assistant_id: self.body.assistant_id.clone() }
    }

    fn include(&self) -> &[RunInclude] {
        &self.include
    }

    #[cfg(feature = "tools")]
    fn add_tools(&mut self, tools: Vec<Tool>) {
        self.body.tools.get_or_insert_default().extend(tools);
    }

    #[cfg(feature = "tools")]
    fn set_response_format(&mut self, format: ResponseFormat) {
        self.body.response_format = format.into();
    }
});

start_run!(CreateThreadAndRunParams {
    fn target(&self) -> RunTarget {
        RunTarget::New { thread_id: None, assistant_id: self.body.assistant_id.clone() }
    }

    #[cfg(feature = "tools")]
    fn add_tools(&mut self, tools: Vec<Tool>) {
        self.body.tools.get_or_insert_default().extend(tools);
    }

    #[cfg(feature = "tools")]
    fn set_response_format(&mut self, format: ResponseFormat) {
        self.body.response_format = format.into();
    }
});

start_run!(SubmitToolOutputsParams {
    fn target(&self) -> RunTarget {
        let outputs = self.body.tool_outputs.iter();
        let submitted_call_ids = outputs.filter_map(|output| output.tool_call_id.clone()).collect();
        let run = RunRef::from((&self.thread_id, &self.run_id));
        RunTarget::Continued { run, submitted_call_ids }
    }
});

/// A run that exists already: its action is to fetch it, or to follow its events.
pub(crate) struct ExistingRun {
    pub(crate) run: RunRef,
    pub(crate) include: Vec<RunInclude>,
    /// The position after which its events are requested; empty for none.
    pub(crate) last_event_id: String,
}

impl ExistingRun {
    fn retrieve(&self, client: &Client, options: RequestOptions) -> RetrieveRun {
        RetrieveRun::new(client, &self.run.thread_id, &self.run.run_id).with_options(options)
    }
}

impl RunAction for ExistingRun {
    fn target(&self) -> RunTarget {
        let (run, last_event_id) = (self.run.clone(), self.last_event_id.clone());
        RunTarget::Existing { run, last_event_id }
    }

    fn include(&self) -> &[RunInclude] {
        &self.include
    }

    fn send(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<Run>> {
        self.retrieve(&client, options).send()
    }

    fn open(
        self: Box<Self>,
        client: Client,
        options: RequestOptions,
    ) -> ResponseFuture<Response<ByteStream>> {
        let retrieve = self.retrieve(&client, options);
        Box::pin(async move {
            if self.last_event_id.is_empty() {
                return retrieve.open_stream().await;
            }
            let resume = retrieve.clone().header("last-event-id", self.last_event_id);
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
