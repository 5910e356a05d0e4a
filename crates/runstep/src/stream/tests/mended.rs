//! Events that cannot be taken: the stream goes on, and its snapshots are right at the end.

use std::time::Duration;

use runstep_server::model::Turn;
use serde_json::json;

use super::recorded::{Player, RecordedLeg, State, outputs, record, settings};
use crate::error::ErrorKind;
use crate::extensions::MessageExt as _;
use crate::stream::open::StreamSettings;
use crate::stream::{RunStream, RunStreamEnd};

async fn recorded(turns: Vec<Turn>) -> Vec<RecordedLeg> {
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    legs
}

/// Some text and a call, and then an answer.
async fn call() -> Vec<RecordedLeg> {
    let call = Turn::chunks(["Let me ", "see."]).and_call("get_weather", json!({}));
    recorded(vec![call, Turn::chunks(["Sun", "ny"])]).await
}

/// The same leg, with an event whose data is no JSON.
fn malformed(leg: &RecordedLeg, number: usize) -> RecordedLeg {
    let mut leg = leg.clone();
    let mut bytes = leg.bytes.to_vec();
    // Before the blank line after it.
    bytes[leg.ends[number] - 3] = b'x';
    leg.bytes = bytes.into();
    leg
}

/// What a stream gives to its end: the names of the events, and how many errors.
async fn drain(stream: &mut RunStream) -> (Vec<String>, usize) {
    let (mut names, mut errors) = (Vec::new(), 0);
    loop {
        match stream.try_next().await {
            Ok(None) => return (names, errors),
            Ok(Some(event)) => {
                assert!(!stream.is_recovered());
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
fn assert_right(stream: &RunStream, leg: &RecordedLeg, what: &str) {
    let state = leg.states.last().unwrap();
    assert_eq!(stream.steps(), state.steps, "{what}");
    assert_eq!(stream.messages(), state.messages, "{what}");
}

fn asked(player: &Player) -> Vec<String> {
    player.playing().requests.clone()
}

#[tokio::test]
async fn whichever_event_does_not_decode_the_snapshots_are_right_at_the_end() {
    let legs = call().await;
    for (number, leg) in legs.iter().enumerate() {
        // Without the end of the run itself there is a cut.
        for event in 0..leg.events.len() - 1 {
            let what = format!("event {event} of leg {number}");
            let mut played = legs.clone();
            played[number] = malformed(leg, event);
            let player = Player::new(&played);
            let mut stream = player.stream(legs[0].bytes.len());
            for (later, told) in legs.iter().enumerate().take(number + 1) {
                if later > 0 {
                    let outputs = outputs(stream.run().unwrap());
                    stream.submit_tool_outputs(outputs).await.unwrap();
                }
                let (names, errors) = drain(&mut stream).await;
                let mut expected: Vec<_> =
                    told.events.iter().map(|event| event.event().to_owned()).collect();
                if later == number {
                    expected.remove(event);
                }
                assert_eq!((names, errors), (expected, usize::from(later == number)), "{what}");
            }
            assert_right(&stream, leg, &what);
            assert_eq!(asked(&player).iter().filter(|one| *one == "steps").count(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn what_is_too_long_to_be_heard_is_looked_up() {
    let text = "x".repeat(5000);
    let legs = recorded(vec![Turn::chunks([text.as_str()])]).await;
    let player = Player::new(&legs);
    let settings = StreamSettings { max_event_bytes: 4000, ..settings() };
    let mut stream = player.stream_with(legs[0].bytes.len(), settings);
    let (_, errors) = drain(&mut stream).await;
    assert_eq!((errors, stream.end()), (2, Some(RunStreamEnd::Completed)));
    assert_right(&stream, &legs[0], "the text");
    // All at once is no different.
    let settings = StreamSettings { max_event_bytes: 4000, ..super::recorded::settings() };
    let all = Player::new(&legs).stream_with(legs[0].bytes.len(), settings);
    assert_eq!(all.collect().await.unwrap().messages, legs[0].states.last().unwrap().messages);
}

#[tokio::test]
async fn a_stream_that_missed_nothing_asks_for_nothing() {
    let legs = call().await;
    let player = Player::new(&legs);
    drain(&mut player.stream(legs[0].bytes.len())).await;
    assert_eq!(asked(&player), Vec::<String>::new());
}

/// The event that completes the message of the first leg.
fn completed(leg: &RecordedLeg) -> RecordedLeg {
    without(leg, "thread.message.completed")
}

#[tokio::test]
async fn a_stream_that_is_not_to_recover_keeps_what_was_told() {
    let mut legs = call().await;
    legs[0] = completed(&legs[0]);
    let player = Player::new(&legs);
    let settings = StreamSettings { recover: false, ..settings() };
    let mut stream = player.stream_with(legs[0].bytes.len(), settings);
    drain(&mut stream).await;
    assert_eq!(stream.end(), Some(RunStreamEnd::RequiresAction));
    assert_eq!(stream.messages()[0].status, "in_progress");
    assert_eq!(asked(&player), Vec::<String>::new());
}

#[tokio::test]
async fn a_look_in_vain_changes_nothing_and_the_next_leg_makes_up_for_it() {
    let mut legs = call().await;
    legs[0] = completed(&legs[0]);
    let player = Player::new(&legs);
    player.playing().failures = vec![ErrorKind::Connection];
    let mut stream = player.stream(legs[0].bytes.len());
    let (_, errors) = drain(&mut stream).await;
    assert_eq!((errors, stream.end()), (1, Some(RunStreamEnd::RequiresAction)));
    assert_eq!(stream.messages()[0].status, "in_progress");
    assert_eq!(asked(&player), ["steps"]);
    assert!(stream.try_next().await.unwrap().is_none());
    assert_eq!(asked(&player), ["steps"]);

    stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
    drain(&mut stream).await;
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    assert_right(&stream, &legs[1], "the next leg");
}

/// What is of the next leg must not be taken for told.
#[tokio::test]
async fn a_run_that_has_gone_on_meanwhile_is_left_as_it_was_told() {
    let mut legs = call().await;
    legs[0] = completed(&legs[0]);
    let player = Player::new(&legs);
    player.playing().looks = vec![legs[1].states.last().unwrap().clone()];
    let mut stream = player.stream(legs[0].bytes.len());
    drain(&mut stream).await;
    assert_eq!(stream.end(), Some(RunStreamEnd::RequiresAction));
    assert_eq!((stream.messages().len(), stream.steps().len()), (1, 2));
    assert_eq!(stream.messages()[0].status, "in_progress");
    assert_eq!(stream.steps()[1].status, "in_progress");
}

/// The same leg, without the event of this name.
fn without(leg: &RecordedLeg, name: &str) -> RecordedLeg {
    malformed(leg, leg.events.iter().position(|event| event.event() == name).unwrap())
}

/// What the server had when it had said the first piece.
fn early(leg: &RecordedLeg) -> State {
    let delta = leg.events.iter().position(|event| event.event() == "thread.message.delta");
    leg.states[delta.unwrap()].clone()
}

#[tokio::test]
async fn what_was_told_is_not_replaced_by_what_the_server_had_before() {
    for name in ["thread.message.in_progress", "thread.message.completed"] {
        let legs = recorded(vec![Turn::chunks(["Sun", "ny"])]).await;
        let played = without(&legs[0], name);
        let player = Player::new(std::slice::from_ref(&played));
        player.playing().stale = vec![early(&legs[0]); 3];
        let mut stream = player.stream(played.bytes.len());
        drain(&mut stream).await;
        assert_right(&stream, &legs[0], name);
        let looks = asked(&player).iter().filter(|one| *one == "steps").count();
        assert_eq!(looks, 4, "{name}: as often as it takes");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_server_that_stays_behind_leaves_all_as_it_was_told() {
    let legs = recorded(vec![Turn::chunks(["Sun", "ny"])]).await;
    let played = without(&legs[0], "thread.message.completed");
    let player = Player::new(std::slice::from_ref(&played));
    player.playing().stale = vec![early(&legs[0]); 1000];
    let mut stream = player.stream(played.bytes.len());
    let before = tokio::time::Instant::now();
    drain(&mut stream).await;
    assert_eq!(before.elapsed().as_secs(), 30);
    assert!(asked(&player).len() < 100, "{:?}", asked(&player));
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    assert_eq!(stream.steps(), legs[0].states.last().unwrap().steps);
    assert_eq!((stream.messages()[0].text(), stream.messages().len()), ("Sunny".to_owned(), 1));
}

/// Without a second look, which a run that waits is not kept waiting for.
#[tokio::test]
async fn a_leg_whose_look_was_too_early_is_made_up_for_by_the_next() {
    let mut legs = call().await;
    legs[0] = completed(&legs[0]);
    let player = Player::new(&legs);
    player.playing().stale = vec![early(&legs[0])];
    let mut stream = player.stream(legs[0].bytes.len());
    drain(&mut stream).await;
    assert_eq!(stream.messages()[0].text(), "Let me see.");
    assert_eq!(asked(&player).iter().filter(|one| *one == "steps").count(), 1);
    stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
    drain(&mut stream).await;
    assert_right(&stream, &legs[1], "the next leg");
}

#[tokio::test]
async fn a_cut_in_the_next_leg_does_not_hide_what_the_first_one_lacks() {
    let mut legs = call().await;
    legs[0] = completed(&legs[0]);
    for cut in [0, legs[1].ends[2], legs[1].ends[legs[1].ends.len() - 2]] {
        let player = Player::new(&legs);
        player.playing().failures = vec![ErrorKind::Connection];
        let mut stream = player.stream(legs[0].bytes.len());
        drain(&mut stream).await;
        player.cut_next_leg(cut);
        stream.submit_tool_outputs(outputs(stream.run().unwrap())).await.unwrap();
        while stream.try_next().await.unwrap().is_some() {}
        assert_right(&stream, &legs[1], "the next leg");
    }
}
