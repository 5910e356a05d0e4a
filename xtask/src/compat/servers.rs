//! The servers that the clients are run against.

use std::path::Path;
use std::process::Command;

use super::clients::node_in;
use crate::programs::{Error, Running, write_secret};

/// The keys that are let in to the server that asks for one.
const KEYS: [&str; 2] = ["compat-key-1", "compat-key-2"];

/// One server as it is by default, one that lets in few and little, and one whose answers come from a
/// provider.
pub(super) struct Servers {
    open: Running,
    guarded: Running,
    forwarding: Running,
    _provider: Running,
}

impl Servers {
    pub(super) fn start(binary: &Path, folder: &Path, node: &Path) -> Result<Self, Error> {
        let keys = folder.join("keys.txt");
        write_secret(&keys, &KEYS.join("\n"))?;
        let provider = Running::start(
            Command::new(node_in(node))
                .arg(node.join("node_modules/@copilotkit/aimock/dist/cli.js"))
                .args(["--port", "0", "--fixtures"])
                .arg(node.join("provider.json")),
        )?;
        let listening = || {
            let mut command = Command::new(binary);
            command.args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
            command.args(["--poll-after-milliseconds", "10"]);
            command
        };
        Ok(Self {
            open: Running::start(&mut listening())?,
            guarded: Running::start(
                listening()
                    .arg("--api-key-file")
                    .arg(&keys)
                    .args(["--max-open-streams", "0", "--max-body-bytes", "65536"])
                    .args(["--run-lifetime-seconds", "1"]),
            )?,
            forwarding: Running::start(
                listening()
                    .args(["--upstream", &format!("{}/v1", provider.url)])
                    .args(["--upstream-retries", "0", "--model-map"])
                    .arg(node.join("models.toml")),
            )?,
            _provider: provider,
        })
    }

    /// How the scripts find them.
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
