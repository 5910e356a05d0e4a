//! The results of the clients, as they are recorded, and the document that is generated from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::foreign::CLIENTS;
use super::report::Report;
use crate::operations::Operations;
use crate::programs::{Error, file};

/// How to record results again.
const HELP: &str = "run `cargo xtask compat --all`, which records the results";

/// The checks that have passed, of all clients.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Results {
    /// The official clients, which have the same checks.
    pub official: Vec<ClientResult>,
    /// The foreign clients, by folder.
    pub foreign: BTreeMap<String, ClientResult>,
}

/// The checks of one client that have passed.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ClientResult {
    /// The package, with its version.
    pub client: String,
    /// The language.
    pub language: String,
    /// The checks, each with its topic.
    pub checks: Vec<(String, String)>,
}

impl ClientResult {
    /// Creates the result of a report.
    #[must_use]
    pub fn new(report: &Report) -> Self {
        let passed = report.checks.iter().filter(|check| check.failure.is_none());
        Self {
            client: report.client.clone(),
            // Without the version, which depends on the machine.
            language: report.runtime.split(' ').next().unwrap_or_default().to_owned(),
            checks: passed.map(|check| (check.topic.clone(), check.check.clone())).collect(),
        }
    }
}

impl Results {
    /// Reads the recorded results.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(file(path))?;
        serde_json::from_str(&text).map_err(|error| Error::Measured(format!("{error}; {HELP}")))
    }

    /// Writes the results, and the document.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be written.
    pub fn write(&self, path: &Path, guide: &Path, operations: &Operations) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        fs::write(path, text).map_err(file(path))?;
        fs::write(guide, self.markdown(operations)).map_err(file(guide))
    }

    /// Checks that the recorded results have those of a run, which may lack some foreign clients, and
    /// that the document is up to date.
    ///
    /// # Errors
    ///
    /// Returns an error if they differ.
    pub fn check(&self, run: &Self, guide: &Path, operations: &Operations) -> Result<(), Error> {
        let outdated = |what: &str| Error::Measured(format!("{what} is not up to date; {HELP}"));
        if self.official != run.official {
            return Err(outdated("the record of the official clients"));
        }
        for (folder, result) in &run.foreign {
            if self.foreign.get(folder) != Some(result) {
                return Err(outdated(&format!("the record of {folder}")));
            }
        }
        let is_listed = |folder: &String| CLIENTS.iter().any(|client| client.folder == folder);
        if self.foreign.len() != CLIENTS.len() || !self.foreign.keys().all(is_listed) {
            return Err(outdated("the list of foreign clients"));
        }
        let text = fs::read_to_string(guide).map_err(file(guide))?;
        if text != self.markdown(operations) {
            return Err(outdated(&guide.display().to_string()));
        }
        Ok(())
    }

    /// Returns the document.
    #[must_use]
    pub fn markdown(&self, operations: &Operations) -> String {
        let mut text = String::from(
            "# Compatibility\n\n\
             `cargo xtask compat --all` generates this page from its results: it runs each client, unmodified, against the\n\
             server. `cargo xtask compat` runs the official clients and those that are marked, and fails if this page is not up\n\
             to date. The model is a mock; no test has called a real provider.\n\n\
             ## Foreign clients\n\n\
             Each has a short program in `xtask/compat/foreign`, and a server whose provider has built-in tools.\n\n\
             | client | package | in each gate | what was tried |\n| --- | --- | --- | --- |\n",
        );
        for client in &CLIENTS {
            let Some(result) = self.foreign.get(client.folder) else { continue };
            let checks: Vec<&str> = result.checks.iter().map(|(_, name)| name.as_str()).collect();
            let mark = if client.is_fast { "yes" } else { "no" };
            let (title, package) = (client.title, &result.client);
            let _ = writeln!(text, "| {title} | `{package}` | {mark} | {} |", checks.join("; "));
        }
        let pinned = CLIENTS.iter().filter_map(|client| {
            let result = self.foreign.get(client.folder)?;
            Some(format!("- `{}` is pinned: {}\n", result.client, client.pin?))
        });
        let pinned = pinned.collect::<String>();
        if !pinned.is_empty() {
            let _ = write!(text, "\nPackages that are not the newest ones:\n\n{pinned}");
        }
        self.official(&mut text);
        text.push_str(
            "\n## Operations\n\nBoth official clients have called each of these with success. `cargo xtask contract` sends \
             generated requests to\neach of them and to each operation of `openapi/files.yaml`, and validates the responses.\n\n",
        );
        for id in operations.ids() {
            let _ = writeln!(text, "- `{id}`");
        }
        text
    }

    fn official(&self, text: &mut String) {
        let names = self
            .official
            .iter()
            .map(|result| format!("`{}` for {}", result.client, result.language));
        let names = names.collect::<Vec<_>>().join(" and ");
        let _ = write!(
            text,
            "\n## Official clients\n\nThe same checks passed with {names}.\n\n| topic | what was tried |\n| --- | --- |\n"
        );
        let mut topics: Vec<(&str, Vec<&str>)> = Vec::new();
        for (topic, check) in self.official.iter().take(1).flat_map(|result| &result.checks) {
            match topics.iter_mut().find(|(name, _)| name == topic) {
                Some((_, checks)) => checks.push(check),
                None => topics.push((topic, vec![check])),
            }
        }
        for (topic, checks) in topics {
            let _ = writeln!(text, "| {} | {} |", topic.replace('_', " "), checks.join("; "));
        }
    }
}
