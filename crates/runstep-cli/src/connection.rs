//! The connection to the provider: base URL, key and headers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runstep::Client;

use crate::error::CliError;
use crate::input::{self, MAX_KEY_KIB};
use crate::secrets::Secrets;

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
    #[arg(long = "header", global = true, value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Query parameter of every request, such as api-version=2024-05-01-preview
    #[arg(long = "query", global = true, value_name = "NAME=VALUE", value_parser = pair)]
    query: Vec<(String, String)>,
    /// Allow plain HTTP to other machines, where anyone on the network path can read the key
    #[arg(long, global = true)]
    allow_plain_http: bool,
    /// Time limit of one request, of at least 1ms, such as 30s [default: 10m]
    #[arg(long, global = true, value_name = "DURATION", value_parser = time_limit)]
    timeout: Option<Duration>,
    /// The secrets of the client, as soon as it is created.
    #[arg(skip)]
    pub(crate) secrets: Secrets,
}

/// Parses a header.
fn header(argument: &str) -> Option<(&str, &str)> {
    let (name, value) = argument.split_once(':')?;
    Some((name.trim(), value.trim()))
}

/// Parses the time limit of an operation. With none at all it could not succeed.
pub(crate) fn time_limit(argument: &str) -> Result<Duration, String> {
    let limit = humantime::parse_duration(argument).map_err(|error| error.to_string())?;
    match limit >= Duration::from_millis(1) {
        true => Ok(limit),
        false => Err("expected a duration of at least 1ms, such as 30s".to_owned()),
    }
}

/// Returns whether the name of a header or of a parameter says that its value is a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie", "password", "credential", "signature"]
        .iter()
        .any(|part| name.contains(part))
}

/// Returns whether a text looks like the name of an environment variable, rather than like a key.
fn is_variable_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    text.len() <= 64
        && text.starts_with(is_letter)
        && text.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit())
}

/// Returns whether a text looks like a path, rather than like a key.
fn is_path(path: &Path) -> bool {
    if path.to_string_lossy().starts_with("sk-") {
        return false;
    }
    let has_folder = path.parent().is_some_and(|folder| folder != Path::new(""));
    has_folder || path.extension().is_some() || path.as_os_str().len() < 16
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

    fn api_key(&self, variables: Option<&Variables>) -> Result<Option<String>, CliError> {
        if let Some(path) = &self.api_key_file {
            return read_key(path).map(Some);
        }
        if let Some(name) = &self.api_key_env {
            let key = variable(name).ok_or_else(|| {
                // The argument may be the key itself.
                match is_variable_name(name) {
                    true => CliError::usage(
                        format!("the environment variable {name} of --api-key-env is not set"),
                        "set it to the API key",
                    ),
                    false => CliError::usage(
                        "the environment variable of --api-key-env is not set",
                        "--api-key-env is the name of a variable with the API key, not the key",
                    ),
                }
            })?;
            return Ok(Some(key));
        }
        Ok(variables.and_then(|set| variable(set.api_key)))
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
            let (name, value) = header(line).ok_or_else(|| {
                CliError::usage(
                    "a line of RUNSTEP_HEADERS is not a header",
                    "write one `NAME: VALUE` per line",
                )
            })?;
            self.secrets.add_header(value);
            builder = builder.header(name, value);
        }
        for argument in &self.headers {
            // The argument is not shown: it may be a key.
            let (name, value) = header(argument).ok_or_else(|| {
                CliError::usage("--header is not valid", "expected `NAME: VALUE`")
            })?;
            if is_secret(name) {
                self.secrets.add_header(value);
            }
            builder = builder.header(name, value);
        }
        for (name, value) in &self.query {
            if is_secret(name) {
                self.secrets.add(value);
            }
            builder = builder.query(name, value);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        let key = self.api_key(variables)?;
        if let Some(key) = &key {
            self.secrets.add(key);
        }
        builder = match key {
            Some(key) if self.api_key_header => builder.api_key_header(key),
            Some(key) => builder.api_key(key),
            None => builder,
        };
        Ok(builder.build()?)
    }
}

fn read_key(path: &Path) -> Result<String, CliError> {
    let shown = match is_path(path) {
        true => path,
        false => Path::new("the file of --api-key-file"),
    };
    let text = input::read_file(path, MAX_KEY_KIB).map_err(|error| error.with_path(shown))?;
    match text.lines().next().map(str::trim).filter(|key| !key.is_empty()) {
        Some(key) => Ok(key.to_owned()),
        None => Err(CliError::InvalidFile {
            path: shown.to_owned(),
            reason: "its first line has no API key".to_owned(),
        }),
    }
}
