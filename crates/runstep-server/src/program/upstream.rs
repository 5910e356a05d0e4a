//! The model behind a provider, if one is named.

use std::collections::BTreeMap;
use std::time::Duration;

use runstep_server::model::{ChatCompletions, TokenLimitField};
use secrecy::SecretString;
use serde::Deserialize;

use super::error::ProgramError;
use super::files;
use super::options::TokenLimit;
use super::settings::Settings;

/// A model, and what there is to say about it.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) model: ChatCompletions,
    key_env: Option<String>,
    names: usize,
}

/// What the provider calls the models that runs ask for, as a file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ModelMap {
    /// For the names that are not listed; without it they go upstream as they are.
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
            .retries(settings.upstream_retries)
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
        let names = map.models.len();
        for (asked, upstream) in map.models {
            builder = builder.model_name(asked, upstream);
        }
        let model = builder.build()?;
        Ok(Some(Self { model, key_env: settings.upstream_key_env.clone(), names }))
    }

    pub(super) fn summary(&self) -> String {
        let key = match &self.key_env {
            Some(name) => format!("the key in {name}, hidden"),
            None => "no key".to_owned(),
        };
        format!("# upstream: {key}; {} model name(s) mapped", self.names)
    }
}
