//! Errors that end a stream, and the limits of recovery.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use runstep_api::types::StreamEvent as RunEvent;
use runstep_server::model::Turn;
use tokio::time::Instant;

use super::recording::{Player, RecordedSegment, outputs, record, settings};
use crate::error::ErrorKind;
use crate::streaming::settings::StreamSettings;
use crate::streaming::{RunStream, StreamEnd};
use crate::transport::PollErrorPolicy;

pub(super) async fn answer() -> Vec<RecordedSegment> {
    let turns = vec![Turn::chunks(["It ", "is"])];
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    segments
}

/// Reads to the error that ends the stream.
pub(super) async fn final_error(stream: &mut RunStream) -> crate::Error {
    loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream has ended without an error"),
            Err(error) => {
                assert!(stream.try_next().await.unwrap().is_none());
                return error;
            }
        }
    }
}

#[tokio::test]
async fn without_reconnect_a_lost_connection_is_an_error_with_the_run() {
    let segments = answer().await;
    let player = Player::new(&segments);
    let settings = StreamSettings { reconnect: false, ..settings() };
    let mut stream = player.stream_with(segments[0].ends[3], settings);
    let error = final_error(&mut stream).await;
    insta::assert_snapshot!(
        error.message(),
        @"the connection was lost before the run ended or required action: the connection failed"
    );
    assert_eq!(error.run(), stream.run());
    assert!(error.run().is_some());
    assert_eq!(stream.end(), Some(StreamEnd::ConnectionLost));
    assert_eq!(player.server().requests, Vec::<String>::new());
    let again = stream.final_run().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn failed_fetches_are_tolerated_by_the_poll_error_policy() {
    let segments = answer().await;
    let player = Player::new(&segments);
    player.server().failures = vec![ErrorKind::Connection; 5];
    let mut stream = player.stream(segments[0].ends[3]);
    stream.final_run().await.unwrap();
    assert_eq!(stream.end(), Some(StreamEnd::Completed));

    let player = Player::new(&segments);
    player.server().failures = vec![ErrorKind::Timeout; 3];
    let settings = StreamSettings {
        error_policy: PollErrorPolicy::default().max_consecutive_errors(2),
        ..settings()
    };
    let mut stream = player.stream_with(segments[0].ends[3], settings);
    let error = final_error(&mut stream).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(
        (player.server().requests.len(), stream.end()),
        (3, Some(StreamEnd::ConnectionLost))
    );

    let player = Player::new(&segments);
    // Neither the resumed events nor the run can be decoded.
    player.server().failures = vec![ErrorKind::Decode; 2];
    let mut stream = player.stream(segments[0].ends[3]);
    assert_eq!(final_error(&mut stream).await.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn active_run_is_fetched_until_the_recovery_deadline() {
    let segments = answer().await;
    let player = Player::new(&segments);
    player.server().states = vec![segments[0].states[4].clone()];
    let mut stream = player.stream(segments[0].ends[3]);
    let start = Instant::now();
    let error = final_error(&mut stream).await;
    assert!(error.is_deadline(), "{error}");
    assert!(error.run().is_some());
    assert_eq!(start.elapsed().as_secs(), 600);
}

#[tokio::test]
async fn run_is_fetched_after_resuming_has_failed() {
    let segments = answer().await;
    let mut segment = segments[0].clone();
    // Only the first event has an id, and the resumed connections have no events.
    let end = segment.ends[0];
    segment.bytes =
        [&segment.bytes[..end - 1], b"id: 0\n", &segment.bytes[end - 1..]].concat().into();
    segment.ends[0] += 6;
    let player = Player::new(std::slice::from_ref(&segment));
    player.server().resume_lengths = vec![0; 100];
    let mut stream = player.stream(segment.ends[0]);
    stream.final_run().await.unwrap();
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    let requests = player.server().requests.clone();
    assert_eq!(requests[..6], ["resume after 0"; 6]);
    assert_eq!(requests[6], "run");
}

#[tokio::test]
async fn event_id_that_is_not_valid_in_a_header_is_ignored() {
    let segments = answer().await;
    for id in ["id: a\u{1}b\n", "id: a\u{7f}\n"] {
        let mut segment = segments[0].clone();
        let (first, second) = (segment.ends[0], segment.ends[1]);
        segment.bytes = [
            &segment.bytes[..first - 1],
            b"id: 0\n",
            &segment.bytes[first - 1..second - 1],
            id.as_bytes(),
            &segment.bytes[second - 1..],
        ]
        .concat()
        .into();
        let player = Player::new(std::slice::from_ref(&segment));
        let mut stream = player.stream(second + "id: 0\n".len() + id.len());
        stream.final_run().await.unwrap();
        assert_eq!(stream.end(), Some(StreamEnd::Completed));
        assert_eq!(player.server().requests[0], "run", "{id:?}");
    }
}

#[tokio::test]
async fn requested_reconnection_delay_is_bounded() {
    let segments = answer().await;
    let mut segment = segments[0].clone();
    let (end, added) = (segment.ends[0], b"id: 0\nretry: 3600000\n");
    segment.bytes = [&segment.bytes[..end - 1], added, &segment.bytes[end - 1..]].concat().into();
    segment.ends.iter_mut().for_each(|end| *end += added.len());
    let player = Player::new(std::slice::from_ref(&segment));
    player.server().resume_lengths = vec![segment.bytes.len()];
    let mut stream = player.stream(segment.ends[0]);
    let start = Instant::now();
    stream.final_run().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(player.server().requests, ["resume after 0"]);
}

#[tokio::test]
async fn response_that_continues_after_the_terminal_event_is_dropped() {
    let segments = answer().await;
    let end = *segments[0].ends.last().unwrap();
    let more = std::iter::repeat_n(Bytes::from_static(b"event: news\ndata: {}\n\n"), 100);
    let chunks = std::iter::once(segments[0].bytes.slice(..end)).chain(more);
    let body = Box::pin(futures_util::stream::iter(chunks.map(Ok)));
    let mut stream = Player::new(&segments).stream_of(body, settings());
    let mut count = 0;
    while stream.try_next().await.unwrap().is_some() {
        count += 1;
        if stream.end().is_some() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    assert!(count - segments[0].events.len() <= 10, "{count}");
}

#[tokio::test]
async fn events_that_are_ready_do_not_extend_the_deadline() {
    let segments = answer().await;
    let is_delta = |event: &RunEvent| matches!(event, RunEvent::MessageDelta(_));
    let first = segments[0].events.iter().position(is_delta).unwrap();
    let delta = segments[0].bytes.slice(segments[0].ends[first - 1]..segments[0].ends[first]);
    let before = segments[0].bytes.slice(..segments[0].ends[first - 1]);
    let bytes = Bytes::from([&before[..], &delta.repeat(3000)].concat());
    let deadline = Duration::from_millis(300);
    // The caller is slow from the start, or after the first events.
    for fast_events in [0, 100] {
        let body = Box::pin(futures_util::stream::iter([Ok(bytes.clone())]));
        let settings = StreamSettings { deadline, ..settings() };
        let mut stream = Player::new(&segments).stream_of(body, settings);
        let (start, mut count) = (Instant::now(), 0);
        let error = loop {
            match stream.try_next().await {
                Ok(event) => assert!(event.is_some()),
                Err(error) => break error,
            }
            count += 1;
            if count > fast_events {
                tokio::time::advance(Duration::from_millis(2)).await;
            }
        };
        assert!(error.is_deadline(), "{error}");
        assert_eq!(stream.end(), Some(StreamEnd::DeadlineExceeded));
        assert!(stream.try_next().await.unwrap().is_none());
        let late = start.elapsed() - deadline;
        assert!(late <= 32 * Duration::from_millis(2), "{fast_events} fast events: {late:?}");
    }
}

/// Another client has submitted the outputs: the response continues, and then becomes idle.
fn superseded_end(
    player: &Player,
    segments: &[RecordedSegment],
    settings: StreamSettings,
) -> RunStream {
    player.server().states = vec![segments[1].states.last().unwrap().clone()];
    let chunks = [
        segments[0].bytes.slice(..*segments[0].ends.last().unwrap()),
        segments[1].bytes.slice(..segments[1].ends[1]),
    ];
    let chunks = futures_util::stream::iter(chunks.map(Ok));
    player.stream_of(Box::pin(chunks.chain(futures_util::stream::pending())), settings)
}

#[tokio::test]
async fn superseded_terminal_event_does_not_end_the_stream() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let player = Player::new(&segments);
    let mut stream = superseded_end(&player, &segments, settings());
    let start = Instant::now();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    assert_eq!(start.elapsed().as_secs(), 60);

    // The stream cancels the run again when it is dropped.
    let player = Player::new(&segments);
    let cancelling = StreamSettings { cancel_on_drop: true, ..settings() };
    let mut stream = superseded_end(&player, &segments, cancelling);
    for _ in 0..segments[0].ends.len() + 2 {
        stream.try_next().await.unwrap().unwrap();
    }
    assert_eq!(stream.end(), None);
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.server().cancelled, [segments[0].states[0].run.id.clone()]);
}

#[tokio::test]
async fn dropped_stream_cancels_its_run_if_enabled() {
    let segments = answer().await;
    let run_id = segments[0].states[0].run.id.clone();
    let cancels = async |events: usize, cancel_on_drop: bool| {
        let player = Player::new(&segments);
        let settings = StreamSettings { cancel_on_drop, ..settings() };
        let mut stream = player.stream_with(segments[0].bytes.len(), settings);
        for _ in 0..events {
            stream.try_next().await.unwrap().unwrap();
        }
        drop(stream);
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::mem::take(&mut player.server().cancelled)
    };
    assert_eq!(cancels(3, true).await, [run_id]);
    assert_eq!(cancels(3, false).await, Vec::<String>::new());
    // The run is unknown, or has ended.
    assert_eq!(cancels(0, true).await, Vec::<String>::new());
    assert_eq!(cancels(segments[0].events.len(), true).await, Vec::<String>::new());
}

#[tokio::test]
async fn outputs_are_not_sent_again_after_an_ambiguous_failure() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let whole = segments[0].bytes.len();

    // The server has accepted them. No connection was lost, so `reconnect` does not matter.
    let player = Player::new(&segments);
    let mut stream = player.stream_with(whole, StreamSettings { reconnect: false, ..settings() });
    let run = stream.final_run().await.unwrap();
    player.server().failures = vec![ErrorKind::Timeout];
    player.server().states = vec![segments[1].states.last().unwrap().clone()];
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    let requests = player.server().requests.clone();
    assert_eq!(
        requests.iter().filter(|request| request.starts_with("submit")).count(),
        1,
        "{requests:?}"
    );

    // The server has not accepted them: the stream is unchanged, and they can be submitted.
    let player = Player::new(&segments);
    let mut stream = player.stream(whole);
    stream.final_run().await.unwrap();
    player.server().failures = vec![ErrorKind::Timeout];
    let error = stream.submit_tool_outputs(outputs(&run)).await.unwrap_err();
    assert_eq!((error.kind(), error.run()), (ErrorKind::Timeout, Some(&run)));
    assert_eq!(stream.end(), Some(StreamEnd::RequiresAction));
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn stale_run_is_fetched_again() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let player = Player::new(&segments);
    let mut stream = player.stream(segments[0].bytes.len());
    let run = stream.final_run().await.unwrap();
    player.truncate_next_segment(0);
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    let [before, after] =
        [0, 1].map(|segment: usize| segments[segment].states.last().unwrap().clone());
    player.server().states = vec![before.clone(), before, after];
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn outputs_are_rejected_unless_the_run_requires_action() {
    let segments = answer().await;
    let player = Player::new(&segments);
    let mut stream = player.stream(segments[0].bytes.len());
    for _ in 0..2 {
        let error = stream.submit_tool_outputs([]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        stream.final_run().await.unwrap();
    }
    assert_eq!(player.server().requests, Vec::<String>::new());
}
