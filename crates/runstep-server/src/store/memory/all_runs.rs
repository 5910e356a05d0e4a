//! The list of the runs of all threads, with indexes.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use super::State;
use crate::ids::IdMap;
use crate::store::object::{Kind, Namespace, Object, RunKey};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::run_filter::{RunFilter, RunLabels};
use crate::store::{Result, StoreError};

/// The runs of a namespace by their number, which is the order of their creation.
#[derive(Default)]
pub(super) struct RunIndex {
    runs: BTreeMap<u64, IndexedRun>,
    numbers: IdMap<RunId, u64>,
    by_status: Index,
    by_assistant: Index,
}

struct IndexedRun {
    number: u64,
    key: Arc<RunKey>,
    status: Option<Arc<str>>,
    assistant: Option<Arc<str>>,
}

/// A run that is found by its id.
struct RunId(Arc<RunKey>);

/// Numbers by a label.
#[derive(Default)]
struct Index(IdMap<Arc<str>, BTreeSet<u64>>);

impl Borrow<str> for RunId {
    fn borrow(&self) -> &str {
        &self.0.run
    }
}

impl PartialEq for RunId {
    fn eq(&self, other: &Self) -> bool {
        self.0.run == other.0.run
    }
}

impl Eq for RunId {}

impl Hash for RunId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.run.hash(state);
    }
}

impl Index {
    /// Inserts a number. Returns the label, which all of its runs share.
    fn insert(&mut self, label: Option<&str>, number: u64) -> Option<Arc<str>> {
        let label = label?;
        let label = self
            .0
            .get_key_value(label)
            .map_or_else(|| label.into(), |(label, _)| Arc::clone(label));
        self.0.entry(Arc::clone(&label)).or_default().insert(number);
        Some(label)
    }

    fn remove(&mut self, label: Option<&str>, number: u64) {
        if let Some(label) = label
            && let Some(numbers) = self.0.get_mut(label)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.0.remove(label);
            }
        }
    }
}

impl RunIndex {
    pub(super) fn insert(&mut self, number: u64, key: Arc<RunKey>, labels: &RunLabels<'_>) {
        let status = self.by_status.insert(labels.status.as_deref(), number);
        let assistant = self.by_assistant.insert(labels.assistant_id.as_deref(), number);
        self.numbers.insert(RunId(Arc::clone(&key)), number);
        self.runs.insert(number, IndexedRun { number, key, status, assistant });
    }

    pub(super) fn update(&mut self, number: u64, labels: &RunLabels<'_>) {
        let Some(run) = self.runs.get_mut(&number) else { return };
        let (status, assistant) = (labels.status.as_deref(), labels.assistant_id.as_deref());
        if run.status.as_deref() != status {
            self.by_status.remove(run.status.as_deref(), number);
            run.status = self.by_status.insert(status, number);
        }
        if run.assistant.as_deref() != assistant {
            self.by_assistant.remove(run.assistant.as_deref(), number);
            run.assistant = self.by_assistant.insert(assistant, number);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(run) = self.runs.remove(&number) else { return };
        self.numbers.remove(run.key.run.as_str());
        self.by_status.remove(run.status.as_deref(), number);
        self.by_assistant.remove(run.assistant.as_deref(), number);
    }

    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let counts = self.by_status.0.iter();
        counts.map(|(status, numbers)| (status.to_string(), numbers.len() as u64)).collect()
    }

    /// Returns at most `limit` runs of a range that a filter selects, in the direction of reading.
    fn select(&self, filter: &RunFilter, range: PageRange<u64>, limit: usize) -> Vec<&IndexedRun> {
        let bound = |number: Option<u64>| number.map_or(Bound::Unbounded, Bound::Excluded);
        let bounds = (bound(range.low), bound(range.high));
        let labels: Vec<&String> = match &filter.assistant {
            _ if !filter.statuses.is_empty() => filter.statuses.iter().collect(),
            Some(assistant) => vec![assistant],
            None => {
                let all = self.runs.range(bounds).map(|(number, _)| *number);
                return self.take(all, filter, range.descending, limit);
            }
        };
        let index = if filter.statuses.is_empty() { &self.by_assistant } else { &self.by_status };
        let mut numbers = BTreeSet::new();
        for set in labels.into_iter().filter_map(|label| index.0.get(label.as_str())) {
            let found = self.take(set.range(bounds).copied(), filter, range.descending, limit);
            numbers.extend(found.into_iter().map(|run| run.number));
        }
        self.take(numbers.into_iter(), filter, range.descending, limit)
    }

    /// Returns the first runs that a filter selects.
    fn take(
        &self,
        numbers: impl DoubleEndedIterator<Item = u64>,
        filter: &RunFilter,
        descending: bool,
        limit: usize,
    ) -> Vec<&IndexedRun> {
        let selected = |number: u64| {
            let run = self.runs.get(&number)?;
            filter.selects(run.status.as_deref(), run.assistant.as_deref()).then_some(run)
        };
        if descending {
            numbers.rev().filter_map(selected).take(limit).collect()
        } else {
            numbers.filter_map(selected).take(limit).collect()
        }
    }
}

impl State {
    pub(super) fn runs(
        &self,
        namespace: &Namespace,
        filter: &RunFilter,
        query: &PageQuery,
    ) -> Result<ObjectPage> {
        let tenant = self.tenants.get(namespace);
        let thread = match &filter.thread {
            Some(id) => {
                let thread = tenant.and_then(|tenant| tenant.threads.get(id));
                Some(thread.ok_or_else(|| StoreError::missing(Kind::Thread, id))?)
            }
            None => None,
        };
        let position = |id: &Option<String>, unknown| match id {
            Some(id) => {
                let number = tenant.and_then(|tenant| tenant.runs.numbers.get(id.as_str()));
                number.copied().map(Some).ok_or(StoreError::UnknownCursor(unknown))
            }
            None => Ok(None),
        };
        let after = position(&query.after, UnknownCursor::After)?;
        let before = position(&query.before, UnknownCursor::Before)?;
        let empty = ObjectPage { objects: Vec::new(), has_more: false };
        let Some(range) = PageRange::new(query.newest_first, after, before) else {
            return Ok(empty);
        };
        let Some(tenant) = tenant else { return Ok(empty) };
        let limit = query.limit.saturating_add(1);
        let runs = match thread {
            Some(thread) => {
                let numbers = thread.runs.iter().map(|run| run.number).filter(|number| {
                    range.low.is_none_or(|low| *number > low)
                        && range.high.is_none_or(|high| *number < high)
                });
                tenant.runs.take(numbers, filter, range.descending, limit)
            }
            None => tenant.runs.select(filter, range, limit),
        };
        let objects: Vec<Object> = runs
            .into_iter()
            .filter_map(|run| tenant.threads.get(&run.key.thread)?.runs.get(&run.key.run))
            .map(|run| run.object.clone())
            .collect();
        Ok(range.page(objects, query.limit))
    }
}
