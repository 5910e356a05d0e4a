//! Ownership of the provider's objects: each API key can only use those that it has created.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::Method;
use serde_json::Value;

use super::error::ApiError;
use crate::engine::{Engine, EngineError};

/// How much of a JSON response is read if the server has to change it.
pub(super) const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// The members of requests that name files.
const FILE_MEMBERS: [&str; 2] = ["file_id", "file_ids"];

/// What a request does, by its method and the segments of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access<'a> {
    /// Lists a collection.
    List,
    /// Creates an object.
    Create,
    /// Completes an upload, which creates a file.
    Complete { id: &'a str },
    /// Deletes an object.
    Delete { id: &'a str },
    /// Uses an object otherwise.
    Use { id: &'a str },
    /// Reads what all keys share.
    Shared,
}

impl<'a> Access<'a> {
    pub(super) fn new(method: &Method, segments: &[&'a str]) -> Self {
        match segments {
            ["models", ..] => Self::Shared,
            [_] if *method == Method::POST => Self::Create,
            [_] => Self::List,
            ["uploads", id, "complete"] => Self::Complete { id },
            [_, id] if *method == Method::DELETE => Self::Delete { id },
            [_, id, ..] => Self::Use { id },
            [] => Self::Shared,
        }
    }
}

/// Checks that the key can use the object of a path.
pub(super) async fn check_path(engine: &Engine, access: Access<'_>) -> Result<(), ApiError> {
    let (Access::Complete { id } | Access::Delete { id } | Access::Use { id }) = access else {
        return Ok(());
    };
    check(engine, id).await
}

async fn check(engine: &Engine, id: &str) -> Result<(), ApiError> {
    match engine.owns(id).await? {
        true => Ok(()),
        false => Err(EngineError::NotFound { kind: "object", id: id.to_owned() }.into()),
    }
}

/// Checks that the key can use the files that a request about vector stores names. Returns its body.
pub(super) async fn check_body(
    engine: &Engine,
    body: Body,
    max_bytes: usize,
) -> Result<Bytes, ApiError> {
    let body = to_bytes(body, max_bytes).await.map_err(|_| ApiError::TooLarge(max_bytes))?;
    if body.is_empty() {
        return Ok(body);
    }
    let request: Value = serde_json::from_slice(&body).map_err(ApiError::InvalidJson)?;
    let entries = request.get("files").and_then(Value::as_array).into_iter().flatten();
    let members = [&request]
        .into_iter()
        .chain(entries)
        .flat_map(|object| FILE_MEMBERS.iter().filter_map(|name| object.get(*name)));
    let ids = members.flat_map(|member| match member {
        Value::Array(ids) => ids.iter().collect(),
        id => vec![id],
    });
    let ids: Vec<String> = ids.filter_map(Value::as_str).map(str::to_owned).collect();
    for id in &ids {
        check(engine, id).await?;
    }
    Ok(body)
}

/// Reads a JSON response.
pub(super) async fn read_json(body: Body) -> Result<Value, ApiError> {
    let invalid = || {
        let message = "The model's provider returned text that is not a JSON object.";
        ApiError::Upstream(message.to_owned())
    };
    let body = to_bytes(body, MAX_JSON_BYTES).await.map_err(|_| invalid())?;
    serde_json::from_slice(&body).map_err(|_| invalid())
}

/// Records what a successful request has created or deleted.
pub(super) async fn record(
    engine: &Engine,
    access: Access<'_>,
    response: &Value,
) -> Result<(), ApiError> {
    let created = match access {
        Access::Create => response.get("id"),
        Access::Complete { .. } => response.get("file").and_then(|file| file.get("id")),
        Access::Delete { id } => return Ok(engine.forget(id).await?),
        _ => None,
    };
    if let Some(id) = created.and_then(Value::as_str) {
        engine.adopt(id).await?;
    }
    Ok(())
}

fn id(object: &Value) -> Option<String> {
    object.get("id").and_then(Value::as_str).map(str::to_owned)
}

/// Removes the objects of other keys from a list. Returns the last id of the list if all were theirs
/// and more follow.
pub(super) async fn filter(engine: &Engine, list: &mut Value) -> Result<Option<String>, ApiError> {
    let Some(list) = list.as_object_mut() else { return Ok(None) };
    let Some(Value::Array(objects)) = list.get_mut("data") else { return Ok(None) };
    let last = objects.last().and_then(id);
    let mut own = Vec::new();
    for object in std::mem::take(objects) {
        let is_own = match id(&object) {
            Some(id) => engine.owns(&id).await?,
            None => false,
        };
        if is_own {
            own.push(object);
        }
    }
    let (first_own, last_own) = (own.first().and_then(id), own.last().and_then(id));
    let is_empty = own.is_empty();
    *objects = own;
    for (name, id) in [("first_id", first_own), ("last_id", last_own)] {
        if list.contains_key(name) {
            list.insert(name.to_owned(), id.map_or(Value::Null, Value::String));
        }
    }
    let has_more = list.get("has_more") == Some(&Value::Bool(true));
    Ok(last.filter(|_| is_empty && has_more))
}
