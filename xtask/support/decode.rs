//! Decodes responses. Errors name the JSON path, the expected type and the actual value.

use bytes::Bytes;
use progenitor_client::{Error, ResponseValue};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::{Deserialize as _, DeserializeOwned, Deserializer, Error as _};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::call::{CallOptions, ReadError, read_body};
use crate::json::{Json, JsonText};
use crate::slot::Slot;
use crate::wire::Decode;
use crate::{reader, tolerant_reader};

/// Maximum length of a value in an error message, in characters.
const MAX_EXCERPT: usize = 80;

/// Decodes JSON as a type of this crate.
///
/// A value that is not as the specification says is accepted if something can be made of it:
///
/// - A property is only required if the object is useless without it.
/// - A string that is another kind of value is its JSON text. A number or boolean may be such a string, and a
///   boolean may be 0 or 1. A lone surrogate in a string is replaced.
/// - Any other property of the wrong kind is absent, and its value is in `other()` of the object. If
///   items of a list do not decode, the list has the others, and the whole list is there.
/// - A variant of a union that does not decode is `Unknown`. If the discriminator is absent, it is
///   inferred from a property with the name of one variant.
///
/// Values that the specification does not list are kept as [`serde_json::Value`]. A number in `other()`
/// that is not exact as a value is serialized with all its digits. A value that `Value` cannot hold,
/// such as `1e400` or one with more than 128 levels, is a string with its JSON text.
///
/// `serde_json::from_str`, `from_slice` and `from_reader` give the same result.
///
/// # Errors
///
/// Returns an error if the text is not JSON, or if a required property is absent or of the wrong
/// kind. The error names the JSON path, the expected type and an excerpt of the actual value.
pub fn decode<T: Decode>(json: &[u8]) -> Result<T, serde_json::Error> {
    // Some servers send a byte order mark.
    match str::from_utf8(json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json)) {
        Ok(text) => decode_text(text),
        Err(error) => Err(not_json(json, &error)),
    }
}

/// Decodes a text.
pub(crate) fn decode_text<T: Decode>(text: &str) -> Result<T, serde_json::Error> {
    let mut value = T::empty();
    if reader::read(text, &mut value).is_err() {
        decode_again(text, &mut value)?;
    }
    Ok(value)
}

#[cold]
#[inline(never)]
fn decode_again(text: &str, value: &mut dyn Slot) -> Result<(), serde_json::Error> {
    value.reset();
    let json: &RawValue =
        serde_json::from_str(text).map_err(|error| not_json(text.as_bytes(), &error))?;
    let json = Json::new(json);
    tolerant_reader::decode(value, json)
        .map_err(|error| serde_json::Error::custom(error.describe(json)))
}

/// Decodes parsed JSON as a type of this crate; see [`decode`].
///
/// # Errors
///
/// Returns an error if a required property is absent or of the wrong kind.
pub fn decode_value<T: Decode>(json: &Value) -> Result<T, serde_json::Error> {
    decode_text(&json.to_string())
}

/// Implements [`serde::Deserialize`] for types of this crate.
pub(crate) fn deserialize<'de, T: Decode, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    // A deserializer cannot be rewound, but the text can.
    let JsonText(text) = JsonText::deserialize(deserializer)?;
    decode_text(&text).map_err(D::Error::custom)
}

/// Decodes JSON as any type, such as one of your own. Types of this crate decode faster with
/// [`decode`].
///
/// # Errors
///
/// Returns an error that names the JSON path, the expected type and an excerpt of the actual value.
pub fn decode_any<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).map_err(|error| {
        let Ok(mut whole) = serde_json::from_slice::<Value>(json) else {
            return not_json(json, &error);
        };
        // Decodes a second time to find the path. Discriminators come first, because properties
        // before a discriminator are buffered, and an error in them would have no position. A
        // deserializer that tracks paths would double the code of all types.
        discriminators_first(&mut whole);
        let text = whole.to_string();
        match serde_json::from_slice::<T>(text.as_bytes()) {
            Ok(_) => error,
            Err(error) => with_path(&whole, &text, &error),
        }
    })
}

fn not_json(json: &[u8], error: &dyn std::fmt::Display) -> serde_json::Error {
    let text = match excerpt(&String::from_utf8_lossy(json)) {
        text if text.is_empty() => "nothing".to_owned(),
        text => text,
    };
    serde_json::Error::custom(format!("{error}; found: {text}"))
}

