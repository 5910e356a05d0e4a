//! The model that calls a provider.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::{StreamExt as _, stream};

use super::body::body;
use super::decoder::ChunkDecoder;
use crate::model::upstream::{self, Upstream};
use crate::model::{Model, ModelRequest, ModelStream, prompt_tokens};

/// A model behind an OpenAI-compatible `/chat/completions` endpoint, such as Ollama's, vLLM's,
/// llama.cpp's or a hosted provider's.
///
/// ```
/// use runstep_server::Server;
/// use runstep_server::model::ChatCompletions;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ChatCompletions::builder("http://127.0.0.1:11434/v1")
///     .map_model("gpt-4o", "qwen2.5:7b") // for runs that request gpt-4o
///     .default_model("llama3.2") // for all others
///     .build()?;
/// let server = Server::builder().model(model).spawn().await?;
/// # Ok(())
/// # }
/// ```
///
/// Responses are streamed; a provider that does not stream returns them at once. Failed connections
/// and the statuses 408, 409, 429 and 5xx are retried, with exponential backoff or after the
/// provider's `Retry-After`, but only before the first event of a response, so that a run never
/// repeats itself. Dropping the stream closes the connection, which stops the provider.
///
/// A response that is empty, has only reasoning, or ends within a call's arguments is an error, and
/// so is a connection that is only kept alive for twice the idle timeout.
///
/// Errors become the run's `last_error`: `rate_limit_exceeded` for a 429, `invalid_prompt` for a
/// conversation that the provider rejects, and `server_error` for everything else. No message
/// contains the key.
///
/// Clones share a connection pool.
#[derive(Clone)]
pub struct ChatCompletions {
    pub(super) upstream: Arc<Upstream>,
}

impl Model for ChatCompletions {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let upstream = Arc::clone(&self.upstream);
        let response = async move {
            let body = Bytes::from(body(&request, &upstream));
            let prompt_tokens = prompt_tokens(&request);
            let decoder = || ChunkDecoder::new(prompt_tokens);
            upstream::start(upstream, body, decoder).await.into_events()
        };
        Box::pin(stream::once(response).flatten().fuse())
    }

    fn supports_images(&self) -> bool {
        true
    }

    fn description(&self) -> String {
        let host = self.upstream.endpoint.host_str().unwrap_or_default();
        format!("chat completions of {host}")
    }
}

impl fmt::Debug for ChatCompletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL's query may contain a secret.
        f.debug_struct("ChatCompletions")
            .field("host", &self.upstream.endpoint.host_str())
            .field("model_names", &self.upstream.settings.model_names)
            .finish_non_exhaustive()
    }
}
