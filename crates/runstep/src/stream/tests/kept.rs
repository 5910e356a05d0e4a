//! How much of a run is kept.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use runstep_server::model::Turn;
use serde_json::{Value, json};

use super::recorded::{Player, record, settings};
use crate::error::{ErrorKind, Result};
use crate::stream::{RunStream, RunStreamEnd};

/// 80 of these are more than is kept.
const LENGTH: usize = 900 * 1024;

/// A run whose first message is told, and then 80 times what is made of it.
async fn told(event: impl Fn(Value) -> String) -> Result<RunStream> {
    let turns = vec![Turn::chunks(["It ", "is"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    let created = legs[0].events.iter().position(|event| event.event() == "thread.message.created");
    let created = created.unwrap();
    let message = serde_json::to_value(&legs[0].states[created].messages[0]).unwrap();
    let beginning = legs[0].bytes.slice(..legs[0].ends[created]);
    let end = legs[0].bytes.slice(*legs[0].ends.iter().nth_back(1).unwrap()..);
    let many = std::iter::repeat_n(Bytes::from(event(message)), 80);
    let chunks: Vec<Bytes> = std::iter::once(beginning).chain(many).chain([end]).collect();
    let body = Box::pin(stream::iter(chunks.into_iter().map(Ok)));
    let mut stream = Player::new(&legs).stream_of(body, settings());
    stream.final_run().await?;
    Ok(stream)
}

fn delta(message: &Value, text: &str, blank: usize) -> String {
    let text = json!({"index": 0, "type": "text", "text": {"value": text}});
    let delta = json!({"id": message["id"], "object": "thread.message.delta", "delta": {"content": [text]}});
    format!("event: thread.message.delta\ndata: {}{delta}\n\n", " ".repeat(blank))
}

#[tokio::test]
async fn more_than_may_be_kept_ends_the_stream() {
    let error = told(|message| delta(&message, &"x".repeat(LENGTH), 0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.message().contains("67108864 bytes"), "{error}");
}

#[tokio::test]
async fn only_what_is_kept_counts() {
    let stream = told(|message| delta(&message, "x", LENGTH)).await.unwrap();
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));

    // The same message again and again takes its own place.
    let whole = |mut message: Value| {
        let text = json!({"value": "x".repeat(LENGTH), "annotations": []});
        message["content"] = json!([{"type": "text", "text": text}]);
        format!("event: thread.message.in_progress\ndata: {message}\n\n")
    };
    assert_eq!(told(whole).await.unwrap().end(), Some(RunStreamEnd::Completed));
}
