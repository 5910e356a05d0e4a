//! Reads lists of the provider. An entry that cannot be read does not hide the others.

use runstep::Items;

use crate::error::CliError;
use crate::terminal::Terminal;

/// Entries that cannot be read and whose errors are shown. Others are only counted.
const MAX_SHOWN: usize = 8;

/// The errors of a list whose other entries are printed.
#[derive(Default)]
pub(crate) struct ListErrors {
    /// The errors of entries that cannot be read.
    unreadable: Vec<String>,
    /// The number of further errors of this kind.
    further: u64,
    /// The error that ended the list early.
    failure: Option<runstep::Error>,
}

impl ListErrors {
    /// Adds the error of an entry that cannot be read.
    pub(crate) fn add(&mut self, error: impl std::fmt::Display) {
        match self.unreadable.len() < MAX_SHOWN {
            true => self.unreadable.push(error.to_string()),
            false => self.further += 1,
        }
    }

    /// Sets the error that ends the list.
    pub(crate) fn fail(&mut self, error: runstep::Error) {
        self.failure = Some(error);
    }

    /// Returns the next entry that can be read, or `None` at the end of the list.
    pub(crate) async fn next<T>(&mut self, items: &mut Items<T>) -> Option<T> {
        loop {
            match items.try_next().await {
                Ok(entry) => return entry,
                // The list continues after an entry; after an invalid page, it ends.
                Err(error) if error.is_decode() => self.add(error),
                Err(error) => {
                    self.fail(error);
                    return None;
                }
            }
        }
    }

    /// Returns whether a request failed, so that what follows would fail, too.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unreadable.is_empty() && self.failure.is_none()
    }

    /// Returns the error of the command, after everything that can be read was printed.
    pub(crate) fn finish(self, terminal: &mut Terminal) -> Result<(), CliError> {
        let Self { unreadable, further, failure } = self;
        let incomplete =
            (!unreadable.is_empty()).then_some(CliError::Incomplete { unreadable, further });
        match (incomplete, failure) {
            (None, None) => Ok(()),
            (Some(error), None) => Err(error),
            (incomplete, Some(failure)) => {
                if let Some(error) = incomplete {
                    terminal.error(&error);
                }
                Err(failure.into())
            }
        }
    }
}
