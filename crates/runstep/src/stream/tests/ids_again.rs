//! Servers that count the ids of calls anew in each round.

use std::time::Duration;

use runstep_server::model::Turn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cuts::{cut_leg, drain};
use super::recorded::{Player, Playing, RecordedLeg, State, events_of, outputs, record};
use crate::extensions::RunExt as _;
use crate::stream::RunStreamEnd;

/// A call in each of two rounds, both with the same id, and then an answer.
async fn recorded(first: Value, second: Value) -> Vec<RecordedLeg> {
    let turns = [first, second].map(|arguments| Turn::call("get_weather", arguments));
    let turns = turns.into_iter().chain([Turn::chunks(["Sun", "ny"])]).collect();
    let mut legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    let id = |leg: &RecordedLeg| {
        let run = &leg.states.last().unwrap().run;
        run.function_calls()[0].id.clone()
    };
    let (to, from) = (id(&legs[0]), id(&legs[1]));
    for leg in &mut legs {
        rename(leg, &from, &to);
    }
    legs
}

fn rename(leg: &mut RecordedLeg, from: &str, to: &str) {
    let text = std::str::from_utf8(&leg.bytes).unwrap();
    leg.bytes = text.replace(from, to).into();
    let told = events_of(&leg.bytes).into_iter().take(leg.events.len());
    let (events, ends): (Vec<_>, Vec<_>) = told.unzip();
    (leg.events, leg.ends) = (events.into(), ends);
    let states = leg.states.iter().map(|state| State {
        run: renamed(&state.run, from, to),
        steps: state.steps.iter().map(|step| renamed(step, from, to)).collect(),
        messages: state.messages.clone(),
    });
    leg.states = states.collect();
}

fn renamed<T: Serialize + DeserializeOwned>(object: &T, from: &str, to: &str) -> T {
    let text = serde_json::to_string(object).unwrap().replace(from, to);
    serde_json::from_str(&text).unwrap()
}

/// Each leg but the first is cut at its start and after each of its events.
async fn cut_after_events(legs: Vec<RecordedLeg>) {
    tokio::time::pause();
    for (number, leg) in legs.iter().enumerate().skip(1) {
        let cuts = std::iter::once(0).chain(leg.ends.iter().copied());
        cut_leg(&legs, number, cuts, Playing::name_run).await;
    }
}

#[tokio::test]
async fn other_calls_with_the_same_id() {
    cut_after_events(recorded(json!({"city": "Paris"}), json!({"city": "Rome"})).await).await;
}

#[tokio::test]
async fn the_very_same_calls() {
    cut_after_events(recorded(json!({}), json!({})).await).await;
}

#[tokio::test]
async fn calls_that_are_seen_as_they_were_before_are_waited_out() {
    let legs = recorded(json!({}), json!({})).await;
    tokio::time::pause();
    let player = Player::new(&legs);
    let mut stream = player.stream(legs[0].bytes.len());
    drain(&mut stream).await;
    let before = stream.run().unwrap().clone();
    player.cut_next_leg(0);
    stream.submit_tool_outputs(outputs(&before)).await.unwrap();
    let (old, new) = (legs[0].states.last().unwrap(), legs[1].states.last().unwrap());
    player.playing().looks = vec![old.clone(), old.clone(), new.clone()];
    drain(&mut stream).await;
    assert_eq!(stream.end(), Some(RunStreamEnd::RequiresAction));
    assert_eq!(stream.steps(), new.steps);
    let looks = player.playing().requests.iter().filter(|one| *one == "run").count();
    assert_eq!(looks, 3);
}
