//! The report of an examination, without keys and without the content of objects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use runstep::types::Run;
use serde::Serialize;

use super::exchange::Exchange;
use crate::exit::Exit;
use crate::secrets::Secrets;

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    object: &'static str,
    version: &'static str,
    platform: String,
    base_url: String,
    /// The provider, if its host or its headers identify it.
    provider: Option<&'static str>,
    pub(super) authentication: Authentication,
    /// The known headers of responses.
    headers: BTreeSet<&'static str>,
    pub(super) operations: Vec<OperationReport>,
    /// Operations that the specification does not have.
    pub(super) extensions: Vec<OperationReport>,
    /// The requests about existing objects, and of the run.
    pub(super) steps: Vec<Step>,
    pub(super) deviations: Vec<Deviation>,
}

/// Whether the provider accepted the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Authentication {
    Unknown,
    Accepted,
    Rejected,
}

/// Whether the provider has an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    Present,
    Missing,
    /// The response does not say it, for example because of a rate limit.
    Unknown,
    /// A request would have created an object.
    NotTested,
}

#[derive(Debug, Serialize)]
pub(super) struct OperationReport {
    pub(super) id: &'static str,
    pub(super) presence: Presence,
    pub(super) status: Option<u16>,
}

/// A step of the examination beyond the table of operations.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    name: &'static str,
    is_success: bool,
    detail: String,
}

/// Where a response differs from the specification.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Deviation {
    pub(super) operation: String,
    pub(super) description: String,
}

impl Step {
    /// Creates the step of a request.
    pub(super) fn new(name: &'static str, exchange: &Exchange) -> Self {
        let is_success = exchange.is_api_object();
        let status = exchange.status.map(|status| match is_success {
            true => format!("status {status}"),
            false => format!("status {status}, but the body is not an object of the API"),
        });
        let detail = exchange.error.clone().or(status).unwrap_or_default();
        Self { name, is_success, detail }
    }

    pub(super) fn succeeded(name: &'static str, detail: String) -> Self {
        Self { name, is_success: true, detail }
    }

    pub(super) fn failed(name: &'static str, error: &str) -> Self {
        Self { name, is_success: false, detail: error.to_owned() }
    }

    pub(super) fn of_run(name: &'static str, run: &Run) -> Self {
        let detail = crate::outcome::summary(run);
        Self { name, is_success: Exit::of_run(run) == Exit::Success, detail }
    }
}

impl Report {
    pub(super) fn new(base_url: &str) -> Self {
        Self {
            object: "runstep.doctor",
            version: env!("CARGO_PKG_VERSION"),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            base_url: base_url.to_owned(),
            provider: provider_of_host(base_url),
            authentication: Authentication::Unknown,
            headers: BTreeSet::new(),
            operations: Vec::new(),
            extensions: Vec::new(),
            steps: Vec::new(),
            deviations: Vec::new(),
        }
    }

    /// Records the headers of a response, and what they say about the provider.
    pub(super) fn note_headers(&mut self, exchange: &Exchange) {
        self.headers.extend(&exchange.headers);
        let by_header = match self.headers.contains("x-ms-region") {
            true => Some("Azure OpenAI"),
            false => None,
        };
        self.provider = self.provider.or(by_header);
    }

    /// Removes secrets from the texts of the provider.
    pub(super) fn hide(&mut self, secrets: &Secrets) {
        let details = self.steps.iter_mut().map(|step| &mut step.detail);
        let descriptions = self.deviations.iter_mut().map(|deviation| &mut deviation.description);
        for text in details.chain(descriptions) {
            if let Cow::Owned(hidden) = secrets.hide(text) {
                *text = hidden;
            }
        }
    }

    /// Returns the report as Markdown.
    pub(super) fn to_markdown(&self) -> String {
        let mut text = String::from("# runstep doctor\n\n");
        let authentication = match self.authentication {
            Authentication::Unknown => "unknown",
            Authentication::Accepted => "accepted",
            Authentication::Rejected => "rejected",
        };
        let headers: Vec<String> =
            self.headers.iter().map(|header| format!("`{header}`")).collect();
        let headers = if headers.is_empty() { "none known".to_owned() } else { headers.join(", ") };
        let _ = writeln!(text, "- program: runstep {} on {}", self.version, self.platform);
        let _ = writeln!(text, "- base URL: `{}`", self.base_url);
        let _ = writeln!(text, "- provider: {}", self.provider.unwrap_or("unknown"));
        let _ = writeln!(text, "- authentication: {authentication}");
        let _ = writeln!(text, "- headers of responses: {headers}");
        text.push_str("\n## Operations\n\n| operation | result | status |\n| --- | --- | --- |\n");
        for operation in self.operations.iter().chain(&self.extensions) {
            let presence = match operation.presence {
                Presence::Present => "yes",
                Presence::Missing => "**no**",
                Presence::Unknown => "unknown",
                Presence::NotTested => "not tested; use --model",
            };
            let status = operation.status.map_or_else(|| "-".to_owned(), |code| code.to_string());
            let _ = writeln!(text, "| {} | {presence} | {status} |", operation.id);
        }
        if !self.steps.is_empty() {
            text.push_str("\n## Requests about objects\n\n");
        }
        for step in &self.steps {
            let result = if step.is_success { "ok" } else { "**failed**" };
            let _ = writeln!(text, "- {}: {result}, {}", step.name, step.detail);
        }
        text.push_str("\n## Deviations from the specification\n\n");
        if self.deviations.is_empty() {
            text.push_str("None was found.\n");
        }
        for Deviation { operation, description } in &self.deviations {
            let _ = writeln!(text, "- {operation}: {description}");
        }
        text
    }
}

fn provider_of_host(base_url: &str) -> Option<&'static str> {
    let host = base_url.split_once("://")?.1.split(['/', ':']).next()?;
    let hosts = [
        ("api.openai.com", "OpenAI"),
        ("openai.azure.com", "Azure OpenAI"),
        ("services.ai.azure.com", "Azure AI Foundry"),
        ("apilaplas.com", "Laplas"),
    ];
    let is_within = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    hosts.iter().find(|(domain, _)| is_within(domain)).map(|(_, name)| *name)
}
