//! Malformed events: the stream continues, and its snapshots are complete at the end.

use std::time::Duration;

use runstep_api::types::StreamEvent as RunEvent;
use runstep_server::model::Turn;
use serde_json::{from_value, json};

use super::recording::{Player, RecordedSegment, State, outputs, record, settings};
use crate::error::ErrorKind;
use crate::streaming::run_state::{FetchedState, Reconciled, RunState};
use crate::streaming::settings::StreamSettings;
use crate::streaming::{RunStream, StreamEnd};

async fn recorded(turns: Vec<Turn>) -> Vec<RecordedSegment> {
    let segments = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    segments
}

/// Records text with a call, followed by an answer.
async fn call() -> Vec<RecordedSegment> {
    let call = Turn::chunks(["Let me ", "see."]).and_call("get_weather", json!({}));
    recorded(vec![call, Turn::chunks(["Sun", "ny"])]).await
}

/// Makes the data of one event invalid JSON.
fn malformed(segment: &RecordedSegment, number: usize) -> RecordedSegment {
    let mut segment = segment.clone();
    let mut bytes = segment.bytes.to_vec();
    // The last byte of the data.
    bytes[segment.ends[number] - 3] = b'x';
    segment.bytes = bytes.into();
    segment
}

/// Reads to the end. Returns the names of the events and the number of errors.
async fn read_to_end(stream: &mut RunStream) -> (Vec<String>, usize) {
    let (mut names, mut errors) = (Vec::new(), 0);
    loop {
        match stream.try_next().await {
            Ok(None) => return (names, errors),
            Ok(Some(event)) => {
                assert!(!stream.is_synthesized());
                names.push(event.event().to_owned());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
                errors += 1;
            }
        }
    }
}

#[track_caller]
fn assert_snapshots(stream: &RunStream, segment: &RecordedSegment, case: &str) {
    let state = segment.states.last().unwrap();
    assert_eq!(stream.steps(), state.steps, "{case}");
    assert_eq!(stream.messages(), state.messages, "{case}");
}

fn requests(player: &Player) -> Vec<String> {
    player.server().requests.clone()
}

