//! Decoding replies so that a failure says where it is, what was expected and what was there.

use progenitor_client::{Error, ResponseValue};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Map, Value};

use crate::CallOptions;

/// How much of a value that cannot be decoded is shown, in characters.
const EXCERPT: usize = 80;

/// Decodes JSON.
///
/// # Errors
///
/// An error that names the JSON path, what was expected there, and an excerpt of what is there.
pub fn decode<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).map_err(|error| {
        let Ok(mut whole) = serde_json::from_slice::<Value>(json) else {
            return no_json(json, &error);
        };
        // Decoded once more, with tags first: what comes before a tag is read apart from the input,
        // and a failure in it would have no place. A decoder that keeps track of the path would be
        // another copy of all the code there is for all types.
        tags_first(&mut whole);
        let text = whole.to_string();
        match serde_json::from_slice::<T>(text.as_bytes()) {
            Ok(_) => error,
            Err(placed) => located(&whole, &text, &placed),
        }
    })
}

fn no_json(json: &[u8], error: &serde_json::Error) -> serde_json::Error {
    let text = match shortened(&String::from_utf8_lossy(json)) {
        text if text.is_empty() => "nothing".to_owned(),
        text => text,
    };
    serde_json::Error::custom(format!("{error}; there is: {text}"))
}

/// An error with the path of the value that the decoder had come to.
fn located(whole: &Value, text: &str, error: &serde_json::Error) -> serde_json::Error {
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
    let place = if path.is_empty() { "the top".to_owned() } else { format!("`{path}`") };
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(before, _)| before);
    let excerpt = shortened(&value.unwrap_or(whole).to_string());
    serde_json::Error::custom(format!("at {place}: {message}; there is: {excerpt}"))
}

/// Puts what tells objects apart before everything else in them.
fn tags_first(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(tags_first);
            let (tags, rest): (Map<String, Value>, Map<String, Value>) = std::mem::take(map)
                .into_iter()
                .partition(|(key, _)| crate::TAGS.contains(&key.as_str()));
            *map = tags.into_iter().chain(rest).collect();
        }
        Value::Array(items) => items.iter_mut().for_each(tags_first),
        _ => {}
    }
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// Goes through JSON without white space, up to the innermost value that has the byte before an
/// offset.
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
    mut response: reqwest::Response,
    options: &CallOptions,
) -> Result<ResponseValue<T>, Error<E>> {
    let status = response.status();
    // A caller who stops waiting has seen what came.
    options.reply_headers.put(status, std::mem::take(response.headers_mut()));
    let body = response.bytes().await.map_err(Error::ResponseBodyError)?;
    match decode(&body) {
        Ok(value) => Ok(ResponseValue::new(value, status, options.reply_headers.take().1)),
        Err(error) => Err(Error::InvalidResponsePayload(body, error)),
    }
}
