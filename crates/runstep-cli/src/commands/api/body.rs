//! The request body of an operation, from flags and from `--body`.

use std::path::Path;

use clap::ArgMatches;
use serde_json::{Map, Value};

use super::command::BODY;
use super::operation::{Body, Kind, Property};
use crate::error::CliError;
use crate::input::{self, MAX_BODY_KIB};

/// Returns the body, or `None` if the operation needs none and nothing is set.
pub(super) fn body(body: &Body, matches: &ArgMatches) -> Result<Option<Value>, CliError> {
    let argument = matches.get_one::<String>(BODY);
    let mut properties = argument.map(|argument| read(argument)).transpose()?.unwrap_or_default();
    for property in body.properties {
        if let Some(value) = value(property, matches)? {
            properties.insert(property.name.to_owned(), value);
        }
    }
    let missing =
        |property: &&Property| property.is_required && !properties.contains_key(property.name);
    if let Some(property) = body.properties.iter().find(missing) {
        return Err(CliError::usage(
            format!("the body has no `{}`", property.name),
            format!("use --{}, or --body", property.flag),
        ));
    }
    let is_sent = body.is_required || argument.is_some() || !properties.is_empty();
    Ok(is_sent.then_some(Value::Object(properties)))
}

/// Returns the value of a flag.
fn value(property: &Property, matches: &ArgMatches) -> Result<Option<Value>, CliError> {
    let flag = property.flag;
    Ok(match property.kind {
        Kind::Text(_) => matches.get_one::<String>(flag).map(|text| text.as_str().into()),
        Kind::Integer => matches.get_one::<i64>(flag).map(|number| (*number).into()),
        Kind::Boolean => matches.get_one::<bool>(flag).map(|flag| (*flag).into()),
        Kind::Number => match matches.get_one::<f64>(flag) {
            Some(number) => {
                let number = serde_json::Number::from_f64(*number);
                let finite = || CliError::Usage(format!("--{flag} is not a finite number"));
                Some(Value::Number(number.ok_or_else(finite)?))
            }
            None => None,
        },
        Kind::Map => matches.get_many::<(String, String)>(flag).map(|pairs| {
            let pairs = pairs.map(|(key, value)| (key.clone(), Value::from(value.as_str())));
            Value::Object(pairs.collect())
        }),
    })
}

/// Reads the argument of `--body`: JSON, a file, or `-` for standard input.
fn read(argument: &str) -> Result<Map<String, Value>, CliError> {
    let (text, source) = match argument {
        "-" => (input::read_stdin(MAX_BODY_KIB)?, "the body".to_owned()),
        json if is_json(json) => (json.to_owned(), "--body".to_owned()),
        path => (
            input::read_file(Path::new(path), MAX_BODY_KIB)?,
            Path::new(path).display().to_string(),
        ),
    };
    if text.trim().is_empty() {
        return Err(CliError::usage(format!("{source} is empty"), "write a JSON object"));
    }
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{source} is not valid JSON: {error}")))?;
    let kind = match value {
        Value::Object(properties) => return Ok(properties),
        Value::Array(_) => "an array",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    Err(CliError::Usage(format!("{source} is {kind}; expected a JSON object")))
}

/// Returns whether an argument is JSON, also if it is not valid or not an object, rather than a path.
fn is_json(argument: &str) -> bool {
    let start = argument.trim_start();
    start.is_empty()
        || start.starts_with(['{', '[', '"'])
        || serde_json::from_str::<serde::de::IgnoredAny>(start).is_ok()
}
