//! Replaces the random ids of the server by numbered ones, so that outputs can be compared.

use std::collections::HashMap;
use std::sync::Mutex;

/// The prefixes of ids.
const PREFIXES: [&str; 6] = ["asst_", "thread_", "run_", "step_", "msg_", "call_"];
/// The length of the random part of an id.
const LENGTH: usize = 24;
/// The number of the first object of each kind.
const FIRST: usize = 123;

/// The ids that were seen, in the order of their appearance.
#[derive(Default)]
pub(crate) struct Aliases(Mutex<State>);

#[derive(Default)]
struct State {
    aliases: HashMap<String, String>,
    originals: HashMap<String, String>,
    counts: HashMap<&'static str, usize>,
}

impl Aliases {
    /// Returns a text of the server with aliases.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut state = self.0.lock().unwrap();
        replace(text, LENGTH, |prefix, id| {
            if let Some(alias) = state.aliases.get(id) {
                return alias.clone();
            }
            let count = state.counts.entry(prefix).or_insert(FIRST);
            let alias = format!("{prefix}abc{count}");
            *count += 1;
            state.aliases.insert(id.to_owned(), alias.clone());
            state.originals.insert(alias.clone(), id.to_owned());
            alias
        })
    }

    /// Returns a text of the program with the ids of the server.
    pub(crate) fn reveal(&self, text: &str) -> String {
        let state = self.0.lock().unwrap();
        replace(text, "abc123".len(), |_, alias| {
            state.originals.get(alias).cloned().unwrap_or_else(|| alias.to_owned())
        })
    }
}

/// Replaces each id whose part after the prefix has this length.
fn replace(
    text: &str,
    length: usize,
    mut replacement: impl FnMut(&'static str, &str) -> String,
) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    let next = |rest: &str| {
        let found = PREFIXES.iter().filter_map(|prefix| Some((rest.find(prefix)?, *prefix)));
        found.min()
    };
    while let Some((start, prefix)) = next(rest) {
        let after = &rest[start + prefix.len()..];
        let end = after.find(|letter: char| !letter.is_ascii_alphanumeric());
        let end = start + prefix.len() + end.unwrap_or(after.len());
        let id = &rest[start..end];
        replaced.push_str(&rest[..start]);
        if id.len() == prefix.len() + length {
            replaced.push_str(&replacement(prefix, id));
        } else {
            replaced.push_str(id);
        }
        rest = &rest[end..];
    }
    replaced.push_str(rest);
    replaced
}
