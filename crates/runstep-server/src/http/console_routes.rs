//! The operations that the original API does not have, for the page and for all other clients: lists
//! of all threads and runs, live changes, and the configuration. `openapi/console.yaml` specifies
//! them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use axum::routing::get;
use futures_util::{Stream, stream};
use runstep_api::types::RunStatus;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::caller::Caller;
use super::error::ApiError;
use super::event_stream::StreamPermit;
use super::query::{Page, RunList};
use super::response::{JsonText, RunResult, TextResult};
use super::state::ServerState;
use crate::engine::{RunSearch, RunUpdate, RunUpdates};
use crate::store::RunFilter;
use crate::text::escape_line_separators;

/// After this time without events a comment keeps the connection alive.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
/// The longest text to search for, in characters.
const MAX_SEARCH_CHARACTERS: usize = 256;

/// The paths with their operation ids, under which requests are counted.
pub(super) const OPERATIONS: [(&str, &str); 5] = [
    ("/threads", "listThreads"),
    ("/runs", "listAllRuns"),
    ("/runs/counts", "countRuns"),
    ("/runs/events", "watchRuns"),
    ("/server", "getServer"),
];

/// Returns the id of the operation at a route.
pub(super) fn operation(route: &str) -> Option<&'static str> {
    OPERATIONS.iter().find(|(known, _)| *known == route).map(|(_, id)| *id)
}

pub(super) fn routes() -> Router<Arc<ServerState>> {
    let [threads, runs, counts, events, server] = OPERATIONS.map(|(path, _)| path);
    Router::new()
        .route(threads, get(list_threads))
        .route(runs, get(list_runs))
        .route(counts, get(count_runs))
        .route(events, get(watch_runs))
        .route(server, get(server_info))
}

async fn list_threads(caller: Caller<(), Page>) -> TextResult {
    Ok(JsonText(caller.engine.threads(&caller.query.page).await?))
}

async fn list_runs(caller: Caller<(), RunList>) -> TextResult {
    let search = run_search(&caller.query.filters)?;
    Ok(JsonText(caller.engine.all_runs(&search, &caller.query.page).await?))
}

async fn count_runs(caller: Caller) -> TextResult {
    Ok(JsonText(caller.engine.run_counts().await?))
}

async fn server_info(caller: Caller) -> TextResult {
    Ok(JsonText(caller.state.info.clone()))
}

/// Streams changes of all runs of the key, until the client disconnects.
async fn watch_runs(caller: Caller) -> RunResult {
    let permit = caller.state.stream_permit()?;
    let stop_runs = caller.state.shutdown.stop_runs.child_token();
    let events = events(caller.engine.subscribe_to_runs(), stop_runs, permit);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// Parses the filters of a list of runs.
fn run_search(parameters: &[(String, String)]) -> Result<RunSearch, ApiError> {
    let mut search = RunSearch::default();
    let RunFilter { statuses, assistant, thread } = &mut search.filter;
    for (name, value) in parameters {
        match name.as_str() {
            "status" => {
                for status in value.split(',') {
                    check_status(status)?;
                    if !statuses.iter().any(|known| known == status) {
                        statuses.push(status.to_owned());
                    }
                }
            }
            "assistant_id" => *assistant = Some(value.clone()),
            "thread_id" => *thread = Some(value.clone()),
            "search" => {
                if value.chars().count() > MAX_SEARCH_CHARACTERS {
                    let message = format!(
                        "Invalid 'search': expected at most {MAX_SEARCH_CHARACTERS} characters."
                    );
                    return Err(ApiError::parameter("search", "string_above_max_length", message));
                }
                search.text = Some(value.clone()).filter(|text| !text.is_empty());
            }
            name => {
                let key = name.strip_prefix("metadata[").and_then(|name| name.strip_suffix(']'));
                search.metadata.push((key.unwrap_or_default().to_owned(), value.clone()));
            }
        }
    }
    Ok(search)
}

fn check_status(status: &str) -> Result<(), ApiError> {
    let supported: Vec<String> = STATUSES.iter().map(ToString::to_string).collect();
    if supported.iter().any(|known| known == status) {
        return Ok(());
    }
    let message = format!(
        "Invalid value for 'status': expected a comma-separated list of these: {}.",
        supported.join(", ")
    );
    Err(ApiError::parameter("status", "invalid_value", message))
}

const STATUSES: [RunStatus; 9] = [
    RunStatus::Queued,
    RunStatus::InProgress,
    RunStatus::RequiresAction,
    RunStatus::Cancelling,
    RunStatus::Cancelled,
    RunStatus::Failed,
    RunStatus::Completed,
    RunStatus::Incomplete,
    RunStatus::Expired,
];

/// The state of a stream between two events.
enum Progress {
    Start,
    Open,
}

/// Streams `ready`, and then changes. The list that a client reads after `ready`, with the changes
/// since, is complete.
fn events(
    updates: RunUpdates,
    stop_runs: CancellationToken,
    permit: StreamPermit,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let state = Some((updates, Progress::Start, stop_runs, permit));
    stream::unfold(state, async |state| {
        let (mut updates, progress, stop_runs, permit) = state?;
        let open = |updates, stop_runs, permit| Some((updates, Progress::Open, stop_runs, permit));
        if matches!(progress, Progress::Start) {
            let event = event("ready", "{}");
            return Some((Ok(event), open(updates, stop_runs, permit)));
        }
        let event = tokio::select! {
            biased;
            () = stop_runs.cancelled() => return None,
            update = updates.next() => encode(&update?),
            () = tokio::time::sleep(COMMENT_INTERVAL) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok(event), open(updates, stop_runs, permit)))
    })
}

fn encode(update: &RunUpdate) -> Bytes {
    match update {
        RunUpdate::Changed(json) => event("run.changed", &String::from_utf8_lossy(json)),
        RunUpdate::Deleted { thread, run } => {
            let data = json!({"id": run, "object": "thread.run.deleted", "thread_id": thread});
            event("run.deleted", &data.to_string())
        }
        RunUpdate::ThreadDeleted(thread) => {
            let data = json!({"id": thread, "object": "thread.deleted"});
            event("thread.deleted", &data.to_string())
        }
        RunUpdate::Lost => event("runs.lost", "{}"),
    }
}

fn event(name: &str, data: &str) -> Bytes {
    format!("event: {name}\ndata: {}\n\n", escape_line_separators(data)).into()
}
