//! Loses the connection after each byte of every recorded stream: the end is always correct, and no
//! event is lost or duplicated.

use std::time::Duration;

use runstep_api::types::{
    MessageContentDelta, StepDetailsDelta, StreamEvent as RunEvent, ToolCallDelta,
};
use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::json;

use super::recording::{
    PlaybackState, Player, RecordedSegment, State, outputs, record, record_with_thread,
};
use crate::streaming::{RunStream, StreamEnd};

const LIFETIME: Duration = Duration::from_secs(600);

async fn recorded(turns: Vec<Turn>) -> Vec<RecordedSegment> {
    record(turns, |create| create, async |_, _| {}, LIFETIME).await
}

/// The essence of an event: its name and the id of its object, or the target and text of a delta.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    Event(String, String),
    Delta(String, String),
}

/// Returns the changes of events. Consecutive deltas are joined, as in synthesized events.
fn changes<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    for event in events {
        for change in changes_of(event) {
            match (all.last_mut(), change) {
                (Some(Change::Delta(last, text)), Change::Delta(target, more))
                    if *last == target =>
                {
                    text.push_str(&more);
                }
                (_, change) => all.push(change),
            }
        }
    }
    all
}

fn changes_of(event: &RunEvent) -> Vec<Change> {
    match event {
        RunEvent::MessageDelta(delta) => {
            let deltas = delta.delta.content.iter().flatten().map(|part| match part {
                MessageContentDelta::Text(part) => {
                    let text = part.text.clone().unwrap().value.unwrap();
                    Change::Delta(format!("{} {}", delta.id, part.index.unwrap()), text)
                }
                other => panic!("{other:?}"),
            });
            deltas.collect()
        }
        RunEvent::StepDelta(delta) => {
            let Some(StepDetailsDelta::ToolCalls(details)) = &delta.delta.step_details else {
                panic!("{delta:?}");
            };
            let deltas = details.tool_calls.iter().flatten().map(|call| match call {
                ToolCallDelta::Function(call) => {
                    let function = call.function.clone().unwrap();
                    let start = [call.id.clone(), function.name].into_iter().flatten();
                    let start: String = start.map(|text| text + " ").collect();
                    let text = start + &function.arguments.unwrap_or_default();
                    Change::Delta(format!("{} {}", delta.id, call.index.unwrap()), text)
                }
                other => panic!("{other:?}"),
            });
            deltas.collect()
        }
        event => vec![Change::Event(event.event().to_owned(), object_id(event).to_owned())],
    }
}

fn object_id(event: &RunEvent) -> &str {
    match event {
        RunEvent::RunCreated(run)
        | RunEvent::RunQueued(run)
        | RunEvent::RunInProgress(run)
        | RunEvent::RunRequiresAction(run)
        | RunEvent::RunCompleted(run)
        | RunEvent::RunIncomplete(run)
        | RunEvent::RunFailed(run)
        | RunEvent::RunCancelling(run)
        | RunEvent::RunCancelled(run)
        | RunEvent::RunExpired(run) => &run.id,
        RunEvent::StepCreated(step)
        | RunEvent::StepInProgress(step)
        | RunEvent::StepCompleted(step)
        | RunEvent::StepFailed(step)
        | RunEvent::StepCancelled(step)
        | RunEvent::StepExpired(step) => &step.id,
        RunEvent::MessageCreated(message)
        | RunEvent::MessageInProgress(message)
        | RunEvent::MessageCompleted(message)
        | RunEvent::MessageIncomplete(message) => &message.id,
        RunEvent::ThreadCreated(thread) => &thread.id,
        other => panic!("{other:?}"),
    }
}

/// Reads to the end. Returns the events and whether each was synthesized.
pub(super) async fn read_to_end(stream: &mut RunStream) -> Vec<(RunEvent, bool)> {
    let mut events = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        events.push((event, stream.is_synthesized()));
    }
    events
}

#[track_caller]
fn assert_snapshots(stream: &RunStream, state: &State, case: &str) {
    assert_eq!(stream.run(), Some(&state.run), "{case}");
    assert_eq!(stream.steps(), state.steps, "{case}");
    assert_eq!(stream.messages(), state.messages, "{case}");
}

fn end_of(segment: &RecordedSegment) -> StreamEnd {
    match segment.events.last().unwrap() {
        RunEvent::RunRequiresAction(_) => StreamEnd::RequiresAction,
        RunEvent::RunCompleted(_) => StreamEnd::Completed,
        RunEvent::RunFailed(_) => StreamEnd::Failed,
        RunEvent::RunIncomplete(_) => StreamEnd::Incomplete,
        RunEvent::RunCancelled(_) => StreamEnd::Cancelled,
        RunEvent::RunExpired(_) => StreamEnd::Expired,
        other => panic!("{other:?}"),
    }
}

