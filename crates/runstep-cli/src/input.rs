//! Inputs that are read whole, up to a limit: a device or a pipe may have no end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::CliError;

/// Maximum length of a file with an API key, in KiB.
pub(crate) const MAX_KEY_KIB: u64 = 64;
/// Maximum length of a question, in KiB. The longest text of a message is shorter.
pub(crate) const MAX_QUESTION_KIB: u64 = 1024;
/// Maximum length of an assistant's file, and of its instructions, in KiB.
pub(crate) const MAX_ASSISTANT_KIB: u64 = 4 * 1024;
/// Maximum length of a file with the output of a call, in KiB. The API accepts 512 kB.
pub(crate) const MAX_OUTPUT_KIB: u64 = 4 * 1024;
/// Maximum length of a request body, in KiB. The longest texts of the API are shorter.
pub(crate) const MAX_BODY_KIB: u64 = 64 * 1024;

/// Reads a text file.
pub(crate) fn read_file(path: &Path, max_kib: u64) -> Result<String, CliError> {
    let file = File::open(path).map_err(CliError::read(path))?;
    read(file, max_kib).map_err(CliError::read(path))
}

/// Reads standard input to its end.
pub(crate) fn read_stdin(max_kib: u64) -> Result<String, CliError> {
    read(io::stdin().lock(), max_kib).map_err(CliError::Input)
}

fn read(input: impl Read, max_kib: u64) -> io::Result<String> {
    let max_bytes = max_kib * 1024;
    let mut bytes = Vec::new();
    let length = input.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
        return Err(io::Error::other(format!("it is longer than {max_kib} KiB")));
    }
    // The limit may cut a character, so the length is checked first.
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text in UTF-8"))
}