#[tokio::test]
async fn snapshots_are_complete_whichever_event_is_malformed() {
    let segments = call().await;
    for (number, segment) in segments.iter().enumerate() {
        // Without its terminal event the connection counts as lost.
        for event in 0..segment.events.len() - 1 {
            let case = format!("event {event} of segment {number}");
            let mut played = segments.clone();
            played[number] = malformed(segment, event);
            let player = Player::new(&played);
            let mut stream = player.stream(segments[0].bytes.len());
            for (later, recorded) in segments.iter().enumerate().take(number + 1) {
                if later > 0 {
                    let outputs = outputs(stream.run().unwrap());
                    stream.submit_tool_outputs(outputs).await.unwrap();
                }
                let (names, errors) = read_to_end(&mut stream).await;
                let mut expected: Vec<_> =
                    recorded.events.iter().map(|event| event.event().to_owned()).collect();
                if later == number {
                    expected.remove(event);
                }
                assert_eq!((names, errors), (expected, usize::from(later == number)), "{case}");
            }
            assert_snapshots(&stream, segment, &case);
            assert_eq!(
                requests(&player).iter().filter(|request| *request == "steps").count(),
                1,
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn content_of_too_long_events_is_fetched() {
    let text = "x".repeat(5000);
    let segments = recorded(vec![Turn::chunks([text.as_str()])]).await;
    let player = Player::new(&segments);
    let settings = StreamSettings { max_event_bytes: 4000, ..settings() };
    let mut stream = player.stream_with(segments[0].bytes.len(), settings);
    let (_, errors) = read_to_end(&mut stream).await;
    assert_eq!((errors, stream.end()), (2, Some(StreamEnd::Completed)));
    assert_snapshots(&stream, &segments[0], "the text");
    // `collect` includes the fetched content.
    let settings = StreamSettings { max_event_bytes: 4000, ..super::recording::settings() };
    let all = Player::new(&segments).stream_with(segments[0].bytes.len(), settings);
    assert_eq!(all.collect().await.unwrap().messages, segments[0].states.last().unwrap().messages);
}

#[tokio::test]
async fn nothing_is_fetched_without_malformed_events() {
    let segments = call().await;
    let player = Player::new(&segments);
    read_to_end(&mut player.stream(segments[0].bytes.len())).await;
    assert_eq!(requests(&player), Vec::<String>::new());
}

/// Makes the event that completes the message malformed.
fn without_completion(segment: &RecordedSegment) -> RecordedSegment {
    without(segment, "thread.message.completed")
}

#[tokio::test]
async fn without_reconnect_nothing_is_fetched() {
    let mut segments = call().await;
    segments[0] = without_completion(&segments[0]);
    let player = Player::new(&segments);
    let settings = StreamSettings { reconnect: false, ..settings() };
    let mut stream = player.stream_with(segments[0].bytes.len(), settings);
    read_to_end(&mut stream).await;
    assert_eq!(stream.end(), Some(StreamEnd::RequiresAction));
    assert_eq!(stream.messages()[0].status.as_ref().unwrap(), &"in_progress");
    assert_eq!(requests(&player), Vec::<String>::new());
}

#[tokio::test]
async fn failed_reconciliation_is_repeated_after_the_next_segment() {
    let mut segments = call().await;
    segments[0] = without_completion(&segments[0]);
    let player = Player::new(&segments);
    player.server().failures = vec![ErrorKind::Connection];
    let mut stream = player.stream(segments[0].bytes.len());
    let (_, errors) = read_to_end(&mut stream).await;
    assert_eq!((errors, stream.end()), (1, Some(StreamEnd::RequiresAction)));
    assert_eq!(stream.messages()[0].status.as_ref().unwrap(), &"in_progress");
    assert_eq!(requests(&player), ["steps"]);
    assert!(stream.try_next().await.unwrap().is_none());
    assert_eq!(requests(&player), ["steps"]);

    stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
    read_to_end(&mut stream).await;
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    assert_snapshots(&stream, &segments[1], "next segment");
}

/// Objects of the next segment must not appear before their events.
#[tokio::test]
async fn snapshots_are_unchanged_if_the_run_has_continued() {
    let mut segments = call().await;
    segments[0] = without_completion(&segments[0]);
    let player = Player::new(&segments);
    player.server().states = vec![segments[1].states.last().unwrap().clone()];
    let mut stream = player.stream(segments[0].bytes.len());
    read_to_end(&mut stream).await;
    assert_eq!(stream.end(), Some(StreamEnd::RequiresAction));
    assert_eq!((stream.messages().len(), stream.steps().len()), (1, 2));
    assert_eq!(stream.messages()[0].status.as_ref().unwrap(), &"in_progress");
    assert_eq!(stream.steps()[1].status, "in_progress");
}

/// Makes the first event with this name malformed.
fn without(segment: &RecordedSegment, name: &str) -> RecordedSegment {
    malformed(segment, segment.events.iter().position(|event| event.event() == name).unwrap())
}

/// Returns the state of the server after the first text delta.
fn early_state(segment: &RecordedSegment) -> State {
    let delta = segment.events.iter().position(|event| event.event() == "thread.message.delta");
    segment.states[delta.unwrap()].clone()
}

#[tokio::test]
async fn stale_state_does_not_replace_newer_snapshots() {
    for name in ["thread.message.in_progress", "thread.message.completed"] {
        let segments = recorded(vec![Turn::chunks(["Sun", "ny"])]).await;
        let played = without(&segments[0], name);
        let player = Player::new(std::slice::from_ref(&played));
        player.server().stale_lists = vec![early_state(&segments[0]); 3];
        let mut stream = player.stream(played.bytes.len());
        read_to_end(&mut stream).await;
        assert_snapshots(&stream, &segments[0], name);
        let fetches = requests(&player).iter().filter(|request| *request == "steps").count();
        assert_eq!(fetches, 4, "{name}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn permanently_stale_server_leaves_snapshots_unchanged() {
    let segments = recorded(vec![Turn::chunks(["Sun", "ny"])]).await;
    let played = without(&segments[0], "thread.message.completed");
    let player = Player::new(std::slice::from_ref(&played));
    player.server().stale_lists = vec![early_state(&segments[0]); 1000];
    let mut stream = player.stream(played.bytes.len());
    let before = tokio::time::Instant::now();
    read_to_end(&mut stream).await;
    assert_eq!(before.elapsed().as_secs(), 30);
    assert!(requests(&player).len() < 100, "{:?}", requests(&player));
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    assert_eq!(stream.steps(), segments[0].states.last().unwrap().steps);
    assert_eq!((stream.messages()[0].text(), stream.messages().len()), ("Sunny".to_owned(), 1));
}

/// A run that requires action is not delayed by a second fetch.
#[tokio::test]
async fn stale_reconciliation_is_repeated_after_the_next_segment() {
    let mut segments = call().await;
    segments[0] = without_completion(&segments[0]);
    let player = Player::new(&segments);
    player.server().stale_lists = vec![early_state(&segments[0])];
    let mut stream = player.stream(segments[0].bytes.len());
    read_to_end(&mut stream).await;
    assert_eq!(stream.messages()[0].text(), "Let me see.");
    assert_eq!(requests(&player).iter().filter(|request| *request == "steps").count(), 1);
    stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
    read_to_end(&mut stream).await;
    assert_snapshots(&stream, &segments[1], "next segment");
}

#[tokio::test]
async fn gap_of_the_first_segment_survives_a_lost_connection_in_the_next() {
    let mut segments = call().await;
    segments[0] = without_completion(&segments[0]);
    for length in [0, segments[1].ends[2], segments[1].ends[segments[1].ends.len() - 2]] {
        let player = Player::new(&segments);
        player.server().failures = vec![ErrorKind::Connection];
        let mut stream = player.stream(segments[0].bytes.len());
        read_to_end(&mut stream).await;
        player.truncate_next_segment(length);
        stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
        while stream.try_next().await.unwrap().is_some() {}
        assert_snapshots(&stream, &segments[1], "next segment");
    }
}

/// What is only known from deltas has no status, so it is not the final state of a message.
#[test]
fn deltas_without_their_message_are_not_taken_for_its_final_state() {
    let content = json!([{"index": 0, "type": "text", "text": {"value": "It is"}}]);
    let delta = json!({"id": "msg_1", "delta": {"content": content}});
    let mut state = RunState::default();
    state.apply(&RunEvent::MessageDelta(from_value(delta).unwrap()));
    let run = json!({"id": "run_1", "thread_id": "thread_1", "status": "completed"});
    let step = json!({
        "id": "step_1", "thread_id": "thread_1", "run_id": "run_1", "type": "message_creation",
        "status": "completed",
        "step_details": {"type": "message_creation", "message_creation": {"message_id": "msg_1"}},
    });
    let fetched = |status: &str, text: &str| {
        let content = json!([{"type": "text", "text": {"value": text, "annotations": []}}]);
        let message =
            json!({"id": "msg_1", "role": "assistant", "status": status, "content": content});
        FetchedState {
            thread: None,
            run: from_value(run.clone()).unwrap(),
            steps: vec![from_value(step.clone()).unwrap()],
            messages: vec![from_value(message).unwrap()],
        }
    };
    assert_eq!(state.reconcile(&fetched("in_progress", ""), usize::MAX), Reconciled::Stale);
    assert_eq!(state.snapshots().messages()[0].text(), "It is");
    let complete = fetched("completed", "It is.");
    assert_eq!(state.reconcile(&complete, usize::MAX), Reconciled::Complete);
    assert_eq!(state.snapshots().messages(), complete.messages);
}
