//! The foreign clients: programs that use the API through libraries of others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::clients::{Client, node_in};
use super::report::Report;
use super::servers::ForeignServers;
use crate::operations::Operations;
use crate::programs::{self, Error, file};

/// A foreign client. Its folder in `xtask/compat/foreign` has its program and its pinned packages.
#[derive(Debug)]
pub struct ForeignClient {
    /// The name of the folder.
    pub folder: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// Why its package is not the newest one, as a sentence.
    pub pin: Option<&'static str>,
    /// Whether it is installed and run in each gate, and not only with `--all`.
    pub is_fast: bool,
    runtime: Runtime,
}

#[derive(Clone, Copy, Debug)]
enum Runtime {
    /// The environment of the official Python client.
    OfficialPython,
    Python,
    Node,
    Cargo,
}

/// All foreign clients.
pub const CLIENTS: [ForeignClient; 12] = [
    fast("azure-openai", "`AzureOpenAI` of the official Python client", Runtime::OfficialPython),
    fast("openai-2023", "the official Python client of 2023 (`assistants=v1`)", Runtime::Python),
    fast("azure-ai-agents", "Azure AI Agents for Python, over https", Runtime::Python),
    fast("azure-openai-assistants", "Azure OpenAI Assistants for JavaScript", Runtime::Node),
    slow("langchain", "LangChain for Python", Runtime::Python),
    slow("langchain-js", "LangChain for JavaScript", Runtime::Node),
    slow("llama-index", "LlamaIndex", Runtime::Python),
    ForeignClient {
        pin: Some("0.8.7 and 0.9.10 crash in their own code while they poll a run."),
        ..slow("ag2", "AG2 (AutoGen)", Runtime::Python)
    },
    slow(
        "semantic-kernel",
        "Semantic Kernel for Python; its agent of Azure over https",
        Runtime::Python,
    ),
    slow("litellm", "LiteLLM, with its providers `openai` and `azure`", Runtime::Python),
    slow("agency-swarm", "Agency Swarm", Runtime::Python),
    slow("async-openai", "async-openai for Rust", Runtime::Cargo),
];

const fn fast(folder: &'static str, title: &'static str, runtime: Runtime) -> ForeignClient {
    ForeignClient { folder, title, pin: None, is_fast: true, runtime }
}

const fn slow(folder: &'static str, title: &'static str, runtime: Runtime) -> ForeignClient {
    ForeignClient { folder, title, pin: None, is_fast: false, runtime }
}

/// Where the scripts and the installed packages are.
pub(super) struct Folders<'a> {
    pub(super) root: &'a Path,
    /// Of the scripts, `xtask/compat`.
    pub(super) scripts: &'a Path,
    /// Of the packages.
    pub(super) target: &'a Path,
}

/// Installs the clients if needed and runs their programs. Returns the report of each.
pub(super) fn run<'a>(
    folders: &Folders<'_>,
    binary: &Path,
    clients: impl Iterator<Item = &'a ForeignClient>,
) -> Result<Vec<(&'a ForeignClient, Report)>, Error> {
    let support = folders.scripts.join("foreign/support");
    let servers = ForeignServers::start(folders.root, binary, folders.target, &support)?;
    let operations = Operations::none();
    let mut reports = Vec::new();
    for client in clients {
        let installed = client.install(folders)?;
        let output = installed.run(&servers.environment())?;
        reports.push((client, Report::parse(&output, &operations)?));
    }
    Ok(reports)
}

impl ForeignClient {
    fn install(&self, folders: &Folders<'_>) -> Result<Client, Error> {
        let scripts = folders.scripts.join("foreign").join(self.folder);
        let target = folders.target.join("foreign").join(self.folder);
        let program = scripts.join("program.py");
        match self.runtime {
            Runtime::OfficialPython => {
                Ok(Client::new(folders.target.join("python/bin/python"), program))
            }
            Runtime::Python => {
                let lock = scripts.join("requirements.txt");
                Ok(Client::new(programs::python_with_versions(&target, &lock)?, program))
            }
            Runtime::Node => {
                // The packaged Node is that of the official client.
                let node = node_in(&folders.target.join("node"));
                fs::create_dir_all(&target).map_err(file(&target))?;
                let harness = target.join("harness.mjs");
                let original = folders.scripts.join("foreign/support/harness.mjs");
                fs::copy(original, &harness).map_err(file(&harness))?;
                Client::install_node(&scripts, &target)?;
                Ok(Client::new(node, target.join("program.mjs")).in_folder(target))
            }
            Runtime::Cargo => {
                let build = ["build", "--quiet", "--locked", "--manifest-path"];
                let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
                let mut command = Command::new(cargo);
                command.args(build).arg(scripts.join("Cargo.toml"));
                programs::succeed(command.arg("--target-dir").arg(&target))?;
                let program = target.join("debug").join(format!("compat-{}", self.folder));
                Ok(Client::new(program, PathBuf::new()))
            }
        }
    }
}
