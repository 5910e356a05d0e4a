//! Pages of lists.

use runstep_api::types::{
    Assistant, AssistantList, Message, MessageList, Run, RunList, RunStep, RunStepList,
};

use super::error::{EngineError, Result};
use crate::store::{Ordered, PageQuery, UnknownCursor};

/// A list type of the API.
pub(super) trait List {
    type Entry;

    fn from_page(entries: Vec<Self::Entry>, has_more: bool) -> Self;
}

macro_rules! lists {
    ($($list:ident of $entry:ident,)*) => {$(
        impl List for $list {
            type Entry = $entry;

            fn from_page(entries: Vec<$entry>, has_more: bool) -> Self {
                let mut list = Self::new(entries, has_more);
                list.first_id = list.data.first().map(|entry| entry.id.clone());
                list.last_id = list.data.last().map(|entry| entry.id.clone());
                list
            }
        }
    )*};
}

lists! {
    AssistantList of Assistant,
    MessageList of Message,
    RunList of Run,
    RunStepList of RunStep,
}

/// Returns a page of the entries that match the filter. `kind` names the entries in errors.
pub(super) fn list<T, L: List>(
    kind: &str,
    all: &Ordered<T>,
    query: &PageQuery,
    filter: impl Fn(&T) -> bool,
    to_entry: impl Fn(&T) -> L::Entry,
) -> Result<L> {
    let page = all.page(query, filter).map_err(|cursor| unknown_cursor(kind, query, cursor))?;
    Ok(L::from_page(page.items.into_iter().map(to_entry).collect(), page.has_more))
}

fn unknown_cursor(kind: &str, query: &PageQuery, cursor: UnknownCursor) -> EngineError {
    let (param, id) = match cursor {
        UnknownCursor::After => ("after", &query.after),
        UnknownCursor::Before => ("before", &query.before),
    };
    let id = id.as_deref().unwrap_or_default();
    EngineError::invalid(param, format!("the list contains no {kind} with id '{id}'."))
}
