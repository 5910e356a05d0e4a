//! The paths under which the API is served: the one of each route, and with a prefix that clients put
//! before it.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The first segments of the routes that can have a prefix.
const ROOTS: [&str; 8] =
    ["assistants", "threads", "files", "uploads", "vector_stores", "models", "runs", "server"];

/// Removes the prefix of a request's path, so that all prefixes share the routes. The handlers find
/// the whole path in `OriginalUri`.
pub(super) fn remove_prefix(mut request: Request) -> Request {
    if let Some(uri) = without_prefix(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn without_prefix(uri: &Uri) -> Option<Uri> {
    let length = prefix_length(uri.path()).filter(|length| *length > 0)?;
    let rest = PathAndQuery::try_from(uri.path_and_query()?.as_str().get(length..)?).ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest);
    Uri::from_parts(parts).ok()
}

/// Returns the length of the part of a path before the path of a route:
///
/// | prefix | clients |
/// | --- | --- |
/// | `/v1` | those of OpenAI |
/// | `/openai`, `/openai/v1`, `/openai/deployments/{name}` | those of Azure `OpenAI` |
/// | `/api/projects/{name}`, also before those of Azure `OpenAI` | those of Azure AI Foundry |
///
/// The name of a deployment has no effect: runs have the model of their request or assistant.
fn prefix_length(path: &str) -> Option<usize> {
    let rest = after_prefix(path)?;
    let root = rest.strip_prefix('/')?.split('/').next()?;
    ROOTS.contains(&root).then(|| path.len() - rest.len())
}

fn after_prefix(path: &str) -> Option<&str> {
    let is_project = path.starts_with("/api/projects/");
    let path = if is_project { after_name(path.strip_prefix("/api/projects/")?)? } else { path };
    match after_segment(path, "/openai") {
        Some(path) => match after_segment(path, "/deployments") {
            Some(path) => after_name(path.strip_prefix('/')?),
            None => Some(after_segment(path, "/v1").unwrap_or(path)),
        },
        None if is_project => Some(path),
        None => Some(after_segment(path, "/v1").unwrap_or(path)),
    }
}

/// Returns what follows a whole segment.
fn after_segment<'a>(path: &'a str, segment: &str) -> Option<&'a str> {
    path.strip_prefix(segment).filter(|rest| rest.starts_with('/'))
}

/// Returns what follows a name of any letters.
fn after_name(path: &str) -> Option<&str> {
    path.find('/').filter(|length| *length > 0).and_then(|length| path.get(length..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_all_clients_are_removed() {
        for (path, expected) in [
            ("/threads", "/threads"),
            ("/v1/threads/a?b=/v1/threads", "/threads/a?b=/v1/threads"),
            ("/openai/threads?api-version=2024-05-01", "/threads?api-version=2024-05-01"),
            ("/openai/v1/files/a/content", "/files/a/content"),
            ("/openai/deployments/gpt-4o/assistants", "/assistants"),
            ("/openai/deployments/threads/threads/threads", "/threads/threads"),
            ("/openai/deployments/a%2Fb/threads", "/threads"),
            ("/api/projects/my%20project/threads/a/runs", "/threads/a/runs"),
            ("/api/projects/p/openai/v1/vector_stores", "/vector_stores"),
            ("/api/projects/p/openai/models", "/models"),
            ("http://localhost/openai/threads", "http://localhost/threads"),
        ] {
            let uri: Uri = path.parse().expect(path);
            let removed = without_prefix(&uri).unwrap_or(uri);
            assert_eq!(removed.to_string(), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_stay() {
        for path in [
            "/",
            "/v1",
            "/v1/",
            "/v1/metrics",
            "/v1/nothing/threads",
            "/v1/v1/threads",
            "/v12/threads",
            "/openai/metrics",
            "/openai/v2/threads",
            "/openai/v1/v1/threads",
            "/openai/deployments/threads",
            "/openai/deployments//threads",
            "/api/threads",
            "/api/projects/threads",
            "/api/projects//threads",
            "/api/projects/p/v1/threads",
            "/openai/api/projects/p/threads",
        ] {
            let uri: Uri = path.parse().expect(path);
            assert_eq!(without_prefix(&uri), None, "{path}");
        }
    }
}
