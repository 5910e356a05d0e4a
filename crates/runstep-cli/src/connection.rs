//! The connection to the provider: base URL, key and headers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runstep::{Client, SecretString};

use crate::error::CliError;

/// The variables of a provider. The key and the headers of a set are sent only to its own base URL.
struct Variables {
    base_url: &'static str,
    api_key: &'static str,
    headers: Option<&'static str>,
}

/// The sets of variables, in order of precedence. They are those of the SDK.
const VARIABLES: [Variables; 2] = [
    Variables {
        base_url: "RUNSTEP_BASE_URL",
        api_key: "RUNSTEP_API_KEY",
        headers: Some("RUNSTEP_HEADERS"),
    },
    Variables { base_url: "OPENAI_BASE_URL", api_key: "OPENAI_API_KEY", headers: None },
];

/// Where requests are sent, and with what.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionOptions {
    /// Base URL of the API, such as http://127.0.0.1:8080/v1 [default: RUNSTEP_BASE_URL, or else
    /// OPENAI_BASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Environment variable with the API key [default: RUNSTEP_API_KEY or OPENAI_API_KEY, whose base URL
    /// is used]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "api_key_file")]
    pub(crate) api_key_env: Option<String>,
    /// File whose first line is the API key
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Send the key in the header api-key, as Azure requires
    #[arg(long, global = true)]
    api_key_header: bool,
    /// Header of every request, such as 'X-Team: blue'. Other users of the machine can see it: put
    /// secrets into RUNSTEP_HEADERS, one header per line
    #[arg(long = "header", global = true, value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Query parameter of every request, such as api-version=2024-05-01-preview
    #[arg(long = "query", global = true, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,
    /// Allow plain HTTP to other machines, where anyone on the network path can read the key
    #[arg(long, global = true)]
    allow_plain_http: bool,
    /// Time limit of one request, such as 30s [default: 10m]
    #[arg(long, global = true, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// Parses a header.
fn header(argument: &str) -> Result<(String, String), String> {
    let (name, value) = argument.split_once(':').ok_or("expected `NAME: VALUE`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Parses a name and a value.
pub(crate) fn pair(argument: &str) -> Result<(String, String), String> {
    let (name, value) = argument.split_once('=').ok_or("expected `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Returns the value of an environment variable. An empty value counts as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl ConnectionOptions {
    /// Returns the base URL, and the variables that belong to it.
    fn target(&self) -> Result<(String, Option<&'static Variables>), CliError> {
        let same = |left: &str, right: &str| {
            left.trim().trim_end_matches('/') == right.trim().trim_end_matches('/')
        };
        let mut sets = VARIABLES.iter().filter_map(|set| Some((variable(set.base_url)?, set)));
        match &self.base_url {
            Some(url) => {
                let set = sets.find(|(base_url, _)| same(base_url, url)).map(|(_, set)| set);
                Ok((url.clone(), set))
            }
            None => {
                let (url, set) = sets.next().ok_or_else(|| {
                    CliError::usage(
                        "no base URL",
                        "set RUNSTEP_BASE_URL or OPENAI_BASE_URL, or use --base-url, such as \
                         --base-url http://127.0.0.1:8080/v1",
                    )
                })?;
                Ok((url, Some(set)))
            }
        }
    }

    fn api_key(&self, variables: Option<&Variables>) -> Result<Option<SecretString>, CliError> {
        if let Some(path) = &self.api_key_file {
            return Ok(Some(read_key(path)?));
        }
        if let Some(name) = &self.api_key_env {
            let key = variable(name).ok_or_else(|| {
                let message =
                    format!("the environment variable {name} of --api-key-env is not set");
                CliError::usage(message, "set it to the API key")
            })?;
            return Ok(Some(key.into()));
        }
        Ok(variables.and_then(|set| variable(set.api_key)).map(SecretString::from))
    }

    /// Returns the base URL.
    pub(crate) fn base_url(&self) -> Result<String, CliError> {
        self.target().map(|(url, _)| url)
    }

    /// Returns the variables with secrets, which commands of tools must not inherit.
    pub(crate) fn secret_variables(&self) -> Vec<&str> {
        let sets = VARIABLES.iter().flat_map(|set| [Some(set.api_key), set.headers]);
        sets.flatten().chain(self.api_key_env.as_deref()).collect()
    }

    /// Creates the client.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        let (url, variables) = self.target()?;
        let mut builder = Client::builder(url).allow_plain_http(self.allow_plain_http);
        let in_environment = variables.and_then(|set| set.headers).and_then(variable);
        for line in in_environment.iter().flat_map(|text| text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let (name, value) = header(line).map_err(|_| {
                CliError::usage(
                    "a line of RUNSTEP_HEADERS is not a header",
                    "write one `NAME: VALUE` per line",
                )
            })?;
            builder = builder.header(name, value);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in &self.query {
            builder = builder.query(name, value);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        builder = match self.api_key(variables)? {
            Some(key) if self.api_key_header => builder.api_key_header(key),
            Some(key) => builder.api_key(key),
            None => builder,
        };
        Ok(builder.build()?)
    }
}

fn read_key(path: &Path) -> Result<SecretString, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::read(path))?;
    match text.lines().next().map(str::trim).filter(|key| !key.is_empty()) {
        Some(key) => Ok(key.into()),
        None => Err(CliError::InvalidFile {
            path: path.to_owned(),
            reason: "its first line has no API key".to_owned(),
        }),
    }
}
