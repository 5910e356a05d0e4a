//! The list of the runs of all threads, with indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::State;
use crate::store::object::{Kind, Namespace, Object, RunKey};
use crate::store::page::{ObjectPage, PageQuery, PageRange, UnknownCursor};
use crate::store::run_filter::{RunFilter, RunLabels};
use crate::store::{Result, StoreError};

/// The runs of a namespace by their number, which is the order of their creation.
#[derive(Default)]
pub(super) struct RunIndex {
    runs: BTreeMap<u64, IndexedRun>,
    numbers: HashMap<String, u64>,
    by_status: Index,
    by_assistant: Index,
}

struct IndexedRun {
    number: u64,
    thread: String,
    id: String,
    labels: RunLabels,
}

/// Numbers by a label.
#[derive(Default)]
struct Index(HashMap<String, BTreeSet<u64>>);

impl Index {
    fn insert(&mut self, label: Option<&String>, number: u64) {
        let Some(label) = label else { return };
        match self.0.get_mut(label) {
            Some(numbers) => {
                numbers.insert(number);
            }
            None => {
                self.0.insert(label.clone(), BTreeSet::from([number]));
            }
        }
    }

    fn remove(&mut self, label: Option<&String>, number: u64) {
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
    pub(super) fn insert(&mut self, number: u64, key: &RunKey, labels: RunLabels) {
        self.by_status.insert(labels.status.as_ref(), number);
        self.by_assistant.insert(labels.assistant_id.as_ref(), number);
        self.numbers.insert(key.run.clone(), number);
        let (thread, id) = (key.thread.clone(), key.run.clone());
        self.runs.insert(number, IndexedRun { number, thread, id, labels });
    }

    pub(super) fn update(&mut self, number: u64, labels: RunLabels) {
        let Some(run) = self.runs.get_mut(&number) else { return };
        let before = std::mem::replace(&mut run.labels, labels);
        if before.status != run.labels.status {
            self.by_status.remove(before.status.as_ref(), number);
            self.by_status.insert(run.labels.status.as_ref(), number);
        }
        if before.assistant_id != run.labels.assistant_id {
            self.by_assistant.remove(before.assistant_id.as_ref(), number);
            self.by_assistant.insert(run.labels.assistant_id.as_ref(), number);
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(run) = self.runs.remove(&number) else { return };
        self.numbers.remove(&run.id);
        self.by_status.remove(run.labels.status.as_ref(), number);
        self.by_assistant.remove(run.labels.assistant_id.as_ref(), number);
    }

    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let counts = self.by_status.0.iter();
        counts.map(|(status, numbers)| (status.clone(), numbers.len() as u64)).collect()
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
        for set in labels.into_iter().filter_map(|label| index.0.get(label)) {
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
            run.labels.match_filter(filter).then_some(run)
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
                let number = tenant.and_then(|tenant| tenant.runs.numbers.get(id));
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
            .filter_map(|run| tenant.threads.get(&run.thread)?.runs.get(&run.id))
            .map(|run| run.object.clone())
            .collect();
        Ok(range.page(objects, query.limit))
    }
}
