//! Paths below the base URL.

use reqwest::Url;

use crate::error::{Error, ErrorKind, Result};

/// Returns the URL of a path below the base URL.
///
/// # Errors
///
/// Returns an error for a path that could leave the base URL, or that contains more than a path.
pub(super) fn join(base_url: &str, path: &str) -> Result<Url> {
    let invalid = |reason: &str| {
        let message = format!("invalid path {path:?}: {reason}; nothing was sent");
        Error::new(ErrorKind::InvalidRequest, message).with_param("path")
    };
    let relative = path.strip_prefix('/').unwrap_or(path);
    if let Some(character) = relative
        .chars()
        .find(|character| matches!(character, '\\' | '?' | '#') || character.is_control())
    {
        let hint = if character == '?' { "; set query parameters with `query`" } else { "" };
        return Err(invalid(&format!("it contains {character:?}{hint}")));
    }
    let segments: Vec<&str> = relative.split('/').collect();
    let is_empty = |(index, segment): (usize, &&str)| {
        segment.is_empty() && (index == 0 || index + 1 < segments.len())
    };
    if segments.iter().enumerate().any(is_empty) {
        return Err(invalid("it is empty, an absolute URL, or has an empty segment"));
    }
    if segments.iter().any(|segment| is_dots(segment)) {
        return Err(invalid("it contains `.` or `..`"));
    }
    let mut url = Url::parse(base_url).map_err(|_| invalid("the base URL is invalid"))?;
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{relative}"));
    Ok(url)
}

/// Returns whether URL parsers treat a segment as `.` or `..`.
fn is_dots(segment: &str) -> bool {
    let segment = segment.to_ascii_lowercase();
    matches!(segment.as_str(), "." | ".." | "%2e" | ".%2e" | "%2e." | "%2e%2e")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://host/tenant/v1";

    #[test]
    fn paths_are_appended_to_the_base_url() -> Result<()> {
        for (path, expected) in [
            ("/files", "/tenant/v1/files"),
            ("files/file_1/content", "/tenant/v1/files/file_1/content"),
            ("/files/", "/tenant/v1/files/"),
            ("/a b/\u{e4}", "/tenant/v1/a%20b/%C3%A4"),
            ("/a%2Fb", "/tenant/v1/a%2Fb"),
            ("/..a/b..", "/tenant/v1/..a/b.."),
        ] {
            let url = join(BASE, path)?;
            assert_eq!((url.host_str(), url.path()), (Some("host"), expected), "{path}");
        }
        assert_eq!(join("http://host", "/files")?.as_str(), "http://host/files");
        Ok(())
    }

    #[test]
    fn paths_cannot_leave_the_base_url() {
        for path in [
            "",
            "/",
            "..",
            "/../admin",
            "/files/../../admin",
            "/files/%2e%2E/x",
            "/files/.%2e",
            "/files/.",
            "//elsewhere/files",
            "https://elsewhere/files",
            "/files//x",
            "/files\\..\\x",
            "/files?purpose=x",
            "/files#x",
            "/files\n",
        ] {
            let error = join(BASE, path).map_err(|error| error.kind());
            assert_eq!(error, Err(ErrorKind::InvalidRequest), "{path}");
        }
    }
}
