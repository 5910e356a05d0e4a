//! Every scripted stream, cut after each byte: the end is always the right one, and no event is
//! lost or told twice.

use std::time::Duration;

use runstep_api::types::{
    MessageContentDelta, StepDetailsDelta, StreamEvent as RunEvent, ToolCallDelta,
};
use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::json;

use super::recorded::{Player, Playing, RecordedLeg, State, outputs, record, record_with_thread};
use crate::stream::{RunStream, RunStreamEnd};

const LIFETIME: Duration = Duration::from_secs(600);

async fn recorded(turns: Vec<Turn>) -> Vec<RecordedLeg> {
    record(turns, |create| create, async |_, _| {}, LIFETIME).await
}

/// What is told of an event: its name and its object's id; or what a piece adds, and to what.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Event(String, String),
    Grown(String, String),
}

/// What events tell, with pieces that follow each other joined, as those are that were missed.
fn told<'a>(events: impl IntoIterator<Item = &'a RunEvent>) -> Vec<Told> {
    let mut all: Vec<Told> = Vec::new();
    for event in events {
        for one in tell(event) {
            match (all.last_mut(), one) {
                (Some(Told::Grown(last, text)), Told::Grown(what, more)) if *last == what => {
                    text.push_str(&more);
                }
                (_, one) => all.push(one),
            }
        }
    }
    all
}

fn tell(event: &RunEvent) -> Vec<Told> {
    match event {
        RunEvent::MessageDelta(delta) => {
            let pieces = delta.delta.content.iter().flatten().map(|piece| match piece {
                MessageContentDelta::Text(piece) => {
                    let text = piece.text.clone().unwrap().value.unwrap();
                    Told::Grown(format!("{} {}", delta.id, piece.index), text)
                }
                other => panic!("{other:?}"),
            });
            pieces.collect()
        }
        RunEvent::StepDelta(delta) => {
            let Some(StepDetailsDelta::ToolCalls(details)) = &delta.delta.step_details else {
                panic!("{delta:?}");
            };
            let pieces = details.tool_calls.iter().flatten().map(|piece| match piece {
                ToolCallDelta::Function(piece) => {
                    let function = piece.function.clone().unwrap();
                    let begun = [piece.id.clone(), function.name].into_iter().flatten();
                    let begun: String = begun.map(|text| text + " ").collect();
                    let text = begun + &function.arguments.unwrap_or_default();
                    Told::Grown(format!("{} {}", delta.id, piece.index), text)
                }
                other => panic!("{other:?}"),
            });
            pieces.collect()
        }
        event => vec![Told::Event(event.event().to_owned(), id(event).to_owned())],
    }
}

fn id(event: &RunEvent) -> &str {
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

/// What a stream gives to its end, and which of it was made up for.
pub(super) async fn drain(stream: &mut RunStream) -> Vec<(RunEvent, bool)> {
    let mut events = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        events.push((event, stream.is_recovered()));
    }
    events
}

#[track_caller]
fn assert_same(stream: &RunStream, state: &State, what: &str) {
    assert_eq!(stream.run(), Some(&state.run), "{what}");
    assert_eq!(stream.steps(), state.steps, "{what}");
    assert_eq!(stream.messages(), state.messages, "{what}");
}

fn end_of(leg: &RecordedLeg) -> RunStreamEnd {
    match leg.events.last().unwrap() {
        RunEvent::RunRequiresAction(_) => RunStreamEnd::RequiresAction,
        RunEvent::RunCompleted(_) => RunStreamEnd::Completed,
        RunEvent::RunFailed(_) => RunStreamEnd::Failed,
        RunEvent::RunIncomplete(_) => RunStreamEnd::Incomplete,
        RunEvent::RunCancelled(_) => RunStreamEnd::Cancelled,
        RunEvent::RunExpired(_) => RunStreamEnd::Expired,
        other => panic!("{other:?}"),
    }
}

/// What a cut leg told must be what the whole one does.
#[track_caller]
fn assert_told(events: &[(RunEvent, bool)], leg: &RecordedLeg, whole: &[Told], what: &str) {
    let heard = events.iter().take_while(|(_, recovered)| !recovered).count();
    let before: Vec<&RunEvent> = events.iter().take(heard).map(|(event, _)| event).collect();
    assert_eq!(before, leg.events.iter().take(heard).collect::<Vec<_>>(), "{what}");
    assert!(events.iter().skip(heard).all(|(_, recovered)| *recovered), "{what}");
    assert_eq!(told(events.iter().map(|(event, _)| event)), whole, "{what}");
}

/// The first leg is cut after each byte, and then each later one while those before are whole.
async fn cut_everywhere(legs: Vec<RecordedLeg>) {
    tokio::time::pause();
    for (number, leg) in legs.iter().enumerate() {
        cut_leg(&legs, number, 0..leg.bytes.len() + 1, Playing::name_run).await;
    }
    // Once its run is told, where it was found is no matter.
    cut_leg(&legs, 0, 0..legs[0].ends[0], Playing::list_run).await;
}

/// One leg is cut after so many bytes, with a server that is prepared so.
pub(super) async fn cut_leg(
    legs: &[RecordedLeg],
    number: usize,
    cuts: impl IntoIterator<Item = usize>,
    prepare: fn(&mut Playing),
) {
    let leg = &legs[number];
    let state = leg.states.last().unwrap();
    let whole = told(leg.events.iter());
    for cut in cuts {
        let what = format!("leg {number} cut after {cut}");
        let player = Player::new(legs);
        prepare(&mut player.playing());
        let mut stream = player.stream(if number == 0 { cut } else { legs[0].bytes.len() });
        for later in 1..=number {
            drain(&mut stream).await;
            if later == number {
                player.cut_next_leg(cut);
            }
            let outputs = outputs(stream.run().unwrap());
            stream.submit_tool_outputs(outputs).await.unwrap();
        }
        let events = drain(&mut stream).await;
        assert_told(&events, leg, &whole, &what);
        assert_eq!(stream.end(), Some(end_of(leg)), "{what}");
        assert_same(&stream, state, &what);
        let requests = player.playing().requests.clone();
        let submitted = requests.iter().filter(|one| one.starts_with("submit")).count();
        assert_eq!(submitted, number, "{what}");
    }
}

