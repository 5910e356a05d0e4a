//! Servers that reuse the ids of calls in each round.

use std::time::Duration;

use runstep_server::model::Turn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::lost_connections::{lose_connection_in_segment, read_to_end};
use super::recording::{PlaybackState, Player, RecordedSegment, State, events_of, outputs, record};
use crate::streaming::StreamEnd;

/// Records two rounds with one call each, both with the same id, followed by an answer.
async fn recorded(first: Value, second: Value) -> Vec<RecordedSegment> {
    let turns = [first, second].map(|arguments| Turn::call("get_weather", arguments));
    let turns = turns.into_iter().chain([Turn::chunks(["Sun", "ny"])]).collect();
    let mut segments =
        record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    let id = |segment: &RecordedSegment| {
        let run = &segment.states.last().unwrap().run;
        run.function_calls()[0].id.clone()
    };
    let (to, from) = (id(&segments[0]), id(&segments[1]));
    for segment in &mut segments {
        rename(segment, &from, &to);
    }
    segments
}

fn rename(segment: &mut RecordedSegment, from: &str, to: &str) {
    let text = std::str::from_utf8(&segment.bytes).unwrap();
    segment.bytes = text.replace(from, to).into();
    let events = events_of(&segment.bytes).into_iter().take(segment.events.len());
    let (events, ends): (Vec<_>, Vec<_>) = events.unzip();
    (segment.events, segment.ends) = (events.into(), ends);
    let states = segment.states.iter().map(|state| State {
        run: renamed(&state.run, from, to),
        steps: state.steps.iter().map(|step| renamed(step, from, to)).collect(),
        messages: state.messages.clone(),
    });
    segment.states = states.collect();
}

fn renamed<T: Serialize + DeserializeOwned>(object: &T, from: &str, to: &str) -> T {
    let text = serde_json::to_string(object).unwrap().replace(from, to);
    serde_json::from_str(&text).unwrap()
}

/// Loses the connection at the start and after each event of each segment but the first.
async fn lose_connection_after_events(segments: Vec<RecordedSegment>) {
    tokio::time::pause();
    for (number, segment) in segments.iter().enumerate().skip(1) {
        let lengths = std::iter::once(0).chain(segment.ends.iter().copied());
        lose_connection_in_segment(&segments, number, lengths, PlaybackState::set_content_location)
            .await;
    }
}

#[tokio::test]
async fn different_calls_with_the_same_id_are_distinguished() {
    lose_connection_after_events(recorded(json!({"city": "Paris"}), json!({"city": "Rome"})).await)
        .await;
}

#[tokio::test]
async fn identical_calls_are_distinguished() {
    lose_connection_after_events(recorded(json!({}), json!({})).await).await;
}

#[tokio::test]
async fn stale_calls_are_fetched_again() {
    let segments = recorded(json!({}), json!({})).await;
    tokio::time::pause();
    let player = Player::new(&segments);
    let mut stream = player.stream(segments[0].bytes.len());
    read_to_end(&mut stream).await;
    let before = stream.run().unwrap().clone();
    player.truncate_next_segment(0);
    stream.submit_tool_outputs(outputs(&before)).await.unwrap();
    let (old, new) = (segments[0].states.last().unwrap(), segments[1].states.last().unwrap());
    player.server().states = vec![old.clone(), old.clone(), new.clone()];
    read_to_end(&mut stream).await;
    assert_eq!(stream.end(), Some(StreamEnd::RequiresAction));
    assert_eq!(stream.steps(), new.steps);
    let fetches = player.server().requests.iter().filter(|request| *request == "run").count();
    assert_eq!(fetches, 3);
}
