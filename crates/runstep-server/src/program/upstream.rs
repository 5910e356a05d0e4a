//! The model of a provider.

use std::collections::BTreeMap;
use std::time::Duration;

use runstep_server::model::{ChatCompletions, TokenLimitField};
use secrecy::SecretString;
use serde::Deserialize;

use super::error::ProgramError;
use super::files;
use super::options::TokenLimit;
use super::settings::Settings;

/// A provider's model, and what the report shows about it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) model: ChatCompletions,
    key_env: Option<String>,
    mapped_names: usize,
}

/// The file of the provider's names of models.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ModelMap {
    /// The name for models that are not listed. Without it they keep their name.
    default: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, String>,
}

impl Upstream {
    pub(super) fn new(settings: &Settings) -> Result<Option<Self>, ProgramError> {
        let Some(url) = &settings.upstream else {
            return match (&settings.upstream_key_env, &settings.model_map) {
                (Some(_), _) => Err(ProgramError::WithoutUpstream { option: "upstream-key-env" }),
                (_, Some(_)) => Err(ProgramError::WithoutUpstream { option: "model-map" }),
                _ => Ok(None),
            };
        };
        let map: ModelMap = match &settings.model_map {
            Some(path) => files::toml(path, "model map")?,
            None => ModelMap::default(),
        };
        let mut builder = ChatCompletions::builder(url)
            .max_retries(settings.upstream_retries)
            .idle_timeout(Duration::from_secs(settings.upstream_timeout_seconds))
            .stream_usage(settings.upstream_stream_usage)
            .token_limit_field(match settings.upstream_token_limit {
                TokenLimit::MaxTokens => TokenLimitField::MaxTokens,
                TokenLimit::MaxCompletionTokens => TokenLimitField::MaxCompletionTokens,
            });
        if let Some(name) = &settings.upstream_key_env {
            let missing = |_| ProgramError::NoUpstreamKey { name: name.clone() };
            builder = builder.api_key(SecretString::from(std::env::var(name).map_err(missing)?));
        }
        if let Some(default) = map.default {
            builder = builder.default_model(default);
        }
        let mapped_names = map.models.len();
        for (requested, upstream) in map.models {
            builder = builder.map_model(requested, upstream);
        }
        let model = builder.build()?;
        Ok(Some(Self { model, key_env: settings.upstream_key_env.clone(), mapped_names }))
    }

    pub(super) fn summary(&self) -> String {
        let key = match &self.key_env {
            Some(name) => format!("API key from {name}, hidden"),
            None => "no API key".to_owned(),
        };
        format!("# upstream: {key}; {} mapped model name(s)", self.mapped_names)
    }
}
