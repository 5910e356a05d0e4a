//! The model of a provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use runstep_server::model::{ChatCompletions, Model, Responses, TokenLimitField, UpstreamBuilder};
use secrecy::SecretString;
use serde::Deserialize;

use super::error::ProgramError;
use super::files;
use super::options::{TokenLimit, UpstreamApi};
use super::settings::Settings;

/// A provider's model, and what the report shows about it.
pub(super) struct Upstream {
    pub(super) model: Arc<dyn Model>,
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
                _ if settings.upstream_api != UpstreamApi::ChatCompletions => {
                    Err(ProgramError::WithoutUpstream { option: "upstream-api" })
                }
                _ => Ok(None),
            };
        };
        let map: ModelMap = match &settings.model_map {
            Some(path) => files::toml(path, "model map")?,
            None => ModelMap::default(),
        };
        let mapped_names = map.models.len();
        let model: Arc<dyn Model> = match settings.upstream_api {
            UpstreamApi::Responses => {
                Arc::new(configure(Responses::builder(url), settings, map)?.build()?)
            }
            UpstreamApi::ChatCompletions => {
                let field = match settings.upstream_token_limit {
                    TokenLimit::MaxTokens => TokenLimitField::MaxTokens,
                    TokenLimit::MaxCompletionTokens => TokenLimitField::MaxCompletionTokens,
                };
                let builder = ChatCompletions::builder(url)
                    .stream_usage(settings.upstream_stream_usage)
                    .token_limit_field(field);
                Arc::new(configure(builder, settings, map)?.build()?)
            }
        };
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

/// Applies the settings that all APIs have.
fn configure<M>(
    builder: UpstreamBuilder<M>,
    settings: &Settings,
    map: ModelMap,
) -> Result<UpstreamBuilder<M>, ProgramError> {
    let mut builder = builder
        .max_retries(settings.upstream_retries)
        .idle_timeout(Duration::from_secs(settings.upstream_timeout_seconds));
    if let Some(name) = &settings.upstream_key_env {
        let missing = |_| ProgramError::NoUpstreamKey { name: name.clone() };
        builder = builder.api_key(SecretString::from(std::env::var(name).map_err(missing)?));
    }
    if let Some(default) = map.default {
        builder = builder.default_model(default);
    }
    for (requested, upstream) in map.models {
        builder = builder.map_model(requested, upstream);
    }
    Ok(builder)
}
