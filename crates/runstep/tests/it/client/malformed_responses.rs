//! Malformed responses lead to a value or an error, and never to a panic.

use runstep::types::{
    Assistant, AssistantList, DeletedThread, Message, MessageList, Run, RunList, RunStep,
    RunStepList, Thread,
};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{RecordingServer, examples, hanging_body, http_response, retrieve_error};

/// A deterministic random number generator.
struct Random(u64);

impl Random {
    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Returns one of the items.
    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

const TOKENS: [&[u8]; 24] = [
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"-1e999",
    b"1.5",
    b"99999999999999999999999999",
    b"\"\"",
    b"\"x\"",
    b"{}",
    b"[]",
    b"[null]",
    b"{\"type\":null}",
    b"{\"type\":\"function\"}",
    b"\xff\xfe",
    b"\"\\ud800\"",
    b"\"\\u0000\"",
    b",",
    b":",
    b"}",
    b"]",
    b"\"",
    b"NaN",
    b"9223372036854775808",
];

/// Applies up to four mutations: truncation, a bit flip, an inserted token, a removed or repeated
/// range.
fn mutate_bytes(json: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = json.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 => drop(bytes.splice(at..at, random.choose(&TOKENS).iter().copied())),
            3 => {
                let end = bytes.len().min(at + random.below(40));
                bytes.drain(at..end);
            }
            4 => {
                let end = bytes.len().min(at + random.below(200));
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            _ => bytes.extend(random.choose(&TOKENS).iter().copied()),
        }
    }
    bytes
}

