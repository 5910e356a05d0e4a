//! Lists of the runs of all threads.

use std::borrow::Cow;

use crate::json_text::member;

/// Which runs of a namespace a list has. An empty filter selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunFilter {
    /// Only runs with one of these statuses, unless there are none.
    pub(crate) statuses: Vec<String>,
    pub(crate) assistant: Option<String>,
    pub(crate) thread: Option<String>,
}

impl RunFilter {
    /// Returns whether the filter selects a run with this status and assistant.
    pub(super) fn selects(&self, status: Option<&str>, assistant: Option<&str>) -> bool {
        let has_status = self.statuses.is_empty()
            || status.is_some_and(|status| self.statuses.iter().any(|one| one == status));
        has_status && self.assistant.as_deref().is_none_or(|id| assistant == Some(id))
    }
}

/// The members of a run by which lists are filtered. The server writes them before all members that
/// a client determines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunLabels<'a> {
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) assistant_id: Option<Cow<'a, str>>,
}

/// A text without escapes is not copied.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> RunLabels<'a> {
    /// Reads the labels from the JSON of a run. A text without them has none.
    pub(super) fn read(json: &'a [u8]) -> Self {
        // They are at the start, so that long texts are not read.
        let text = |name| {
            let text: Option<Text<'a>> =
                serde_json::from_slice(json.get(member(json, name)?)?).ok();
            text.map(|Text(text)| text)
        };
        Self { status: text("status"), assistant_id: text("assistant_id") }
    }
}
