//! Lists, a page at a time.

use runstep_api::types::{
    Assistant, AssistantList, Message, MessageList, Run, RunList, RunStep, RunStepList,
};

use super::Refusal;
use crate::store::{Ordered, PageQuery, UnknownCursor};

/// What a page is written in.
pub(super) trait List {
    /// What it is a list of.
    type Entry;

    fn of(entries: Vec<Self::Entry>, has_more: bool) -> Self;
}

macro_rules! lists {
    ($($list:ident of $entry:ident,)*) => {$(
        impl List for $list {
            type Entry = $entry;

            fn of(entries: Vec<$entry>, has_more: bool) -> Self {
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

/// The page that a query asks for, of those that are wanted.
pub(super) fn list<T, L: List>(
    kind: &str,
    all: &Ordered<T>,
    query: &PageQuery,
    wanted: impl Fn(&T) -> bool,
    entry: impl Fn(&T) -> L::Entry,
) -> Result<L, Refusal> {
    let page = all.page(query, wanted).map_err(|cursor| unknown_cursor(kind, query, cursor))?;
    Ok(L::of(page.items.into_iter().map(entry).collect(), page.has_more))
}

fn unknown_cursor(kind: &str, query: &PageQuery, cursor: UnknownCursor) -> Refusal {
    let (param, id) = match cursor {
        UnknownCursor::After => ("after", &query.after),
        UnknownCursor::Before => ("before", &query.before),
    };
    let id = id.as_deref().unwrap_or_default();
    Refusal::Invalid {
        param: param.to_owned(),
        message: format!("there is no {kind} with id '{id}' here."),
    }
}
