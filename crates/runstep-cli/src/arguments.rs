//! The arguments of the program.

use clap::{Parser, Subcommand};

use crate::commands::{
    api::ApiArguments, ask::AskArguments, assistants::AssistantsCommand,
    completions::CompletionsArguments, doctor::DoctorArguments, export::ExportArguments,
    runs::RunsCommand, steps::StepsArguments, threads::ThreadsCommand,
};
use crate::connection::ConnectionOptions;
use crate::terminal::OutputOptions;

/// Asks assistants, and shows their threads, runs and steps, at any provider of the Assistants API.
///
/// The base URL and the key come from RUNSTEP_BASE_URL and RUNSTEP_API_KEY, or from OPENAI_BASE_URL and
/// OPENAI_API_KEY. The exit code says how a run ended; the README lists the codes.
#[derive(Debug, Parser)]
#[command(name = "runstep", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask an assistant, and print its answer while the model generates it
    Ask(AskArguments),
    /// List, show, watch, cancel and continue runs
    #[command(subcommand)]
    Runs(RunsCommand),
    /// Show threads
    #[command(subcommand)]
    Threads(ThreadsCommand),
    /// List and create assistants, and apply their files
    #[command(subcommand)]
    Assistants(AssistantsCommand),
    /// Show the steps of a run as a timeline
    Steps(StepsArguments),
    /// Write a thread with its messages, runs and steps as JSON lines
    Export(ExportArguments),
    /// Examine a provider, for a report: what it is, which operations it has, where it deviates
    Doctor(DoctorArguments),
    /// Call one operation of the API
    Api(ApiArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}
