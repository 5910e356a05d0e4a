//! The model that calls a provider.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use reqwest::StatusCode;

use super::body::{body, has_reasoning};
use super::decoder::EventDecoder;
use crate::model::upstream::{self, Response, Upstream};
use crate::model::{
    CodeOutput, Model, ModelError, ModelEvent, ModelRequest, ModelStream, UpstreamResources,
    prompt_tokens,
};

/// A model behind an OpenAI-compatible `/responses` endpoint. Its provider executes the built-in
/// tools `file_search` and `code_interpreter`, and has the files and vector stores that they use.
///
/// ```
/// use runstep_server::Server;
/// use runstep_server::model::Responses;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = Responses::builder("https://api.openai.com/v1").api_key("key").build()?;
/// let server = Server::builder().model(model).spawn().await?;
/// # Ok(())
/// # }
/// ```
///
/// Responses are streamed and not stored by the provider. Retries, timeouts and errors are those of
/// [`ChatCompletions`](crate::model::ChatCompletions). Calls of built-in tools happen within one
/// response, and their results become model events. A citation of a file becomes a marker in the
/// text, such as `【1:0†source】`, at the place to which the text has been streamed by then. An image
/// of the code interpreter becomes a file of the provider.
///
/// The model requests its reasoning in encrypted form, to send it back with the calls that followed
/// it. If the provider rejects that, the request is repeated without reasoning.
///
/// Clones share a connection pool.
#[derive(Clone)]
pub struct Responses {
    upstream: Arc<Upstream>,
    resources: UpstreamResources,
    /// The models that have no encrypted reasoning.
    without_reasoning: Arc<Mutex<BTreeSet<String>>>,
}

impl Responses {
    pub(super) fn new(upstream: Upstream, transfers: reqwest::Client) -> Self {
        let upstream = Arc::new(upstream);
        let resources = UpstreamResources::new(Arc::clone(&upstream), transfers);
        Self { upstream, resources, without_reasoning: Arc::default() }
    }

    async fn start(&self, request: &ModelRequest) -> Response<EventDecoder> {
        let with_reasoning = !self.without_reasoning.lock().contains(&request.model);
        let response = self.send(request, with_reasoning).await;
        let is_rejected = response.failure().is_some_and(|error| {
            let message = error.model_error.message.to_lowercase();
            error.status == Some(StatusCode::BAD_REQUEST)
                && ["encrypted", "reasoning", "'include"].iter().any(|word| message.contains(word))
        });
        if !with_reasoning || !is_rejected {
            return response;
        }
        let response = self.send(request, false).await;
        // With reasoning of earlier responses it may be that what the provider has rejected.
        if response.failure().is_none() && !has_reasoning(request) {
            self.without_reasoning.lock().insert(request.model.clone());
        }
        response
    }

    async fn send(&self, request: &ModelRequest, with_reasoning: bool) -> Response<EventDecoder> {
        let upstream = Arc::clone(&self.upstream);
        let body = Bytes::from(body(request, &upstream, with_reasoning));
        let prompt_tokens = prompt_tokens(request);
        upstream::start(upstream, body, || EventDecoder::new(prompt_tokens)).await
    }
}

impl Model for Responses {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let model = self.clone();
        let resources = self.resources.clone();
        let response = async move { model.start(&request).await.into_events() };
        let events = stream::once(response).flatten();
        Box::pin(events.then(move |event| upload_images(resources.clone(), event)).fuse())
    }

    fn supports_images(&self) -> bool {
        true
    }

    fn description(&self) -> String {
        let host = self.upstream.endpoint.host_str().unwrap_or_default();
        format!("responses of {host}")
    }

    fn supports_built_in_tools(&self) -> bool {
        true
    }

    fn resources(&self) -> Option<UpstreamResources> {
        Some(self.resources.clone())
    }
}

/// Replaces the data of images by ids of files, and omits images that cannot be uploaded.
async fn upload_images(
    resources: UpstreamResources,
    mut event: Result<ModelEvent, ModelError>,
) -> Result<ModelEvent, ModelError> {
    let Ok(ModelEvent::CodeInterpreterEnd { call, .. }) = &mut event else { return event };
    for output in std::mem::take(&mut call.outputs) {
        let output = match output {
            CodeOutput::Image { file_id } if file_id.contains(':') => {
                let uploaded = resources.upload_image(&file_id).await;
                uploaded.map(|file_id| CodeOutput::Image { file_id })
            }
            output => Some(output),
        };
        call.outputs.extend(output);
    }
    event
}

impl fmt::Debug for Responses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL's query may contain a secret.
        f.debug_struct("Responses")
            .field("host", &self.upstream.endpoint.host_str())
            .field("model_names", &self.upstream.settings.model_names)
            .finish_non_exhaustive()
    }
}
