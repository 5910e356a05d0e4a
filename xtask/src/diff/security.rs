//! Compares what requests must be authenticated with.

use std::collections::BTreeSet;

use serde_json::Value;

use super::change::{Breaks, ChangeKind};
use crate::codegen::document::Document;

/// Returns the changes of the security requirements of an operation. A client fails if it
/// satisfies none of the new alternatives.
pub(super) fn changes(documents: [&Document; 2], operations: [&Value; 2]) -> Vec<ChangeKind> {
    let [old, new] = [0, 1].map(|side| {
        let document = documents.get(side)?;
        Some(alternatives(document, operations.get(side)?))
    });
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    match (old.is_empty(), new.is_empty()) {
        (true, true) => Vec::new(),
        (true, false) => {
            let text = format!("authentication required now: {}", join(&new));
            vec![ChangeKind::of_values(Breaks::Always, text)]
        }
        (false, true) => {
            vec![ChangeKind::of_values(Breaks::Never, "authentication no longer required")]
        }
        (false, false) => {
            let removed: BTreeSet<String> = old.difference(&new).cloned().collect();
            let added: BTreeSet<String> = new.difference(&old).cloned().collect();
            let mut found = Vec::new();
            if !removed.is_empty() {
                let text = format!("authentication removed: {}", join(&removed));
                found.push(ChangeKind::of_values(Breaks::Always, text));
            }
            if !added.is_empty() {
                let text = format!("authentication added: {}", join(&added));
                found.push(ChangeKind::of_values(Breaks::Never, text));
            }
            found
        }
    }
}

fn join(alternatives: &BTreeSet<String>) -> String {
    alternatives.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the alternatives as text, by the content of the schemes and not by their names. The set
/// is empty if requests need no authentication.
fn alternatives(document: &Document, operation: &Value) -> BTreeSet<String> {
    let security = operation.get("security").or_else(|| document.0.get("security"));
    let requirements = security.and_then(Value::as_array);
    let mut found = BTreeSet::new();
    for requirement in requirements.into_iter().flatten().filter_map(Value::as_object) {
        if requirement.is_empty() {
            // An empty alternative makes authentication optional.
            return BTreeSet::new();
        }
        let schemes: BTreeSet<String> =
            requirement.iter().map(|(name, scopes)| scheme(document, name, scopes)).collect();
        found.insert(schemes.into_iter().collect::<Vec<_>>().join(" and "));
    }
    found
}

/// Describes a scheme: `http bearer`, `apiKey in header X-Key`.
fn scheme(document: &Document, name: &str, scopes: &Value) -> String {
    let scheme = document.0.pointer("/components/securitySchemes").and_then(|all| all.get(name));
    let Some(scheme) = scheme.map(|scheme| document.resolved(scheme)) else {
        return name.to_owned();
    };
    let text = |keyword: &str| scheme.get(keyword).and_then(Value::as_str);
    let mut words = vec![text("type").unwrap_or(name).to_owned()];
    words.extend(text("scheme").map(str::to_lowercase));
    if let (Some(location), Some(parameter)) = (text("in"), text("name")) {
        words.push(format!("in {location} {parameter}"));
    }
    words.extend(text("openIdConnectUrl").map(str::to_owned));
    let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
    let scopes: BTreeSet<&str> = scopes.collect();
    if !scopes.is_empty() {
        words.push(format!("with {}", scopes.into_iter().collect::<Vec<_>>().join(", ")));
    }
    words.join(" ")
}