/// Asserts that a segment with a lost connection has the events of the whole segment: original ones
/// first, then synthesized ones.
#[track_caller]
fn assert_events(
    events: &[(RunEvent, bool)],
    segment: &RecordedSegment,
    expected: &[Change],
    case: &str,
) {
    let received = events.iter().take_while(|(_, synthesized)| !synthesized).count();
    let original: Vec<&RunEvent> = events.iter().take(received).map(|(event, _)| event).collect();
    assert_eq!(original, segment.events.iter().take(received).collect::<Vec<_>>(), "{case}");
    assert!(events.iter().skip(received).all(|(_, synthesized)| *synthesized), "{case}");
    assert_eq!(changes(events.iter().map(|(event, _)| event)), expected, "{case}");
}

/// Loses the connection after each byte of each segment, while the earlier segments are complete.
async fn lose_connection_everywhere(segments: Vec<RecordedSegment>) {
    tokio::time::pause();
    for (number, segment) in segments.iter().enumerate() {
        lose_connection_in_segment(
            &segments,
            number,
            0..segment.bytes.len() + 1,
            PlaybackState::set_content_location,
        )
        .await;
    }
    // Without `Content-Location` the run is identified in the list until the first event.
    lose_connection_in_segment(
        &segments,
        0,
        0..segments[0].ends[0],
        PlaybackState::set_date_and_list,
    )
    .await;
}

/// Loses the connection of one segment after each of the given lengths.
pub(super) async fn lose_connection_in_segment(
    segments: &[RecordedSegment],
    number: usize,
    lengths: impl IntoIterator<Item = usize>,
    prepare: fn(&mut PlaybackState),
) {
    let segment = &segments[number];
    let state = segment.states.last().unwrap();
    let expected = changes(segment.events.iter());
    for length in lengths {
        let case = format!("segment {number}, connection lost after {length} bytes");
        let player = Player::new(segments);
        prepare(&mut player.server());
        let mut stream = player.stream(if number == 0 { length } else { segments[0].bytes.len() });
        for later in 1..=number {
            read_to_end(&mut stream).await;
            if later == number {
                player.truncate_next_segment(length);
            }
            let outputs = outputs(stream.run().unwrap());
            stream.submit_tool_outputs(outputs).await.unwrap();
        }
        let events = read_to_end(&mut stream).await;
        assert_events(&events, segment, &expected, &case);
        assert_eq!(stream.end(), Some(end_of(segment)), "{case}");
        assert_snapshots(&stream, state, &case);
        let requests = player.server().requests.clone();
        let submitted = requests.iter().filter(|request| request.starts_with("submit")).count();
        assert_eq!(submitted, number, "{case}");
    }
}

/// Fetches the state of each moment after the connection was lost, and then the final state.
async fn fetch_every_moment(segments: Vec<RecordedSegment>) {
    tokio::time::pause();
    let segment = &segments[0];
    let expected = changes(segment.events.iter());
    for (from, length) in segment.ends.iter().enumerate() {
        for (moment, _) in segment.ends.iter().enumerate().skip(from) {
            let case = format!("connection lost after event {from}, fetched after {moment}");
            let player = Player::new(&segments);
            let end = segment.states.last().unwrap();
            player.server().states = vec![segment.states[moment].clone(), end.clone()];
            let mut stream = player.stream(*length);
            let events = read_to_end(&mut stream).await;
            assert_events(&events, segment, &expected, &case);
            assert_eq!(stream.end(), Some(end_of(segment)), "{case}");
            assert_snapshots(&stream, end, &case);
        }
    }
}

/// Adds an id to each event: its number.
fn with_ids(mut segment: RecordedSegment) -> RecordedSegment {
    let mut bytes = Vec::new();
    let mut start = 0;
    for (number, end) in segment.ends.iter_mut().enumerate() {
        bytes.extend_from_slice(&segment.bytes[start..*end - 1]);
        bytes.extend_from_slice(format!("id: {number}\n\n").as_bytes());
        start = *end;
        *end = bytes.len();
    }
    bytes.extend_from_slice(&segment.bytes[start..]);
    segment.bytes = bytes.into();
    segment
}

