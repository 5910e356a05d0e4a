//! The servers that the clients call.

use std::path::Path;
use std::process::Command;

use super::clients::node_in;
use crate::programs::{Error, RunningServer, write_secret};

/// The keys of the server that requires one.
const KEYS: [&str; 2] = ["compat-key-1", "compat-key-2"];

/// A server with default settings, one that requires a key and has low limits, and one whose model
/// is a provider.
pub(super) struct Servers {
    open: String,
    guarded: RunningServer,
    forwarding: RunningServer,
    _provider: RunningServer,
    _open: Option<RunningServer>,
}

impl Servers {
    /// Starts the servers, apart from the one with default settings if it has this URL.
    pub(super) fn start(
        binary: &Path,
        folder: &Path,
        node: &Path,
        url: Option<&str>,
    ) -> Result<Self, Error> {
        let keys = folder.join("keys.txt");
        write_secret(&keys, &KEYS.join("\n"))?;
        let provider = RunningServer::start(
            Command::new(node_in(node))
                .arg(node.join("node_modules/@copilotkit/aimock/dist/cli.js"))
                .args(["--port", "0", "--fixtures"])
                .arg(node.join("provider.json")),
        )?;
        let server = || {
            let mut command = Command::new(binary);
            command.args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
            command.args(["--poll-after-milliseconds", "10"]);
            command
        };
        let started = match url {
            Some(_) => None,
            None => Some(RunningServer::start(&mut server())?),
        };
        let open = url.or(started.as_ref().map(|server| server.url.as_str())).unwrap_or_default();
        Ok(Self {
            open: open.to_owned(),
            guarded: RunningServer::start(
                server()
                    .arg("--api-key-file")
                    .arg(&keys)
                    .args(["--max-open-streams", "0", "--max-body-bytes", "65536"])
                    .args(["--run-lifetime-seconds", "1"]),
            )?,
            forwarding: RunningServer::start(
                server()
                    .args(["--upstream", &format!("{}/v1", provider.url)])
                    .args(["--upstream-retries", "0", "--model-map"])
                    .arg(node.join("models.toml")),
            )?,
            _provider: provider,
            _open: started,
        })
    }

    /// Returns the environment variables of the scripts.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        let [key, other] = KEYS.map(str::to_owned);
        [
            ("OPENAI_BASE_URL", self.open.clone()),
            ("OPENAI_API_KEY", "unused".to_owned()),
            ("GUARDED_BASE_URL", self.guarded.url.clone()),
            ("GUARDED_API_KEY", key),
            ("GUARDED_OTHER_API_KEY", other),
            ("FORWARDING_BASE_URL", self.forwarding.url.clone()),
        ]
    }
}
