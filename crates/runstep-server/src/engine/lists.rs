//! Pages of lists, as JSON.

use axum::body::Bytes;

use super::context::Engine;
use super::error::{EngineError, Result};
use crate::store::{Collection, Object, PageQuery, StoreError, UnknownCursor};

/// The length of a list without its objects, at most.
const LIST_BYTES: usize = 160;

impl Engine {
    /// Returns a page of a collection. With `run`, only messages of that run.
    pub(super) async fn list(
        &self,
        collection: Collection,
        run: Option<&str>,
        query: &PageQuery,
    ) -> Result<Bytes> {
        self.list_with(collection, run, query, |json| Ok(json.clone())).await
    }

    /// Returns a page of a collection whose objects are not stored as clients get them.
    pub(super) async fn list_with(
        &self,
        collection: Collection,
        run: Option<&str>,
        query: &PageQuery,
        view: impl Fn(&Bytes) -> Result<Bytes>,
    ) -> Result<Bytes> {
        let kind = collection.kind().name();
        let run = run.map(str::to_owned);
        let page = self.context.store.page(&self.namespace, collection, run, query.clone()).await;
        match page {
            Ok(mut page) => {
                for object in &mut page.objects {
                    object.json = view(&object.json)?;
                }
                let charge = self.quota().reserve(length(&page.objects))?;
                let first = page.objects.first().map(|object| object.id.as_str());
                let last = page.objects.last().map(|object| object.id.as_str());
                Ok(charge.hold(compose(&page.objects, first, last, page.has_more)))
            }
            Err(StoreError::UnknownCursor(cursor)) => Err(unknown_cursor(kind, query, cursor)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the length of a list of objects.
pub(super) fn length(objects: &[Object]) -> usize {
    objects.iter().map(|object| object.json.len() + 1).sum::<usize>() + LIST_BYTES
}

/// Composes a list object from stored objects and the ids of its cursors.
pub(super) fn compose(
    objects: &[Object],
    first: Option<&str>,
    last: Option<&str>,
    has_more: bool,
) -> Vec<u8> {
    const START: &[u8] = br#"{"object":"list","data":["#;
    let mut list = Vec::with_capacity(length(objects));
    list.extend_from_slice(START);
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(&object.json);
    }
    let id = |id: Option<&str>| {
        // Ids have no characters that JSON escapes.
        id.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""))
    };
    let (first, last) = (id(first), id(last));
    let end = format!("],\"first_id\":{first},\"last_id\":{last},\"has_more\":{has_more}}}");
    list.extend_from_slice(end.as_bytes());
    list
}

pub(super) fn unknown_cursor(kind: &str, query: &PageQuery, cursor: UnknownCursor) -> EngineError {
    let (param, id) = match cursor {
        UnknownCursor::After => ("after", &query.after),
        UnknownCursor::Before => ("before", &query.before),
    };
    let id = id.as_deref().unwrap_or_default();
    EngineError::invalid(param, format!("the list contains no {kind} with id '{id}'."))
}