/// Looks find the run as it was at each moment after the cut, and only then at its end.
async fn look_at_every_moment(legs: Vec<RecordedLeg>) {
    tokio::time::pause();
    let leg = &legs[0];
    let whole = told(leg.events.iter());
    for (from, cut) in leg.ends.iter().enumerate() {
        for (moment, _) in leg.ends.iter().enumerate().skip(from) {
            let what = format!("cut after event {from}, looked at after {moment}");
            let player = Player::new(&legs);
            let end = leg.states.last().unwrap();
            player.playing().looks = vec![leg.states[moment].clone(), end.clone()];
            let mut stream = player.stream(*cut);
            let events = drain(&mut stream).await;
            assert_told(&events, leg, &whole, &what);
            assert_eq!(stream.end(), Some(end_of(leg)), "{what}");
            assert_same(&stream, end, &what);
        }
    }
}

/// The same bytes with the number of each event as its id.
fn with_ids(mut leg: RecordedLeg) -> RecordedLeg {
    let mut bytes = Vec::new();
    let mut start = 0;
    for (number, end) in leg.ends.iter_mut().enumerate() {
        bytes.extend_from_slice(&leg.bytes[start..*end - 1]);
        bytes.extend_from_slice(format!("id: {number}\n\n").as_bytes());
        start = *end;
        *end = bytes.len();
    }
    bytes.extend_from_slice(&leg.bytes[start..]);
    leg.bytes = bytes.into();
    leg
}

/// A server that can resume is asked for the rest, even when that is cut again.
async fn resume_everywhere(legs: Vec<RecordedLeg>) {
    tokio::time::pause();
    let leg = with_ids(legs[0].clone());
    for cut in leg.ends[0]..leg.bytes.len() {
        let player = Player::new(std::slice::from_ref(&leg));
        // The rest is cut once more, a bit later.
        let (again, whole) = ((cut + leg.bytes.len()) / 2, leg.bytes.len());
        player.playing().resumes = vec![again, whole, whole];
        let mut stream = player.stream(cut);
        let events = drain(&mut stream).await;
        let plain: Vec<RunEvent> = events.iter().map(|(event, _)| event.clone()).collect();
        assert_eq!(plain, *leg.events, "cut after {cut}");
        assert!(events.iter().all(|(_, recovered)| !recovered), "cut after {cut}");
        assert_eq!(stream.end(), Some(end_of(&leg)), "cut after {cut}");
        assert_same(&stream, leg.states.last().unwrap(), "cut");
        let requests = player.playing().requests.clone();
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

fn cut_at_the_token_limit() -> Vec<Turn> {
    vec![Turn::chunks(["It is", " "]).token_limit()]
}

async fn cancelled() -> Vec<RecordedLeg> {
    let turns = vec![Turn::chunks(["It is"]).and_stall()];
    let cancel = async |client: &crate::Client, run: &runstep_api::types::Run| {
        // What is said is said before the cancel.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.runs(&run.thread_id).cancel(&run.id).await.unwrap();
    };
    record(turns, |create| create, cancel, LIFETIME).await
}

async fn expired() -> Vec<RecordedLeg> {
    let turns = vec![Turn::chunks(["It is"]).and_stall()];
    record(turns, |create| create, async |_, _| {}, Duration::from_secs(1)).await
}

#[tokio::test]
async fn an_answer() {
    cut_everywhere(recorded(answer()).await).await;
}

#[tokio::test]
async fn an_answer_on_a_thread_that_is_made_too() {
    let legs = record_with_thread(answer()).await;
    tokio::time::pause();
    cut_leg(&legs, 0, 0..legs[0].bytes.len() + 1, Playing::name_run).await;
    // Without a name neither the thread nor the run can be found before the thread is told.
    cut_leg(&legs, 0, legs[0].ends[0]..legs[0].ends[1], Playing::list_run).await;
}

#[tokio::test]
async fn a_call() {
    cut_everywhere(recorded(call()).await).await;
}

#[tokio::test]
async fn calls_in_parallel_after_some_text() {
    cut_everywhere(recorded(parallel_calls()).await).await;
}

#[tokio::test]
async fn a_failure() {
    cut_everywhere(recorded(failure()).await).await;
}

#[tokio::test]
async fn a_token_limit() {
    cut_everywhere(recorded(cut_at_the_token_limit()).await).await;
}

#[tokio::test]
async fn a_cancel() {
    cut_everywhere(cancelled().await).await;
}

#[tokio::test]
async fn an_expiry() {
    cut_everywhere(expired().await).await;
}

#[tokio::test]
async fn every_moment_of_an_answer() {
    look_at_every_moment(recorded(answer()).await).await;
}

#[tokio::test]
async fn every_moment_of_calls() {
    look_at_every_moment(recorded(parallel_calls()).await).await;
}

#[tokio::test]
async fn every_moment_of_a_cancel() {
    look_at_every_moment(cancelled().await).await;
}

#[tokio::test]
async fn a_server_that_resumes() {
    resume_everywhere(recorded(answer()).await).await;
}

#[tokio::test]
async fn a_server_that_resumes_calls() {
    resume_everywhere(recorded(parallel_calls()).await).await;
}
