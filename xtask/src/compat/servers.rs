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
    open: RunningServer,
    guarded: RunningServer,
    forwarding: RunningServer,
    _provider: RunningServer,
}

impl Servers {
    pub(super) fn start(binary: &Path, folder: &Path, node: &Path) -> Result<Self, Error> {
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
        Ok(Self {
            open: RunningServer::start(&mut server())?,
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
        })
    }

    /// Returns the environment variables of the scripts.
    pub(super) fn environment(&self) -> [(&'static str, String); 6] {
        let [key, other] = KEYS.map(str::to_owned);
        [
            ("OPENAI_BASE_URL", self.open.url.clone()),
            ("OPENAI_API_KEY", "unused".to_owned()),
            ("GUARDED_BASE_URL", self.guarded.url.clone()),
            ("GUARDED_API_KEY", key),
            ("GUARDED_OTHER_API_KEY", other),
            ("FORWARDING_BASE_URL", self.forwarding.url.clone()),
        ]
    }
}
