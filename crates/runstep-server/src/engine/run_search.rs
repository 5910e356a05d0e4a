//! Lists of all threads, and of the runs of all threads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::Deserialize;

use super::context::Engine;
use super::error::Result;
use super::lists::{self, unknown_cursor};
use super::objects;
use crate::store::{Collection, Kind, Object, PageQuery, RunFilter, StoreError};

/// How many runs are examined for a page, if the store cannot select them by an index,
const MAX_EXAMINED: usize = 10_000;
/// and how many of them are read at a time.
const CHUNK: usize = 200;
/// How many assistants are searched by their name, the newest first.
const MAX_ASSISTANTS: usize = 1000;

/// Which runs a list has.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunSearch {
    /// What the store selects by an index.
    pub(crate) filter: RunFilter,
    /// Metadata that a run must have.
    pub(crate) metadata: Vec<(String, String)>,
    /// A text that a run must contain.
    pub(crate) text: Option<String>,
}

/// The members of a run that contain text to search for.
#[derive(Deserialize)]
struct SearchedRun<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    thread_id: Cow<'a, str>,
    #[serde(borrow)]
    assistant_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    instructions: Option<Cow<'a, str>>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct NamedAssistant {
    id: String,
    name: Option<String>,
}

/// The condition on runs that the store cannot select by an index.
struct Condition<'a> {
    metadata: &'a [(String, String)],
    /// In lower case.
    text: Option<String>,
    /// The assistants whose names contain the text.
    assistants: Vec<String>,
}

/// The runs of a page, and where the next one begins.
#[derive(Default)]
struct FoundRuns {
    runs: Vec<Object>,
    examined: usize,
    /// The run that was examined last.
    last: Option<String>,
    has_more: bool,
}

impl Engine {
    pub(crate) async fn threads(&self, query: &PageQuery) -> Result<Bytes> {
        self.list(Collection::Threads, None, query).await
    }

    /// Returns a page of the runs of all threads.
    pub(crate) async fn all_runs(&self, search: &RunSearch, query: &PageQuery) -> Result<Bytes> {
        let page = if search.metadata.is_empty() && search.text.is_none() {
            let page = self.read_runs(&search.filter, query).await?;
            let last = page.0.last().map(|run| run.id.clone());
            FoundRuns { runs: page.0, has_more: page.1, last, ..FoundRuns::default() }
        } else {
            self.find_runs(search, query).await?
        };
        let first = page.runs.first().map(|run| run.id.as_str());
        let charge = self.quota().reserve(lists::length(&page.runs))?;
        Ok(charge.hold(lists::compose(&page.runs, first, page.last.as_deref(), page.has_more)))
    }

    /// Returns how many runs have each status, as JSON.
    pub(crate) async fn run_counts(&self) -> Result<Bytes> {
        let counts = self.context.store.run_counts(&self.namespace).await?;
        let total: u64 = counts.iter().map(|(_, count)| count).sum();
        let statuses: BTreeMap<String, u64> = counts.into_iter().collect();
        let counts = serde_json::json!({
            "object": "run.counts", "total": total, "statuses": statuses,
        });
        Ok(objects::json(&counts))
    }

    async fn read_runs(
        &self,
        filter: &RunFilter,
        query: &PageQuery,
    ) -> Result<(Vec<Object>, bool)> {
        match self.context.store.runs(&self.namespace, filter.clone(), query.clone()).await {
            Ok(page) => Ok((page.objects, page.has_more)),
            Err(StoreError::UnknownCursor(cursor)) => {
                Err(unknown_cursor(Kind::Run.name(), query, cursor))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads chunks of runs until a page is full, or until many runs were examined.
    async fn find_runs(&self, search: &RunSearch, query: &PageQuery) -> Result<FoundRuns> {
        let condition = self.condition(search).await?;
        // With `before` alone, the page is read backwards from there.
        let is_backwards = query.before.is_some() && query.after.is_none();
        let mut found = FoundRuns::default();
        let mut chunk_query = PageQuery { limit: CHUNK, ..query.clone() };
        'pages: loop {
            let (mut chunk, has_more) = self.read_runs(&search.filter, &chunk_query).await?;
            if is_backwards {
                chunk.reverse();
            }
            for run in chunk {
                if found.runs.len() == query.limit || found.examined == MAX_EXAMINED {
                    found.has_more = true;
                    break 'pages;
                }
                found.examined += 1;
                found.last = Some(run.id.clone());
                if condition.is_met(&run) {
                    found.runs.push(run);
                }
            }
            if !has_more {
                break;
            }
            match is_backwards {
                true => chunk_query.before.clone_from(&found.last),
                false => chunk_query.after.clone_from(&found.last),
            }
        }
        if is_backwards {
            found.runs.reverse();
            found.last = found.runs.last().map(|run| run.id.clone()).or(found.last);
        }
        Ok(found)
    }

    async fn condition<'a>(&self, search: &'a RunSearch) -> Result<Condition<'a>> {
        let text = search.text.as_deref().map(str::to_lowercase);
        let mut assistants = Vec::new();
        if let Some(text) = &text {
            let query =
                PageQuery { limit: MAX_ASSISTANTS, newest_first: true, after: None, before: None };
            let collection = Collection::Assistants;
            let page = self.context.store.page(&self.namespace, collection, None, query).await?;
            for assistant in page.objects {
                let NamedAssistant { id, name } = objects::parse(&assistant.json)?;
                if name.is_some_and(|name| name.to_lowercase().contains(text)) {
                    assistants.push(id);
                }
            }
        }
        Ok(Condition { metadata: &search.metadata, text, assistants })
    }
}

impl Condition<'_> {
    fn is_met(&self, run: &Object) -> bool {
        let Ok(run) = serde_json::from_slice::<SearchedRun<'_>>(&run.json) else { return false };
        let has_metadata = self.metadata.iter().all(|(name, value)| {
            let metadata = run.metadata.as_ref();
            metadata.and_then(|metadata| metadata.get(name)) == Some(value)
        });
        let contains = |text: &str| {
            let optional = [&run.assistant_id, &run.model, &run.instructions];
            let texts = optional.into_iter().flatten().chain([&run.id, &run.thread_id]);
            let values = run.metadata.iter().flat_map(BTreeMap::values).map(String::as_str);
            texts.map(|text| &**text).chain(values).any(|value| value.to_lowercase().contains(text))
        };
        let is_of_found_assistant = || {
            let is_equal = |id: &String| run.assistant_id.as_deref() == Some(id.as_str());
            self.assistants.iter().any(is_equal)
        };
        has_metadata
            && self.text.as_deref().is_none_or(|text| is_of_found_assistant() || contains(text))
    }
}
