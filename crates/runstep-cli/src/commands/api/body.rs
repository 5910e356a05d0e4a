//! The request body of an operation, from flags and from `--body`.

use std::io::Read as _;
use std::path::Path;

use clap::ArgMatches;
use serde_json::{Map, Value};

use super::command::BODY;
use super::operation::{Body, Kind, Property};
use crate::error::CliError;

/// Maximum length of a body, in bytes. The longest texts of the API are shorter.
const MAX_BODY: u64 = 64 * 1024 * 1024;

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
        json if json.trim_start().starts_with('{') => (json.to_owned(), "--body".to_owned()),
        "-" => (read_limited(std::io::stdin().lock()).map_err(CliError::Input)?, "the body".into()),
        path => {
            let path = Path::new(path);
            let file = std::fs::File::open(path);
            let text = file.and_then(read_limited).map_err(CliError::read(path))?;
            (text, path.display().to_string())
        }
    };
    let invalid = |error| CliError::Usage(format!("{source} is not a JSON object: {error}"));
    serde_json::from_str(&text).map_err(invalid)
}

fn read_limited(input: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    let length = input.take(MAX_BODY + 1).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_BODY) {
        return Err(std::io::Error::other("the body is longer than 64 MiB"));
    }
    Ok(text)
}