/// Resumes the events by id, also if the resumed connection is lost again.
async fn resume_everywhere(segments: Vec<RecordedSegment>) {
    tokio::time::pause();
    let segment = with_ids(segments[0].clone());
    for length in segment.ends[0]..segment.bytes.len() {
        let player = Player::new(std::slice::from_ref(&segment));
        // The resumed connection is lost once more, a bit later.
        let (again, whole) = ((length + segment.bytes.len()) / 2, segment.bytes.len());
        player.server().resume_lengths = vec![again, whole, whole];
        let mut stream = player.stream(length);
        let events = read_to_end(&mut stream).await;
        let plain: Vec<RunEvent> = events.iter().map(|(event, _)| event.clone()).collect();
        assert_eq!(plain, *segment.events, "connection lost after {length} bytes");
        assert!(
            events.iter().all(|(_, synthesized)| !synthesized),
            "connection lost after {length} bytes"
        );
        assert_eq!(stream.end(), Some(end_of(&segment)), "connection lost after {length} bytes");
        assert_snapshots(&stream, segment.states.last().unwrap(), "resumed");
        let requests = player.server().requests.clone();
        assert!(requests.iter().all(|request| request.starts_with("resume")), "{requests:?}");
    }
}

fn answer() -> Vec<Turn> {
    vec![Turn::chunks(["It is ", "\u{2600}"])]
}

fn call() -> Vec<Turn> {
    vec![Turn::call("get_weather", json!({"city": "Paris"})), Turn::chunks(["Sun", "ny"])]
}

fn parallel_calls() -> Vec<Turn> {
    let calls = Turn::chunks(["Let me see."]).and_call("get_weather", json!({"city": "Paris"}));
    vec![calls.and_call("get_time", json!({})), Turn::chunks(["Sunny"])]
}

fn failure() -> Vec<Turn> {
    vec![Turn::chunks(["It is"]).and_fail(ModelErrorKind::Server, "The model broke.")]
}

fn token_limit() -> Vec<Turn> {
    vec![Turn::chunks(["It is", " "]).token_limit()]
}

async fn cancelled() -> Vec<RecordedSegment> {
    let turns = vec![Turn::chunks(["It is"]).and_stall()];
    let cancel = async |client: &crate::Client, run: &runstep_api::types::Run| {
        // Wait until the model has generated its text.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.runs(&run.thread_id).cancel(&run.id).await.unwrap();
    };
    record(turns, |create| create, cancel, LIFETIME).await
}

async fn expired() -> Vec<RecordedSegment> {
    let turns = vec![Turn::chunks(["It is"]).and_stall()];
    record(turns, |create| create, async |_, _| {}, Duration::from_secs(1)).await
}

#[tokio::test]
async fn answer_survives_lost_connections() {
    lose_connection_everywhere(recorded(answer()).await).await;
}

#[tokio::test]
async fn answer_on_a_new_thread_survives_lost_connections() {
    let segments = record_with_thread(answer()).await;
    tokio::time::pause();
    lose_connection_in_segment(
        &segments,
        0,
        0..segments[0].bytes.len() + 1,
        PlaybackState::set_content_location,
    )
    .await;
    // Without `Content-Location` the run cannot be identified before `thread.created`.
    lose_connection_in_segment(
        &segments,
        0,
        segments[0].ends[0]..segments[0].ends[1],
        PlaybackState::set_date_and_list,
    )
    .await;
}

#[tokio::test]
async fn tool_call_survives_lost_connections() {
    lose_connection_everywhere(recorded(call()).await).await;
}

#[tokio::test]
async fn parallel_calls_after_text_survive_lost_connections() {
    lose_connection_everywhere(recorded(parallel_calls()).await).await;
}

#[tokio::test]
async fn failure_survives_lost_connections() {
    lose_connection_everywhere(recorded(failure()).await).await;
}

#[tokio::test]
async fn token_limit_survives_lost_connections() {
    lose_connection_everywhere(recorded(token_limit()).await).await;
}

#[tokio::test]
async fn cancellation_survives_lost_connections() {
    lose_connection_everywhere(cancelled().await).await;
}

#[tokio::test]
async fn expiry_survives_lost_connections() {
    lose_connection_everywhere(expired().await).await;
}

#[tokio::test]
async fn every_fetched_state_of_an_answer_is_synthesized() {
    fetch_every_moment(recorded(answer()).await).await;
}

#[tokio::test]
async fn every_fetched_state_of_calls_is_synthesized() {
    fetch_every_moment(recorded(parallel_calls()).await).await;
}

#[tokio::test]
async fn every_fetched_state_of_a_cancellation_is_synthesized() {
    fetch_every_moment(cancelled().await).await;
}

#[tokio::test]
async fn answer_is_resumed_by_event_id() {
    resume_everywhere(recorded(answer()).await).await;
}

#[tokio::test]
async fn calls_are_resumed_by_event_id() {
    resume_everywhere(recorded(parallel_calls()).await).await;
}
