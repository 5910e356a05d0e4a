//! The options of the command line, the environment and the configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use super::commands::Command;
use super::data::OptionDuration;

/// The defaults, as a configuration file.
pub(super) const DEFAULTS: &str = include_str!("defaults.toml");

/// A server of the Run and Run Step API.
///
/// Every option can also be set by an environment variable or, under the name of the flag, in a
/// TOML file. Flags override the environment, which overrides the file.
///
/// Ctrl-C or SIGTERM stops the program when all responses are complete; a second one stops it at
/// once.
#[derive(Debug, Parser)]
#[command(version, next_line_help = true)]
pub(crate) struct Arguments {
    /// A TOML file of options; paths in it are relative to its directory
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// Print the resulting options, without secrets, and exit
    #[arg(long)]
    pub(super) check_config: bool,
    /// Fill the server with sample runs, and let a model of its own respond, to try the page. Without
    /// --data nothing is kept
    #[arg(long)]
    pub(super) demo: bool,
    #[command(flatten)]
    pub(super) options: Options,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Arguments {
    /// Parses the command line and the environment. Exits with a message for `--help` or an error.
    pub(crate) fn read() -> Self {
        let matches = Self::command().mut_args(complete).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Adds the environment variable of an option, such as `RUNSTEP_LOG_LEVEL`, and its default to the
/// help.
fn complete(option: clap::Arg) -> clap::Arg {
    if !option.get_action().takes_values() {
        return option;
    }
    let variable = option.get_id().as_str().to_uppercase();
    let option = option.env(format!("RUNSTEP_{variable}")).hide_env_values(true);
    let default = DEFAULTS.lines().find_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        (Some(name) == option.get_long() && value != "[]").then_some(value)
    });
    match (default, option.get_help()) {
        (Some(default), Some(help)) => {
            let help = format!("{help} [default: {}]", default.trim_matches('"'));
            option.help(help)
        }
        _ => option,
    }
}

/// The options, all of which are optional.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Options {
    /// The address to listen on; other than loopback only with --api-key-file
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A file of the accepted API keys, one per line; each key has its own objects. Without it no
    /// key is required, and web pages are accepted only from the allowed origins
    #[arg(long, value_name = "FILE")]
    pub(super) api_key_file: Option<PathBuf>,
    /// Comma-separated web origins whose pages can call this server (CORS); * for any. Without it
    /// none can
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Option<Vec<String>>,
    /// Do not serve the page /ui, which shows threads and runs in a browser
    #[arg(
        long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true,
        default_missing_value = "true"
    )]
    no_ui: Option<bool>,
    /// Whether requests need the header 'OpenAI-Beta: assistants=v2', as the original API demanded; for
    /// tests of clients
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    strict_beta_header: Option<bool>,

    /// The file that keeps all objects, the address of a Postgres database that several servers can
    /// share, or :memory: to lose them at the end. Without it runstep.db in the data directory of the
    /// platform, which is printed at the start
    #[arg(long, value_name = "FILE|postgres://…|:memory:", help_heading = "Data", global = true)]
    pub(super) data: Option<String>,
    /// When a change is on the disk: before the response, or soon after it, which is faster but can
    /// lose the last changes in a power failure
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    durability: Option<Durability>,
    /// How long the events of a run can be read again after its end, such as 24h
    #[arg(long, value_name = "DURATION", help_heading = "Data")]
    retain_events: Option<OptionDuration>,
    /// How long runs and their steps are kept after their end, such as 90days. Without it for ever
    #[arg(long, value_name = "DURATION", help_heading = "Data")]
    retain_runs: Option<OptionDuration>,
    /// Limit of the size of the data; beyond it requests that create objects get status 429.
    /// Without it there is none
    #[arg(long, value_name = "BYTES", help_heading = "Data")]
    max_data_bytes: Option<u64>,
    /// How long after a server has stopped the others on its database continue its runs
    #[arg(long, value_name = "DURATION", help_heading = "Data")]
    lease: Option<OptionDuration>,
    /// Limit of connections to the database, in addition to two for notifications
    #[arg(long, value_name = "COUNT", help_heading = "Data")]
    max_database_connections: Option<usize>,

    /// The base URL of an OpenAI-compatible provider. Without it the offline model responds
    #[arg(long, value_name = "URL", help_heading = "Model")]
    upstream: Option<String>,
    /// The provider's API that the server calls: chat completions, which nearly all have, or
    /// responses, with file search and the code interpreter
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    upstream_api: Option<UpstreamApi>,
    /// Comma-separated ids of the provider's files and vector stores that all API keys can use; others
    /// belong to the key that has created them through this server
    #[arg(long, value_name = "ID", value_delimiter = ',', help_heading = "Model")]
    adopt: Option<Vec<String>>,
    /// What the model gets of the earlier runs of a thread: messages and calls, or only messages
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    history: Option<HistoryMode>,
    /// The environment variable with the provider's API key
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    upstream_key_env: Option<String>,
    /// A TOML file that maps the model names of runs to the provider's
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    pub(super) model_map: Option<PathBuf>,
    /// How many times a failed request to the provider is retried
    #[arg(long, value_name = "COUNT", help_heading = "Model")]
    upstream_retries: Option<u32>,
    /// Timeout for the start of the provider's response and between its parts
    #[arg(long, value_name = "SECONDS", help_heading = "Model")]
    upstream_timeout_seconds: Option<u64>,
    /// The field that limits the tokens of the provider's response
    #[arg(long, value_name = "NAME", help_heading = "Model")]
    upstream_token_limit: Option<TokenLimit>,
    /// Whether to request usage in streams; some providers reject it
    #[arg(long, value_name = "BOOLEAN", help_heading = "Model")]
    upstream_stream_usage: Option<bool>,

    /// How long after its creation a run expires
    #[arg(long, value_name = "SECONDS", help_heading = "Runs")]
    run_lifetime_seconds: Option<u64>,
    /// The polling interval that responses suggest to clients
    #[arg(long, value_name = "MILLISECONDS", help_heading = "Runs")]
    poll_after_milliseconds: Option<u64>,
    /// Limit of prompt tokens if the truncation strategy of a run is auto
    #[arg(long, value_name = "TOKENS", help_heading = "Runs")]
    max_context_tokens: Option<u64>,

    /// Limit of runs in progress; others are queued
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    max_concurrent_runs: Option<usize>,
    /// The same for all servers on the database together; each takes an equal share. Without it there
    /// is no such limit
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    max_concurrent_runs_of_all_nodes: Option<usize>,
    /// Limit of queued runs; more get status 429
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    max_queued_runs: Option<usize>,
    /// Limit of open event streams; more get status 429
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    max_open_streams: Option<usize>,
    /// Limit of open connections; others wait
    #[arg(long, value_name = "COUNT", help_heading = "Limits")]
    max_connections: Option<usize>,
    /// Limit of what is in memory: output and tools of active runs, long texts in transit, and with
    /// --data :memory: all objects; beyond it requests that need more get status 429
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    max_stored_bytes: Option<usize>,
    /// The same limit for each API key, if there are keys
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    max_stored_bytes_per_key: Option<usize>,
    /// Limit of the length of a request body; a longer one gets status 413
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    max_body_bytes: Option<usize>,
    /// Limit of the length of all long request bodies that are being read or parsed; others wait, and
    /// get status 503 after 5 s
    #[arg(long, value_name = "BYTES", help_heading = "Limits")]
    max_buffered_body_bytes: Option<usize>,
    /// Timeout for a request until its response starts; a slower one gets status 408
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    request_timeout_seconds: Option<u64>,
    /// How long requests and streams can take to complete during a shutdown
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    shutdown_timeout_seconds: Option<u64>,

    /// The level of the logs, which go to standard error
    #[arg(long, value_name = "LEVEL", help_heading = "Logs")]
    log_level: Option<LogLevel>,
    /// The format of the logs
    #[arg(long, value_name = "FORMAT", help_heading = "Logs")]
    log_format: Option<LogFormat>,
}

/// When a change is on the disk.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Durability {
    Full,
    Normal,
}

/// What the model gets of the earlier runs of a thread.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum HistoryMode {
    Calls,
    MessagesOnly,
}

/// The APIs of providers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UpstreamApi {
    ChatCompletions,
    Responses,
}

/// The fields that limit the tokens of a response.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(super) enum TokenLimit {
    MaxTokens,
    MaxCompletionTokens,
}

/// The level of the logs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The format of the logs.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    Text,
    Json,
}
