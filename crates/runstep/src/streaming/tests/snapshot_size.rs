//! The size limit of snapshots.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use runstep_server::model::Turn;
use serde_json::{Value, json};

use super::recording::{Player, record, settings};
use crate::error::{ErrorKind, Result};
use crate::streaming::{RunStream, StreamEnd};

/// 80 events of this length exceed the limit.
const LENGTH: usize = 900 * 1024;

/// Streams a message and 80 further events that are created from it.
async fn stream_many(event: impl Fn(Value) -> String) -> Result<RunStream> {
    let turns = vec![Turn::chunks(["It ", "is"])];
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    let created =
        segments[0].events.iter().position(|event| event.event() == "thread.message.created");
    let created = created.unwrap();
    let message = serde_json::to_value(&segments[0].states[created].messages[0]).unwrap();
    let start = segments[0].bytes.slice(..segments[0].ends[created]);
    let end = segments[0].bytes.slice(*segments[0].ends.iter().nth_back(1).unwrap()..);
    let many = std::iter::repeat_n(Bytes::from(event(message)), 80);
    let chunks: Vec<Bytes> = std::iter::once(start).chain(many).chain([end]).collect();
    let body = Box::pin(stream::iter(chunks.into_iter().map(Ok)));
    let mut stream = Player::new(&segments).stream_of(body, settings());
    stream.final_run().await?;
    Ok(stream)
}

fn delta(message: &Value, text: &str, blank: usize) -> String {
    let text = json!({"index": 0, "type": "text", "text": {"value": text}});
    let delta = json!({"id": message["id"], "object": "thread.message.delta", "delta": {"content": [text]}});
    format!("event: thread.message.delta\ndata: {}{delta}\n\n", " ".repeat(blank))
}

#[tokio::test]
async fn snapshots_above_the_limit_end_the_stream() {
    let error = stream_many(|message| delta(&message, &"x".repeat(LENGTH), 0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.message().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn only_stored_bytes_count() {
    let stream = stream_many(|message| delta(&message, "x", LENGTH)).await.unwrap();
    assert_eq!(stream.end(), Some(StreamEnd::Completed));

    // A complete message replaces its earlier state.
    let whole = |mut message: Value| {
        let text = json!({"value": "x".repeat(LENGTH), "annotations": []});
        message["content"] = json!([{"type": "text", "text": text}]);
        format!("event: thread.message.in_progress\ndata: {message}\n\n")
    };
    assert_eq!(stream_many(whole).await.unwrap().end(), Some(StreamEnd::Completed));
}
