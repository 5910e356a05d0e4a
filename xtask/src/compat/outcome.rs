//! What the scripts of one client report.

use serde::Deserialize;

use super::Error;
use crate::operations::{Operations, Replies, Reply};

/// What one client's checks came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The client and its version.
    pub client: String,
    /// What it ran on.
    pub runtime: String,
    /// The checks in their order.
    pub checks: Vec<Check>,
    /// What the server replied.
    pub replies: Replies,
}

/// One check.
#[derive(Debug, Deserialize)]
pub struct Check {
    /// What it is about.
    pub topic: String,
    /// What it holds.
    pub check: String,
    /// Why it does not hold.
    pub failure: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Client { client: String, runtime: String },
    Reply(Reply),
    Check(Check),
}

impl Outcome {
    /// Reads what the scripts print, a line of JSON for each thing.
    ///
    /// # Errors
    ///
    /// When a line is something else.
    pub fn read(printed: &str, operations: &Operations) -> Result<Self, Error> {
        let mut outcome = Self::default();
        for line in printed.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Client { client, runtime }) => {
                    (outcome.client, outcome.runtime) = (client, runtime);
                }
                Ok(Line::Reply(reply)) => outcome.replies.count(operations, &reply),
                Ok(Line::Check(check)) => outcome.checks.push(check),
                Err(_) => return Err(Error::Unreadable(line.to_owned())),
            }
        }
        Ok(outcome)
    }

    /// A check by its topic and name.
    #[must_use]
    pub fn check(&self, topic: &str, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.topic == topic && check.check == name)
    }
}
