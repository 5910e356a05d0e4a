//! All clients side by side.

use std::fmt::Write as _;

use super::outcome::Outcome;
use crate::operations::Operations;

/// A line for each check and each operation, with a column for each client, and what is wrong.
#[derive(Debug)]
pub struct Table {
    /// As people read it.
    pub text: String,
    /// How many checks passed.
    pub passed: usize,
    /// How many checks failed or are missing, and how many operations no client called.
    pub failed: usize,
}

/// How wide the names of checks are, in characters.
const NAMES: usize = 64;

/// How wide a client's column is, in characters.
const COLUMN: usize = 16;

impl Table {
    /// Puts outcomes side by side. A check or an operation that one client has and another has not is
    /// as wrong as one that failed.
    #[must_use]
    pub fn new(operations: &Operations, outcomes: &[Outcome]) -> Self {
        let mut table = Self { text: String::new(), passed: 0, failed: 0 };
        table.line("", outcomes.iter().map(|outcome| outcome.client.clone()));
        table.line("", outcomes.iter().map(|outcome| outcome.runtime.clone()));
        table.checks(outcomes);
        table.operations(operations, outcomes);
        table.failures(outcomes);
        table
    }

    fn checks(&mut self, outcomes: &[Outcome]) {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for check in outcomes.iter().flat_map(|outcome| &outcome.checks) {
            let name = (check.topic.as_str(), check.check.as_str());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            self.failed += 1;
            self.text.push_str("no check was run\n");
        }
        // A check that only one client has comes last of all, but belongs to its topic.
        let first = |topic| names.iter().position(|name| name.0 == topic);
        let mut sorted = names.clone();
        sorted.sort_by_key(|name| first(name.0));
        let mut topic = "";
        for name in sorted {
            if name.0 != topic {
                topic = name.0;
                self.line::<&str>(topic, []);
            }
            let results = outcomes.iter().map(|outcome| match outcome.check(name.0, name.1) {
                None => "MISSING",
                Some(check) if check.failure.is_some() => "FAILED",
                Some(_) => "passed",
            });
            let results: Vec<_> = results.collect();
            self.count(results.iter().map(|result| *result == "passed"));
            self.line(&format!("  {}", name.1), results);
        }
    }

    fn operations(&mut self, operations: &Operations, outcomes: &[Outcome]) {
        self.line::<&str>("good replies of each operation", []);
        for operation in operations.ids() {
            let replies: Vec<_> =
                outcomes.iter().map(|one| one.replies.of(operation).good).collect();
            self.count(replies.iter().map(|count| *count > 0));
            let told = replies.iter().map(|count| match count {
                0 => "MISSING".to_owned(),
                count => count.to_string(),
            });
            self.line(&format!("  {operation}"), told);
        }
    }

    fn failures(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            for check in &outcome.checks {
                if let Some(failure) = &check.failure {
                    let Outcome { client, runtime, .. } = outcome;
                    let name = format!("{}: {}", check.topic, check.check);
                    let _ = write!(self.text, "\n{client} on {runtime}, {name}\n{failure}\n");
                }
            }
        }
    }

    fn count(&mut self, results: impl Iterator<Item = bool>) {
        for passed in results {
            if passed {
                self.passed += 1;
            } else {
                self.failed += 1;
            }
        }
    }

    fn line<T: AsRef<str>>(&mut self, name: &str, columns: impl IntoIterator<Item = T>) {
        let mut line = format!("{name:NAMES$}");
        for column in columns {
            let _ = write!(line, "{:>COLUMN$}", column.as_ref());
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}
