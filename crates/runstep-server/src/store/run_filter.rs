//! Lists of the runs of all threads.

use crate::json_text::member;

/// Which runs of a namespace a list has. An empty filter selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunFilter {
    /// Only runs with one of these statuses, unless there are none.
    pub(crate) statuses: Vec<String>,
    pub(crate) assistant: Option<String>,
    pub(crate) thread: Option<String>,
}

/// The members of a run by which lists are filtered. The server writes them before all members that
/// a client determines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunLabels {
    pub(super) status: Option<String>,
    pub(super) assistant_id: Option<String>,
}

impl RunLabels {
    /// Reads the labels from the JSON of a run. A text without them has none.
    pub(super) fn read(json: &[u8]) -> Self {
        // They are at the start, so that long texts are not read.
        let text = |name| serde_json::from_slice(json.get(member(json, name)?)?).ok();
        Self { status: text("status"), assistant_id: text("assistant_id") }
    }

    /// Returns whether a filter selects a run with these labels.
    pub(super) fn match_filter(&self, filter: &RunFilter) -> bool {
        let has_status = match &self.status {
            Some(status) => filter.statuses.is_empty() || filter.statuses.contains(status),
            None => filter.statuses.is_empty(),
        };
        let has_assistant = |id| self.assistant_id.as_ref() == Some(id);
        has_status && filter.assistant.as_ref().is_none_or(has_assistant)
    }
}
