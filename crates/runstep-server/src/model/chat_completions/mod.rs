//! A model behind any `/chat/completions` endpoint that is compatible with OpenAI's.
//!
//! Data flows one way: a request becomes a [`body`]; a [`call`] sends it, again where that is
//! safe; its reply is cut into [`chunk`]s by [`events`]; an [`answer`] makes model events of them,
//! with the parts of function calls matched by [`tool_calls`].

mod answer;
mod body;
mod builder;
mod call;
mod chunk;
mod events;
mod failure;
mod names;
mod retry;
mod tool_calls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Url;
use secrecy::SecretString;

pub use self::builder::{ChatCompletionsBuilder, ChatCompletionsError, TokenLimitField};
use self::names::Names;
use self::retry::Backoff;
use super::{Model, ModelRequest, ModelStream};

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
///     .model_name("gpt-4o", "qwen2.5:7b") // runs that ask for gpt-4o get this
///     .default_model("llama3.2") // and all others this
///     .build()?;
/// let server = Server::builder().model(model).spawn().await?;
/// # Ok(())
/// # }
/// ```
///
/// Answers are streamed; from a provider that does not stream they come in one piece. A request is
/// sent again after a failed connection and after the statuses 408, 409, 429 and 5xx, with growing
/// pauses or when the provider says, but only before the first part of an answer: a run never
/// repeats itself. Dropping the stream closes the connection, so that the provider stops too.
///
/// What fails becomes the run's `last_error`: `rate_limit_exceeded` for a 429, `invalid_prompt` for
/// a conversation that the provider refuses, `server_error` for all else. No message tells the key.
///
/// Clones share one pool of connections.
#[derive(Clone)]
pub struct ChatCompletions {
    upstream: Arc<Upstream>,
}

/// Where and how to ask.
struct Upstream {
    client: reqwest::Client,
    endpoint: Url,
    api_key: Option<SecretString>,
    names: Names,
    backoff: Backoff,
    idle_timeout: Duration,
    token_limit_field: TokenLimitField,
    stream_usage: bool,
}

impl ChatCompletions {
    /// Begins a model behind the endpoint below this URL, such as `http://127.0.0.1:11434/v1`. The
    /// URL may have a query, and may name the endpoint itself.
    pub fn builder(base_url: impl Into<String>) -> ChatCompletionsBuilder {
        ChatCompletionsBuilder::new(base_url.into())
    }
}

impl Model for ChatCompletions {
    fn respond(&self, request: ModelRequest) -> ModelStream {
        let upstream = Arc::clone(&self.upstream);
        let answering = async move { call::begin(upstream, &request).await };
        Box::pin(stream::once(answering).map_ok(call::Reply::into_events).try_flatten().fuse())
    }

    fn sees_images(&self) -> bool {
        true
    }
}

impl fmt::Debug for ChatCompletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL's query may hold a secret.
        f.debug_struct("ChatCompletions")
            .field("host", &self.upstream.endpoint.host_str())
            .field("names", &self.upstream.names)
            .finish_non_exhaustive()
    }
}
