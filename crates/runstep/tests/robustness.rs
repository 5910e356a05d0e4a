//! Whatever a server replies: a value or an error, and never a panic.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstep::prelude::*;
use runstep::types::{
    Assistant, AssistantList, DeletedThread, Message, MessageList, Run, RunList, RunStep,
    RunStepList, Thread,
};
use serde_json::Value;
use support::{Recorder, examples, reply};

/// The same numbers each time.
struct Chance(u64);

impl Chance {
    /// A number below this one.
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
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

/// Bytes that are changed somewhere: a bit, a cut, a token more, a stretch less or twice.
fn mutated(json: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = json.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        match chance.below(6) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << chance.below(8),
            2 => drop(bytes.splice(at..at, chance.of(&TOKENS).iter().copied())),
            3 => {
                let end = bytes.len().min(at + chance.below(40));
                bytes.drain(at..end);
            }
            4 => {
                let end = bytes.len().min(at + chance.below(200));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.extend(chance.of(&TOKENS).iter().copied()),
        }
    }
    bytes
}

/// JSON in which some value is another one: it parses, and does not fit.
fn twisted(value: &Value, chance: &mut Chance) -> Value {
    let other = || -> Value {
        serde_json::json!([
            null, true, -1, 0, 1.5, u64::MAX, i64::MIN, 1e300, "", "frozen", "\u{0}", [], {}, [[]],
            {"type": "new"}, {"type": 7}, [null], ["x"], {"x": null}
        ])
    };
    if chance.below(12) == 0 {
        return chance.of(other().as_array().unwrap()).clone();
    }
    match value {
        Value::Array(items) => items.iter().map(|item| twisted(item, chance)).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter(|_| chance.below(15) != 0).collect::<Vec<_>>();
            let fields =
                kept.into_iter().map(|(name, value)| (name.clone(), twisted(value, chance)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn deep(levels: usize) -> Vec<Vec<u8>> {
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

fn decode<T: serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug>(
    body: &[u8],
) -> bool {
    match runstep_api::decode::<T>(body) {
        Ok(value) => {
            // What was decoded can be shown and sent again.
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

/// Thousands of bodies for each type; both ways of changing them must hit what decodes too.
#[test]
fn no_reply_body_makes_the_decoder_panic() {
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
    let mut chance = Chance(7);
    for (name, decode) in types {
        let examples = examples(name);
        let mut decoded = 0;
        let mut bodies = deep(if name == "Run" { 50_000 } else { 200 });
        for _ in 0..300 {
            let example = chance.of(&examples).clone();
            bodies.push(mutated(example.to_string().as_bytes(), &mut chance));
            bodies.push(twisted(&example, &mut chance).to_string().into_bytes());
        }
        for body in &bodies {
            let result = catch_unwind(AssertUnwindSafe(|| decode(body)));
            let shown = || String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned();
            decoded += usize::from(result.unwrap_or_else(|_| panic!("{name}: {}", shown())));
        }
        if name != "Message" {
            assert!(decoded > 10, "{name}: {decoded} of {} decode", bodies.len());
        }
    }
}

/// The same through the whole client, with every status.
#[tokio::test]
async fn no_reply_makes_the_client_panic() {
    let next = Arc::new(Mutex::new((200_u16, Vec::new())));
    let given = Arc::clone(&next);
    let server = Recorder::start(move |_| {
        let (status, body) = given.lock().unwrap().clone();
        let headers = [
            ("content-type", "application/json"),
            ("retry-after", "1e300"),
            ("openai-poll-after-ms", "NaN"),
        ];
        reply(status, &headers, body)
    })
    .await;
    let client = server.builder().timeout(Duration::from_secs(20)).build().unwrap();
    let runs = client.runs("thread_1");
    let mut chance = Chance(11);
    let (run, list) = (examples("Run"), examples("RunList"));
    let mut bodies = deep(1000);
    bodies.extend([Vec::new(), vec![0], vec![0xff; 5000], b"\xef\xbb\xbf{}".to_vec()]);
    for _ in 0..300 {
        let example = if chance.below(2) == 0 { chance.of(&run) } else { chance.of(&list) };
        let example = example.clone();
        bodies.push(match chance.below(3) {
            0 => (0..chance.below(300)).map(|_| u8::try_from(chance.below(256)).unwrap()).collect(),
            1 => mutated(example.to_string().as_bytes(), &mut chance),
            _ => twisted(&example, &mut chance).to_string().into_bytes(),
        });
    }
    let mut good = 0;
    for body in bodies {
        let status = *chance.of(&[200, 200, 200, 201, 400, 404, 429, 500, 599]);
        *next.lock().unwrap() = (status, body);
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
                Ok(()) => good += 1,
                Err(error) => {
                    let shown = format!("{error}");
                    assert!(shown.len() < 8192, "{} bytes are shown", shown.len());
                    drop((format!("{error:?}"), error.active_run(), error.body().map(str::len)));
                }
            }
        }
    }
    assert!(good > 10, "{good}");
}
