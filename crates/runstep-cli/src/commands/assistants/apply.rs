//! `runstep assistants apply`: makes an assistant what its file says.

use std::path::PathBuf;

use runstep::Client;
use runstep::reqwest::Method;
use runstep::types::Assistant;
use serde_json::{Map, Value, json};

use super::definition::Definition;
use crate::commands::api::path::segment;
use crate::error::CliError;
use crate::exit::Exit;
use crate::terminal::{Terminal, text};

/// The columns of a value in a list of changes.
const MAX_VALUE: usize = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArguments {
    /// The file: the properties of an assistant, and its `id` unless its name is unique
    file: PathBuf,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What applying a file does.
enum Action {
    Create,
    Update(String),
    Nothing,
}

pub(super) async fn run(
    arguments: &ApplyArguments,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit, CliError> {
    let definition = Definition::read(&arguments.file)?;
    let existing = find(&definition, client).await?;
    let changes = match &existing {
        Some(existing) => changes(&serde_json::to_value(existing)?, &definition.properties),
        None => changes(&Value::Null, &definition.properties),
    };
    let action = match &existing {
        None => Action::Create,
        Some(_) if changes.is_empty() => Action::Nothing,
        Some(existing) => Action::Update(existing.id.clone()),
    };
    let path = match &action {
        Action::Create => Some("/assistants".to_owned()),
        Action::Update(id) => Some(format!("/assistants/{}", segment(id)?)),
        Action::Nothing => None,
    };
    let mut applied = existing.map(serde_json::to_value).transpose()?;
    if let Some(path) = path.filter(|_| !arguments.dry_run) {
        let request = client.request(Method::POST, path).json(&definition.properties);
        applied = Some(request.await?);
    }
    report(arguments, &action, &changes, applied.as_ref(), terminal)?;
    Ok(Exit::Success)
}

/// Returns the assistant of a file: by its id, or the only one with its name.
async fn find(definition: &Definition, client: &Client) -> Result<Option<Assistant>, CliError> {
    if let Some(id) = &definition.id {
        return Ok(Some(client.assistants().retrieve(id).await?));
    }
    let name = definition.properties.get("name").and_then(Value::as_str);
    let mut found: Vec<Assistant> = Vec::new();
    let mut items = client.assistants().list().limit(100).items();
    while let Some(assistant) = items.try_next().await? {
        if assistant.name.as_deref() == name {
            found.push(assistant);
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let ids: Vec<&str> = found.iter().map(|assistant| assistant.id.as_str()).collect();
            let name = name.unwrap_or_default();
            Err(CliError::usage(
                format!("several assistants have the name `{name}`: {}", ids.join(", ")),
                "add the `id` of one of them to the file",
            ))
        }
    }
}

/// A property that differs.
struct Change<'a> {
    property: &'a str,
    before: Option<Value>,
    after: &'a Value,
}

/// Returns the properties of a file that differ from the assistant. Others stay as they are.
fn changes<'a>(existing: &Value, properties: &'a Map<String, Value>) -> Vec<Change<'a>> {
    let differs = |(property, after): (&'a String, &'a Value)| {
        let before = existing.get(property).cloned();
        let is_same = before.as_ref().is_some_and(|before| covers(before, after));
        (!is_same).then_some(Change { property: property.as_str(), before, after })
    };
    properties.iter().filter_map(differs).collect()
}

/// Returns whether a value of the provider has everything of a value of the file. Providers add
/// defaults to objects.
fn covers(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| actual.get(key).is_some_and(|actual| covers(actual, value))),
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual.iter().zip(expected).all(|(actual, expected)| covers(actual, expected))
        }
        // TOML distinguishes 1 and 1.0, and JSON does not.
        (Value::Number(actual), Value::Number(expected)) => actual.as_f64() == expected.as_f64(),
        (actual, expected) => actual == expected,
    }
}

fn report(
    arguments: &ApplyArguments,
    action: &Action,
    changes: &[Change<'_>],
    applied: Option<&Value>,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let done = |done: &'static str, planned: &'static str| {
        if arguments.dry_run { planned } else { done }
    };
    let verb = match action {
        Action::Create => done("created", "would be created"),
        Action::Update(_) => done("updated", "would be updated"),
        Action::Nothing => "is up to date",
    };
    let id = applied.and_then(|assistant| assistant.get("id")?.as_str());
    if terminal.is_json {
        let changed: Vec<&str> = changes.iter().map(|change| change.property).collect();
        return terminal.json(&json!({
            "object": "runstep.applied",
            "action": match action {
                Action::Create => "create",
                Action::Update(_) => "update",
                Action::Nothing => "none",
            },
            "dry_run": arguments.dry_run,
            "changed": changed,
            "assistant": applied,
        }));
    }
    terminal.line(format!("{} {verb}", text::line(id.unwrap_or("the assistant"))))?;
    if matches!(action, Action::Create) {
        return Ok(());
    }
    let palette = terminal.palette;
    let (old, new) = (palette.error(), palette.good());
    for Change { property, before, after } in changes {
        let excerpt = |value: &Value| match value {
            Value::String(value) => text::excerpt(value, MAX_VALUE),
            value => text::excerpt(&value.to_string(), MAX_VALUE),
        };
        let before = before.as_ref().map_or_else(|| "-".to_owned(), excerpt);
        let after = excerpt(after);
        terminal.line(format!("  {property}: {old}{before}{old:#} → {new}{after}{new:#}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_the_provider_are_no_change() {
        let actual = json!({ "tools": [{ "type": "file_search", "file_search": { "max": 20 } }],
            "temperature": 1, "name": "a" });
        let file = json!({ "tools": [{ "type": "file_search" }], "temperature": 1.0, "name": "b" });
        let file = file.as_object().unwrap();
        let changed: Vec<&str> =
            changes(&actual, file).iter().map(|change| change.property).collect();
        assert_eq!(changed, ["name"]);
        let fewer = json!({ "tools": [] });
        assert_eq!(changes(&actual, fewer.as_object().unwrap()).len(), 1);
    }
}
