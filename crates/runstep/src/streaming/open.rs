//! Opens the stream of a request about a run.

use std::sync::Arc;

use runstep_api::types::Run;
use tokio::time::Instant;

use super::recovery::RunOrigin;
use super::response::read_response;
use super::run_api::ClientRunApi;
use super::run_stream::RunStream;
use super::settings::StreamSettings;
use crate::error::Result;
use crate::polling::{self, CancelLate, InFlight};
use crate::run_request::{ErasedRequest, Plain, RunMode, RunTarget};
use crate::time::deadline_after;
use crate::transport::ResponseFuture;

impl RunMode for Plain {
    type Polled = Run;
    type Streamed = RunStream;

    fn poll(self, request: ErasedRequest) -> ResponseFuture<Run> {
        polling::poll(request)
    }

    fn stream(self, request: ErasedRequest) -> ResponseFuture<RunStream> {
        Box::pin(open(request))
    }
}

/// Sends the request and returns the stream when the response starts.
pub(crate) async fn open(request: ErasedRequest) -> Result<RunStream> {
    let ErasedRequest { client, action, options } = request;
    let deadline = deadline_after(options.deadline);
    let settings = StreamSettings::new(&client, &options, action.include());
    let api = Arc::new(ClientRunApi::new(client.clone(), options.related()));
    let related = options.related();
    let cancel_late = CancelLate::new(&action.target(), &client, related, RunStream::cancel_late);
    let opened = async move {
        let (target, sent) = (action.target(), Instant::now());
        let response = action.open(client, options.request).await?;
        let elapsed = sent.elapsed();
        Ok(match target {
            RunTarget::New { thread_id, assistant_id } => {
                let origin =
                    RunOrigin::new(thread_id, assistant_id, response.header_map(), elapsed);
                RunStream::for_new_run(api, settings, read_response(response).await?, origin)
            }
            RunTarget::Continued { run, submitted_call_ids } => {
                let response = read_response(response).await?;
                RunStream::for_tool_outputs(api, settings, response, run, submitted_call_ids)
            }
            RunTarget::Existing { run, last_event_id } => {
                let response = read_response(response).await?;
                RunStream::at_position(api, settings, response, run, last_event_id)
            }
        })
    };
    let in_flight = InFlight {
        request: Box::pin(opened),
        cancel: Some(cancel_late),
        on_drop: options.cancel_on_drop,
        on_deadline: options.cancel_on_deadline,
    };
    Ok(in_flight.result(deadline).await?.with_deadline(deadline))
}

/// Returns the stream of a run that requires outputs, before they are submitted.
#[cfg(feature = "tools")]
pub(crate) fn waiting_for_outputs(
    client: crate::client::Client,
    options: &crate::run_request::RunOptions,
    run: Run,
) -> RunStream {
    let settings = StreamSettings::new(&client, options, &[]);
    let api = Arc::new(ClientRunApi::new(client, options.related()));
    RunStream::waiting_for_outputs(api, settings, run)
}
