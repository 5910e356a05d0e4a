//! The report of one client's scripts.

use serde::Deserialize;

use crate::operations::{Operations, Response, Responses};
use crate::programs::Error;

/// The results of one client.
#[derive(Debug, Default)]
pub struct Report {
    /// The client, with its version.
    pub client: String,
    /// The runtime, with its version.
    pub runtime: String,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// The responses of the server.
    pub responses: Responses,
}

/// The result of a check.
#[derive(Debug, Deserialize)]
pub struct Check {
    /// The topic.
    pub topic: String,
    /// The behavior that is checked.
    pub check: String,
    /// The failure, if the check failed.
    pub failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Client { client: String, runtime: String },
    Response(Response),
    Check(Check),
}

impl Report {
    /// Parses the output of the scripts, which is a JSON object on each line.
    ///
    /// # Errors
    ///
    /// Returns an error if a line is not a report.
    pub fn parse(output: &str, operations: &Operations) -> Result<Self, Error> {
        let mut report = Self::default();
        for line in output.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Client { client, runtime }) => {
                    (report.client, report.runtime) = (client, runtime);
                }
                Ok(Line::Response(response)) => {
                    report.responses.count(operations, &response);
                }
                Ok(Line::Check(check)) => report.checks.push(check),
                Err(_) => return Err(Error::NotAReport(line.to_owned())),
            }
        }
        Ok(report)
    }

    /// Returns a check by topic and name.
    #[must_use]
    pub fn check(&self, topic: &str, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.topic == topic && check.check == name)
    }
}
