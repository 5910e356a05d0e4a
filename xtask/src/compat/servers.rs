//! The servers that the clients call.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::clients::node_in;
use crate::programs::{self, Error, RunningServer, write_secret};

/// The keys of the servers that require one.
const KEYS: [&str; 2] = ["compat-key-1", "compat-key-2"];

/// The environment variable with the key of the provider that has built-in tools.
const PROVIDER_KEY: &str = "COMPAT_PROVIDER_KEY";

/// Environment variables.
pub(super) type Environment = Vec<(&'static str, String)>;

/// Returns a command that starts a server.
fn server(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "warn"]);
    command.args(["--poll-after-milliseconds", "10"]);
    command
}

/// Writes the file of keys.
fn key_file(folder: &Path) -> Result<PathBuf, Error> {
    let keys = folder.join("keys.txt");
    write_secret(&keys, &KEYS.join("\n"))?;
    Ok(keys)
}

/// A server with default settings, one that requires a key and has low limits, and those whose model
/// is a provider, by each API of providers.
pub(super) struct Servers {
    open: String,
    guarded: RunningServer,
    forwarding: RunningServer,
    responses: RunningServer,
    built_in: BuiltInServer,
    _provider: RunningServer,
    _open: Option<RunningServer>,
}

impl Servers {
    /// Starts the servers, apart from the one with default settings if it has this URL.
    pub(super) fn start(
        root: &Path,
        binary: &Path,
        folder: &Path,
        node: &Path,
        url: Option<&str>,
    ) -> Result<Self, Error> {
        let provider = RunningServer::start(
            Command::new(node_in(node))
                .arg(node.join("node_modules/@copilotkit/aimock/dist/cli.js"))
                .args(["--port", "0", "--fixtures"])
                .arg(node.join("provider.json")),
        )?;
        let started = match url {
            Some(_) => None,
            None => Some(RunningServer::start(&mut server(binary))?),
        };
        let open = url.or(started.as_ref().map(|server| server.url.as_str())).unwrap_or_default();
        let with_provider = |api: &str| {
            RunningServer::start(
                server(binary)
                    .args(["--upstream", &format!("{}/v1", provider.url), "--upstream-api", api])
                    .args(["--upstream-retries", "0", "--model-map"])
                    .arg(node.join("models.toml")),
            )
        };
        Ok(Self {
            open: open.to_owned(),
            guarded: RunningServer::start(
                server(binary)
                    .arg("--api-key-file")
                    .arg(key_file(folder)?)
                    .args(["--max-open-streams", "0", "--max-body-bytes", "65536"])
                    .args(["--run-lifetime-seconds", "3"]),
            )?,
            forwarding: with_provider("chat-completions")?,
            responses: with_provider("responses")?,
            built_in: BuiltInServer::start(root, binary, folder)?,
            _provider: provider,
            _open: started,
        })
    }

    /// Returns the environment variables of the scripts.
    pub(super) fn environment(&self) -> Environment {
        let [key, other] = KEYS.map(str::to_owned);
        vec![
            ("OPENAI_BASE_URL", self.open.clone()),
            ("OPENAI_API_KEY", "unused".to_owned()),
            ("GUARDED_BASE_URL", self.guarded.url.clone()),
            ("GUARDED_API_KEY", key.clone()),
            ("GUARDED_OTHER_API_KEY", other),
            ("FORWARDING_BASE_URL", self.forwarding.url.clone()),
            ("RESPONSES_BASE_URL", self.responses.url.clone()),
            ("BUILT_IN_BASE_URL", self.built_in.server.url.clone()),
            ("BUILT_IN_API_KEY", key),
        ]
    }
}

/// A server that requires a key and whose provider has built-in tools, files and vector stores.
pub(crate) struct BuiltInServer {
    pub(crate) server: RunningServer,
    _provider: RunningServer,
}

impl BuiltInServer {
    pub(crate) fn start(root: &Path, binary: &Path, folder: &Path) -> Result<Self, Error> {
        let provider = start_provider(root)?;
        let started = RunningServer::start(
            server(binary)
                .arg("--api-key-file")
                .arg(key_file(folder)?)
                .args(["--upstream", &format!("{}/v1", provider.url)])
                .args(["--upstream-api", "responses", "--upstream-key-env", PROVIDER_KEY])
                .env(PROVIDER_KEY, "provider-key"),
        )?;
        Ok(Self { server: started, _provider: provider })
    }

    /// Returns the accepted key.
    pub(crate) fn key() -> &'static str {
        KEYS[0]
    }
}

/// Starts the mock of a provider with built-in tools.
pub(crate) fn start_provider(root: &Path) -> Result<RunningServer, Error> {
    let script = root.join("xtask/compat/provider");
    // Without `-B` it would write its compiled modules next to the scripts.
    RunningServer::start(Command::new("python3").arg("-B").arg(script))
}

/// The server of the foreign clients, and a proxy for those that demand https.
pub(super) struct ForeignServers {
    built_in: BuiltInServer,
    proxy: RunningServer,
    certificate: PathBuf,
    scripts: PathBuf,
}

impl ForeignServers {
    /// Starts the servers. `scripts` is the folder of the proxy and of the harness.
    pub(super) fn start(
        root: &Path,
        binary: &Path,
        folder: &Path,
        scripts: &Path,
    ) -> Result<Self, Error> {
        let built_in = BuiltInServer::start(root, binary, folder)?;
        let (certificate, key) = programs::certify(folder)?;
        let port = built_in.server.url.trim_end_matches("/v1").rsplit(':').next();
        let proxy = RunningServer::start(
            Command::new("python3")
                .arg(scripts.join("tls_proxy.py"))
                .args([&certificate, &key])
                .arg(port.unwrap_or_default()),
        )?;
        Ok(Self { built_in, proxy, certificate, scripts: scripts.to_owned() })
    }

    /// Returns the environment variables of the programs.
    pub(super) fn environment(&self) -> Environment {
        let url = self.built_in.server.url.clone();
        let certificate = self.certificate.to_string_lossy().into_owned();
        vec![
            ("AZURE_ENDPOINT", url.trim_end_matches("/v1").to_owned()),
            ("AZURE_TLS_ENDPOINT", self.proxy.url.replace("http:", "https:")),
            ("OPENAI_BASE_URL", url),
            ("OPENAI_API_KEY", BuiltInServer::key().to_owned()),
            ("CA_FILE", certificate.clone()),
            ("SSL_CERT_FILE", certificate),
            ("PYTHONPATH", self.scripts.to_string_lossy().into_owned()),
        ]
    }
}