/// Returns the error with the path of the value at its position.
fn with_path(whole: &Value, text: &str, error: &serde_json::Error) -> serde_json::Error {
    let mut scan = Scan { text: text.as_bytes(), at: 0, offset: error.column(), found: None };
    scan.value(&mut Vec::new());
    let steps = scan.found.unwrap_or_default();
    let value = steps.iter().try_fold(whole, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    });
    let path = steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
        Step::Index(index) => format!("{path}[{index}]"),
    });
    let location = if path.is_empty() { "the top level".to_owned() } else { format!("`{path}`") };
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(before, _)| before);
    let actual = excerpt(&value.unwrap_or(whole).to_string());
    serde_json::Error::custom(format!("at {location}: {message}; found: {actual}"))
}

/// Moves discriminators to the start of their objects.
fn discriminators_first(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(discriminators_first);
            let (discriminators, rest): (Map<String, Value>, Map<String, Value>) =
                std::mem::take(map)
                    .into_iter()
                    .partition(|(key, _)| crate::DISCRIMINATORS.contains(&key.as_str()));
            *map = discriminators.into_iter().chain(rest).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(discriminators_first),
        _ => {}
    }
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// Scans JSON without whitespace for the innermost value that contains the byte before an offset.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    offset: usize,
    found: Option<Vec<Step>>,
}

impl Scan<'_> {
    fn value(&mut self, path: &mut Vec<Step>) {
        let start = self.at;
        match self.text.get(self.at) {
            Some(b'{') => self.entries(
                b'}',
                |scan, path, _| {
                    let start = scan.at;
                    scan.string();
                    let key = scan.text.get(start..scan.at).unwrap_or_default();
                    path.push(Step::Key(serde_json::from_slice(key).unwrap_or_default()));
                    scan.at += 1;
                },
                path,
            ),
            Some(b'[') => self.entries(b']', |_, path, index| path.push(Step::Index(index)), path),
            Some(b'"') => self.string(),
            _ => {
                while self.text.get(self.at).is_some_and(|byte| !matches!(byte, b',' | b'}' | b']'))
                {
                    self.at += 1;
                }
            }
        }
        if self.found.is_none() && start < self.offset && self.offset <= self.at {
            self.found = Some(path.clone());
        }
    }

    fn entries(
        &mut self,
        end: u8,
        step: impl Fn(&mut Self, &mut Vec<Step>, usize),
        path: &mut Vec<Step>,
    ) {
        self.at += 1;
        let mut index = 0;
        while self.text.get(self.at).is_some_and(|byte| *byte != end) {
            step(self, path, index);
            self.value(path);
            path.pop();
            index += 1;
            if self.text.get(self.at) == Some(&b',') {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
    }
}

pub(crate) fn excerpt(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Serializes a value of this crate as JSON.
///
/// The result is that of [`serde_json::to_vec`], but the code is compiled once, in this crate.
pub fn encode<T: Decode>(value: &T) -> Vec<u8> {
    value.to_json()
}

/// Appends a value of this crate as JSON to a buffer; see [`encode`].
pub fn encode_into<T: Decode>(value: &T, json: &mut Vec<u8>) {
    value.write(json);
}

/// Reads and decodes a success response.
pub(crate) async fn response<T: Decode, E>(
    response: reqwest::Response,
    options: &CallOptions,
) -> Result<ResponseValue<T>, Error<E>> {
    let (status, headers, body) = read(response, options).await?;
    match decode(&body) {
        Ok(value) => {
            if let Some(shared) = &options.response_headers {
                shared.take();
            }
            Ok(ResponseValue::new(value, status, headers))
        }
        Err(error) => Err(Error::InvalidResponsePayload(body, error)),
    }
}

/// Reads the body of a response.
async fn read<E>(
    mut response: reqwest::Response,
    options: &CallOptions,
) -> Result<(StatusCode, HeaderMap, Bytes), Error<E>> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    if let Some(shared) = &options.response_headers {
        // If the caller drops the future, the headers are available.
        shared.put(status, headers.clone());
    }
    match read_body(response, options.max_response_bytes).await {
        Ok(body) => Ok((status, headers, body)),
        Err(ReadError::Transport(error)) => Err(Error::ResponseBodyError(error)),
        Err(error) => {
            let error = serde_json::Error::custom(error);
            Err(Error::InvalidResponsePayload(Bytes::new(), error))
        }
    }
}
