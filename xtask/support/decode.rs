//! Decoding replies so that a failure says where it is, what was expected and what was there.

use progenitor_client::{Error, ResponseValue};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;
use serde_path_to_error::Segment;

/// How much of a value that cannot be decoded is shown, in characters.
const EXCERPT: usize = 80;

/// Decodes JSON.
///
/// # Errors
///
/// An error that names the JSON path, what was expected there, and an excerpt of what is there.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).map_err(|error| located::<T>(json, error))
}

/// Decodes once more, with an eye on the path. What is no JSON has none.
fn located<T: DeserializeOwned>(json: &[u8], error: serde_json::Error) -> serde_json::Error {
    let text = || match shortened(&String::from_utf8_lossy(json)) {
        text if text.is_empty() => "nothing".to_owned(),
        text => text,
    };
    let mut input = serde_json::Deserializer::from_slice(json);
    let Err(located) = serde_path_to_error::deserialize::<_, T>(&mut input) else { return error };
    let whole: Option<Value> = serde_json::from_slice(json).ok();
    let message = match whole.filter(|_| located.inner().is_data()) {
        Some(whole) => {
            let excerpt = shortened(&at(&whole, located.path()).to_string());
            let path = located.path().to_string();
            let place = if path == "." { "the top".to_owned() } else { format!("`{path}`") };
            format!("at {place}: {}; there is: {excerpt}", located.inner())
        }
        None => format!("{}; there is: {}", located.inner(), text()),
    };
    serde_json::Error::custom(message)
}

/// The value at a path, or the last one on the way there.
fn at<'a>(whole: &'a Value, path: &serde_path_to_error::Path) -> &'a Value {
    let mut value = whole;
    for segment in path {
        let next = match segment {
            Segment::Map { key } => value.get(key),
            Segment::Seq { index } => value.get(index),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => break,
        }
    }
    value
}

fn shortened(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// Reads a reply of success.
pub(crate) async fn response<T: DeserializeOwned, E>(
    response: reqwest::Response,
) -> Result<ResponseValue<T>, Error<E>> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Error::ResponseBodyError)?;
    match decode(&body) {
        Ok(value) => Ok(ResponseValue::new(value, status, headers)),
        Err(error) => Err(Error::InvalidResponsePayload(body, error)),
    }
}