/// Replaces some values and removes some properties: valid JSON that does not match the schema.
fn mutate_value(value: &Value, random: &mut Random) -> Value {
    let replacements = || -> Value {
        serde_json::json!([
            null, true, -1, 0, 1.5, u64::MAX, i64::MIN, 1e300, "", "frozen", "\u{0}", [], {}, [[]],
            {"type": "new"}, {"type": 7}, [null], ["x"], {"x": null}
        ])
    };
    if random.below(12) == 0 {
        return random.choose(replacements().as_array().unwrap()).clone();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| mutate_value(item, random)).collect(),
        Value::Object(fields) => {
            let remaining = fields.iter().filter(|_| random.below(15) != 0).collect::<Vec<_>>();
            let fields = remaining
                .into_iter()
                .map(|(name, value)| (name.clone(), mutate_value(value, random)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// Bodies with deeply nested values.
fn deeply_nested(levels: usize) -> Vec<Vec<u8>> {
    let nested = |open: &str, close: &str, end: &str| {
        format!("{}{end}{}", open.repeat(levels), close.repeat(levels)).into_bytes()
    };
    let in_run = |inner: &[u8]| {
        let mut run = examples("Run").swap_remove(0);
        run["metadata"] = "HERE".into();
        let text = run.to_string();
        let (before, after) = text.split_once("\"HERE\"").unwrap();
        [before.as_bytes(), inner, after.as_bytes()].concat()
    };
    let in_unknown = |inner: &[u8]| {
        let text = examples("Run").swap_remove(0).to_string();
        [b"{\"new_in_2030\":", inner, b",", text.trim_start_matches('{').as_bytes()].concat()
    };
    let arrays = nested("[", "]", "");
    let objects = nested("{\"a\":", "}", "1");
    let types = nested("{\"type\":\"function\",\"function\":", "}", "null");
    vec![
        in_run(&arrays),
        in_run(&objects),
        in_run(&types),
        in_unknown(&arrays),
        in_unknown(&objects),
        arrays,
        objects,
        types,
        b"[".repeat(levels),
        b"{\"a\":".repeat(levels),
    ]
}

fn decode<T: runstep_api::Decode + serde::Serialize + std::fmt::Debug>(body: &[u8]) -> bool {
    match runstep_api::decode::<T>(body) {
        Ok(value) => {
            // Decoded values can be formatted and serialized.
            drop(format!("{value:?}"));
            drop(serde_json::to_vec(&value));
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 4096, "{error}");
            false
        }
    }
}

fn decode_run(body: &[u8]) -> bool {
    if let Ok(run) = runstep_api::decode::<Run>(body) {
        drop(format!("{:?} {:?} {}", run.outcome(), run.function_calls(), run.is_terminal()));
    }
    if let Ok(message) = runstep_api::decode::<Message>(body) {
        drop(message.text());
    }
    decode::<Run>(body)
}

/// Hundreds of bodies per type. Some of them must decode, or the mutations are too coarse.
#[test]
fn decoder_does_not_panic_on_malformed_bodies() {
    type Decode = fn(&[u8]) -> bool;
    let types: [(&str, Decode); 10] = [
        ("Run", decode_run),
        ("RunList", decode::<RunList>),
        ("RunStep", decode::<RunStep>),
        ("RunStepList", decode::<RunStepList>),
        ("Assistant", decode::<Assistant>),
        ("AssistantList", decode::<AssistantList>),
        ("Thread", decode::<Thread>),
        ("Message", decode_run),
        ("MessageList", decode::<MessageList>),
        ("DeletedThread", decode::<DeletedThread>),
    ];
    let mut random = Random(7);
    for (name, decode) in types {
        let examples = examples(name);
        let mut decoded = 0;
        let mut bodies = deeply_nested(if name == "Run" { 50_000 } else { 200 });
        for _ in 0..300 {
            let example = random.choose(&examples).clone();
            bodies.push(mutate_bytes(example.to_string().as_bytes(), &mut random));
            bodies.push(mutate_value(&example, &mut random).to_string().into_bytes());
        }
        for body in &bodies {
            let result = catch_unwind(AssertUnwindSafe(|| decode(body)));
            let body_text = || String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned();
            decoded += usize::from(result.unwrap_or_else(|_| panic!("{name}: {}", body_text())));
        }
        if name != "Message" {
            assert!(decoded > 10, "{name}: {decoded} of {} decode", bodies.len());
        }
    }
}

/// The same bodies through the whole client, with several statuses.
#[tokio::test]
async fn client_does_not_panic_on_malformed_responses() {
    let next_response = Arc::new(Mutex::new((200_u16, Vec::new())));
    let server_response = Arc::clone(&next_response);
    let server = RecordingServer::start(move |_| {
        let (status, body) = server_response.lock().unwrap().clone();
        let headers = [
            ("content-type", "application/json"),
            ("retry-after", "1e300"),
            ("openai-poll-after-ms", "NaN"),
        ];
        http_response(status, &headers, body)
    })
    .await;
    let client = server.builder().timeout(Duration::from_secs(20)).build().unwrap();
    let runs = client.runs("thread_1");
    let mut random = Random(11);
    let (run, list) = (examples("Run"), examples("RunList"));
    let mut bodies = deeply_nested(1000);
    bodies.extend([Vec::new(), vec![0], vec![0xff; 5000], b"\xef\xbb\xbf{}".to_vec()]);
    for _ in 0..300 {
        let example = if random.below(2) == 0 { random.choose(&run) } else { random.choose(&list) };
        let example = example.clone();
        bodies.push(match random.below(3) {
            0 => (0..random.below(300)).map(|_| u8::try_from(random.below(256)).unwrap()).collect(),
            1 => mutate_bytes(example.to_string().as_bytes(), &mut random),
            _ => mutate_value(&example, &mut random).to_string().into_bytes(),
        });
    }
    let mut successes = 0;
    for body in bodies {
        let status = *random.choose(&[200, 200, 200, 201, 400, 404, 429, 500, 599]);
        *next_response.lock().unwrap() = (status, body);
        let results = [
            runs.retrieve("run_1").await.map(drop),
            runs.list().await.map(drop),
            runs.create("asst_1").await.map(drop),
            runs.poll("run_1")
                .interval(Duration::from_millis(1))
                .deadline(Duration::ZERO)
                .await
                .map(drop),
        ];
        for result in results {
            match result {
                Ok(()) => successes += 1,
                Err(error) => {
                    let message = error.to_string();
                    assert!(message.len() < 8192, "a message of {} bytes", message.len());
                    drop((format!("{error:?}"), error.active_run(), error.body().map(str::len)));
                }
            }
        }
    }
    assert!(successes > 10, "{successes}");
}

/// Nothing of the body arrives.
#[tokio::test]
async fn too_long_body_is_not_read_if_its_length_is_known() {
    let length = ((64 << 20) + 1).to_string();
    let server = RecordingServer::start(move |_| {
        http_response(200, &[("content-length", &length)], hanging_body())
    })
    .await;
    let error = retrieve_error(&server).await;
    assert!(error.is_decode(), "{error:?}");
    assert_eq!(error.message(), "the response is longer than 67108864 bytes");
}

/// `serde_json::Value` cannot hold the other properties.
#[tokio::test]
async fn api_error_beside_odd_values_is_read() {
    for odd in ["1e400", "\"\\ud800\"", "[1e400]"] {
        for body in [
            format!(r#"{{"error": {{"message": "busy", "code": 7, "odd": {odd}}}}}"#),
            format!(r#"{{"odd": {odd}, "message": "busy", "code": 7}}"#),
            format!(r#"{{"\ud800": {odd}, "message": "busy", "code": 7}}"#),
        ] {
            let server = RecordingServer::with_response(400, &[], body).await;
            let error = retrieve_error(&server).await;
            assert_eq!((error.message(), error.code()), ("busy", Some("7")), "{odd}");
        }
    }
}
