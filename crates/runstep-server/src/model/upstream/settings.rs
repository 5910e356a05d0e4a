//! The endpoint of a provider, and how to call it.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::retry::Backoff;

/// A provider's endpoint, and how to call it.
pub(crate) struct Upstream {
    pub(crate) client: reqwest::Client,
    pub(crate) endpoint: Url,
    pub(crate) settings: UpstreamSettings,
}

/// The settings of the calls.
#[derive(Debug)]
pub(crate) struct UpstreamSettings {
    pub(crate) api_key: Option<SecretString>,
    pub(crate) model_names: ModelNames,
    pub(crate) backoff: Backoff,
    pub(crate) idle_timeout: Duration,
    pub(crate) token_limit_field: TokenLimitField,
    pub(crate) stream_usage: bool,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            api_key: None,
            model_names: ModelNames::default(),
            backoff: Backoff {
                max_retries: 2,
                initial_delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(8),
            },
            // Local models take a while to load.
            idle_timeout: Duration::from_secs(120),
            token_limit_field: TokenLimitField::default(),
            stream_usage: true,
        }
    }
}

/// The provider's names of the models that runs request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelNames {
    pub(crate) mapped: BTreeMap<String, String>,
    pub(crate) default: Option<String>,
}

impl ModelNames {
    /// Returns the mapped name, else the default, else the requested name itself.
    pub(crate) fn upstream<'a>(&'a self, requested: &'a str) -> &'a str {
        self.mapped.get(requested).or(self.default.as_ref()).map_or(requested, String::as_str)
    }
}

/// The field of a request that limits the tokens of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenLimitField {
    /// `max_tokens`, which nearly all providers support. The default.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models require.
    MaxCompletionTokens,
}
