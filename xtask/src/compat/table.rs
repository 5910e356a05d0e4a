//! Results of all clients, side by side.

use std::fmt::Write as _;

use super::report::Report;
use crate::operations::Operations;

/// A table with a line for each check and operation, and a column for each client, followed by the
/// failures.
#[derive(Debug)]
pub struct Table {
    /// The text.
    pub text: String,
    /// The number of checks that passed, and of operations that were called.
    pub passed: usize,
    /// The number of checks that failed or are missing, and of operations that a client did not
    /// call.
    pub failed: usize,
}

/// The width of the names, in characters.
const NAMES: usize = 64;

/// The width of a client's column, in characters.
const COLUMN: usize = 16;

impl Table {
    /// Creates a table. A check or an operation that only some clients have counts as failed for
    /// the others.
    #[must_use]
    pub fn new(operations: &Operations, reports: &[Report]) -> Self {
        let mut table = Self { text: String::new(), passed: 0, failed: 0 };
        table.line("", reports.iter().map(|report| report.client.clone()));
        table.line("", reports.iter().map(|report| report.runtime.clone()));
        table.checks(reports);
        table.operations(operations, reports);
        table.failures(reports);
        table
    }

    /// Adds the checks of foreign clients, each of which has its own, and their failures.
    pub fn add_foreign<'a>(&mut self, reports: impl Iterator<Item = &'a Report> + Clone) {
        for report in reports.clone() {
            self.line(&report.client, [&report.runtime]);
            if report.checks.is_empty() {
                self.failed += 1;
                self.text.push_str("  no checks\n");
            }
            for check in &report.checks {
                let is_passed = check.failure.is_none();
                self.count([is_passed].into_iter());
                self.line(
                    &format!("  {}", check.check),
                    [if is_passed { "passed" } else { "FAILED" }],
                );
            }
        }
        reports.for_each(|report| self.failures(std::slice::from_ref(report)));
    }

    fn checks(&mut self, reports: &[Report]) {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for check in reports.iter().flat_map(|report| &report.checks) {
            let name = (check.topic.as_str(), check.check.as_str());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            self.failed += 1;
            self.text.push_str("no checks\n");
        }
        // A check that only a later client has is at the end, but belongs to its topic.
        let first = |topic| names.iter().position(|name| name.0 == topic);
        let mut sorted = names.clone();
        sorted.sort_by_key(|name| first(name.0));
        let mut topic = "";
        for name in sorted {
            if name.0 != topic {
                topic = name.0;
                self.line::<&str>(topic, []);
            }
            let results = reports.iter().map(|report| match report.check(name.0, name.1) {
                None => "MISSING",
                Some(check) if check.failure.is_some() => "FAILED",
                Some(_) => "passed",
            });
            let results: Vec<_> = results.collect();
            self.count(results.iter().map(|result| *result == "passed"));
            self.line(&format!("  {}", name.1), results);
        }
    }

    fn operations(&mut self, operations: &Operations, reports: &[Report]) {
        self.line::<&str>("success responses of each operation", []);
        for operation in operations.ids() {
            let counts: Vec<_> =
                reports.iter().map(|report| report.responses.of(operation).successes).collect();
            self.count(counts.iter().map(|count| *count > 0));
            let columns = counts.iter().map(|count| match count {
                0 => "MISSING".to_owned(),
                count => count.to_string(),
            });
            self.line(&format!("  {operation}"), columns);
        }
    }

    fn failures(&mut self, reports: &[Report]) {
        for report in reports {
            for check in &report.checks {
                if let Some(failure) = &check.failure {
                    let Report { client, runtime, .. } = report;
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
