//! What may be said on the command line, in the environment and in a file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use super::configuration::DEFAULTS;

/// A server of the Run and Run Step API.
///
/// Every option may also be given by an environment variable or, under the flag's name, in a TOML
/// file. A flag counts more than the environment, and that more than the file.
///
/// Ctrl-C or SIGTERM ends the program once streams and replies are out; a second one at once.
#[derive(Debug, Parser)]
#[command(version, next_line_help = true)]
pub(crate) struct Arguments {
    /// A TOML file of options; paths in it begin where it is
    #[arg(long, value_name = "FILE", env = "RUNSTEP_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Print what holds, without secrets, and exit
    #[arg(long)]
    pub(super) check_config: bool,
    #[command(flatten)]
    pub(super) options: Options,
}

impl Arguments {
    /// Reads the command line and the environment; ends the program to help or to complain.
    pub(crate) fn read() -> Self {
        let matches = Self::command().mut_args(documented).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Adds an option's default to its help, and keeps what the environment holds out of it.
fn documented(option: clap::Arg) -> clap::Arg {
    let option = option.hide_env_values(true);
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

/// The options, each of which may be left out.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Options {
    /// Where to listen; other than on this machine only with --api-key-file
    #[arg(long, value_name = "ADDRESS", env = "RUNSTEP_LISTEN")]
    listen: Option<SocketAddr>,
    /// A file of the keys that are let in, one a line; each has objects of its own. Without it all
    /// are let in
    #[arg(long, value_name = "FILE", env = "RUNSTEP_API_KEY_FILE")]
    pub(super) api_key_file: Option<PathBuf>,
    /// Web origins whose pages may ask this server (CORS), with commas between; * for any. Without one
    /// none may
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', env = "RUNSTEP_ALLOWED_ORIGINS")]
    allowed_origins: Option<Vec<String>>,

    /// The base URL of an OpenAI-compatible provider, which answers. Without it an offline model does
    #[arg(long, value_name = "URL", env = "RUNSTEP_UPSTREAM", help_heading = "Model")]
    upstream: Option<String>,
    /// The environment variable that holds the provider's key
    #[arg(long, value_name = "NAME", env = "RUNSTEP_UPSTREAM_KEY_ENV", help_heading = "Model")]
    upstream_key_env: Option<String>,
    /// A TOML file that says what the provider calls the models that runs ask for
    #[arg(long, value_name = "FILE", env = "RUNSTEP_MODEL_MAP", help_heading = "Model")]
    pub(super) model_map: Option<PathBuf>,
    /// How often a request is sent to the provider again before its answer has begun
    #[arg(long, value_name = "COUNT", env = "RUNSTEP_UPSTREAM_RETRIES", help_heading = "Model")]
    upstream_retries: Option<u32>,
    /// How long the provider may be silent
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RUNSTEP_UPSTREAM_TIMEOUT_SECONDS",
        help_heading = "Model"
    )]
    upstream_timeout_seconds: Option<u64>,
    /// The property by which the provider is told how long an answer may be
    #[arg(long, value_name = "NAME", env = "RUNSTEP_UPSTREAM_TOKEN_LIMIT", help_heading = "Model")]
    upstream_token_limit: Option<TokenLimit>,
    /// Whether to ask the provider for usage in streams; a few refuse it
    #[arg(
        long,
        value_name = "BOOLEAN",
        env = "RUNSTEP_UPSTREAM_STREAM_USAGE",
        help_heading = "Model"
    )]
    upstream_stream_usage: Option<bool>,

    /// How long after its creation a run expires
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RUNSTEP_RUN_LIFETIME_SECONDS",
        help_heading = "Runs"
    )]
    run_lifetime_seconds: Option<u64>,
    /// When clients are told to ask for a run again
    #[arg(
        long,
        value_name = "MILLISECONDS",
        env = "RUNSTEP_POLL_AFTER_MILLISECONDS",
        help_heading = "Runs"
    )]
    poll_after_milliseconds: Option<u64>,
    /// Tokens of the newest messages that a model is given unless the run says how many
    #[arg(long, value_name = "TOKENS", env = "RUNSTEP_MAX_CONTEXT_TOKENS", help_heading = "Runs")]
    max_context_tokens: Option<u64>,

    /// Runs that are in progress at a time; others wait
    #[arg(
        long,
        value_name = "COUNT",
        env = "RUNSTEP_MAX_CONCURRENT_RUNS",
        help_heading = "Limits"
    )]
    max_concurrent_runs: Option<usize>,
    /// Runs that may wait; more get status 429
    #[arg(long, value_name = "COUNT", env = "RUNSTEP_MAX_QUEUED_RUNS", help_heading = "Limits")]
    max_queued_runs: Option<usize>,
    /// Streams that are open at a time; more get status 429
    #[arg(long, value_name = "COUNT", env = "RUNSTEP_MAX_OPEN_STREAMS", help_heading = "Limits")]
    max_open_streams: Option<usize>,
    /// Connections that are open at a time; others wait
    #[arg(long, value_name = "COUNT", env = "RUNSTEP_MAX_CONNECTIONS", help_heading = "Limits")]
    max_connections: Option<usize>,
    /// What all objects may take; more get status 429
    #[arg(long, value_name = "BYTES", env = "RUNSTEP_MAX_STORED_BYTES", help_heading = "Limits")]
    max_stored_bytes: Option<usize>,
    /// How long a request's body may be; a longer one gets status 413
    #[arg(long, value_name = "BYTES", env = "RUNSTEP_MAX_BODY_BYTES", help_heading = "Limits")]
    max_body_bytes: Option<usize>,
    /// How long a request may take until its reply begins; a longer one gets status 408
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RUNSTEP_REQUEST_TIMEOUT_SECONDS",
        help_heading = "Limits"
    )]
    request_timeout_seconds: Option<u64>,
    /// How long streams and requests may finish when the program is told to end
    #[arg(
        long,
        value_name = "SECONDS",
        env = "RUNSTEP_SHUTDOWN_TIMEOUT_SECONDS",
        help_heading = "Limits"
    )]
    shutdown_timeout_seconds: Option<u64>,

    /// How much is logged, to the standard error
    #[arg(long, value_name = "LEVEL", env = "RUNSTEP_LOG_LEVEL", help_heading = "Logs")]
    log_level: Option<LogLevel>,
    /// How it is logged
    #[arg(long, value_name = "FORMAT", env = "RUNSTEP_LOG_FORMAT", help_heading = "Logs")]
    log_format: Option<LogFormat>,
}

/// The properties for the length of an answer.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(super) enum TokenLimit {
    MaxTokens,
    MaxCompletionTokens,
}

/// How much is logged.
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

/// How a log is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    Text,
    Json,
}
