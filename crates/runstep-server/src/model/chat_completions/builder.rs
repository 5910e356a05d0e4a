//! The options that only this model has.

use std::sync::Arc;

use super::client::ChatCompletions;
use crate::model::upstream::{TokenLimitField, UpstreamBuilder, UpstreamError};

/// The endpoint's path below a base URL.
const PATH: &str = "/chat/completions";

impl ChatCompletions {
    /// Creates a builder for the endpoint below a base URL such as `http://127.0.0.1:11434/v1`. The
    /// URL can have a query, and can already end in `/chat/completions`.
    pub fn builder(base_url: impl Into<String>) -> UpstreamBuilder<Self> {
        UpstreamBuilder::new(base_url.into())
    }
}

impl UpstreamBuilder<ChatCompletions> {
    /// Sets the field for the limit of completion tokens. Default: `max_tokens`.
    pub fn token_limit_field(mut self, field: TokenLimitField) -> Self {
        self.settings.token_limit_field = field;
        self
    }

    /// Sets whether to request usage in streams (`stream_options`), which some providers reject.
    /// Usage that a provider does not report is estimated. Default: true.
    pub fn stream_usage(mut self, requested: bool) -> Self {
        self.settings.stream_usage = requested;
        self
    }

    /// Builds the model. This does not contact the provider.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL or the key is not valid, or if TLS cannot be set up.
    pub fn build(self) -> Result<ChatCompletions, UpstreamError> {
        Ok(ChatCompletions { upstream: Arc::new(self.upstream(PATH)?) })
    }
}
