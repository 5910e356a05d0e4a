//! How a stream ends when it is not made up for, and what is asked of the server.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use runstep_server::model::Turn;
use tokio::time::Instant;

use super::recorded::{Player, RecordedLeg, outputs, record, settings};
use crate::error::ErrorKind;
use crate::poll::PollErrorPolicy;
use crate::stream::open::StreamSettings;
use crate::stream::{RunStream, RunStreamEnd};

pub(super) async fn answer() -> Vec<RecordedLeg> {
    let turns = vec![Turn::chunks(["It ", "is"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    legs
}

/// Reads on to the error that ends the stream.
pub(super) async fn error_of(stream: &mut RunStream) -> crate::Error {
    loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream has ended well"),
            Err(error) => {
                assert!(stream.try_next().await.unwrap().is_none());
                return error;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_not_to_recover_is_an_error_with_its_run() {
    let legs = answer().await;
    let player = Player::new(&legs);
    let settings = StreamSettings { recover: false, ..settings() };
    let mut stream = player.stream_with(legs[0].ends[3], settings);
    let error = error_of(&mut stream).await;
    insta::assert_snapshot!(
        error.message(),
        @"the stream was cut before its run had ended: the connection broke"
    );
    assert_eq!(error.run(), stream.run());
    assert!(error.run().is_some());
    assert_eq!(stream.end(), Some(RunStreamEnd::Cut));
    assert_eq!(player.playing().requests, Vec::<String>::new());
    let again = stream.final_run().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn failed_looks_are_tolerated_as_with_a_poll() {
    let legs = answer().await;
    let player = Player::new(&legs);
    player.playing().failures = vec![ErrorKind::Connection; 5];
    let mut stream = player.stream(legs[0].ends[3]);
    stream.final_run().await.unwrap();
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));

    let player = Player::new(&legs);
    player.playing().failures = vec![ErrorKind::Timeout; 3];
    let settings = StreamSettings { errors: PollErrorPolicy::default().in_a_row(2), ..settings() };
    let mut stream = player.stream_with(legs[0].ends[3], settings);
    let error = error_of(&mut stream).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!((player.playing().requests.len(), stream.end()), (3, Some(RunStreamEnd::Cut)));

    let player = Player::new(&legs);
    // What cannot be read in place of the rest, and then of the run.
    player.playing().failures = vec![ErrorKind::Decode; 2];
    let mut stream = player.stream(legs[0].ends[3]);
    assert_eq!(error_of(&mut stream).await.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_run_that_does_not_end_is_looked_for_until_the_deadline() {
    let legs = answer().await;
    let player = Player::new(&legs);
    player.playing().looks = vec![legs[0].states[4].clone()];
    let mut stream = player.stream(legs[0].ends[3]);
    let start = Instant::now();
    let error = error_of(&mut stream).await;
    assert!(error.is_deadline(), "{error}");
    assert!(error.run().is_some());
    assert_eq!(start.elapsed().as_secs(), 600);
}

#[tokio::test]
async fn a_resume_in_vain_falls_back_to_the_run() {
    let legs = answer().await;
    let mut leg = legs[0].clone();
    // Only the first event has an id, and after it nothing comes any more.
    let end = leg.ends[0];
    leg.bytes = [&leg.bytes[..end - 1], b"id: 0\n", &leg.bytes[end - 1..]].concat().into();
    leg.ends[0] += 6;
    let player = Player::new(std::slice::from_ref(&leg));
    player.playing().resumes = vec![0; 100];
    let mut stream = player.stream(leg.ends[0]);
    stream.final_run().await.unwrap();
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    let requests = player.playing().requests.clone();
    assert_eq!(requests[..6], ["resume after 0"; 6]);
    assert_eq!(requests[6], "run");
}

/// It cannot be asked for in a header.
#[tokio::test]
async fn an_id_of_an_event_that_cannot_be_sent_is_none() {
    let legs = answer().await;
    for id in ["id: a\u{1}b\n", "id: a\u{7f}\n"] {
        let mut leg = legs[0].clone();
        let (first, second) = (leg.ends[0], leg.ends[1]);
        leg.bytes = [
            &leg.bytes[..first - 1],
            b"id: 0\n",
            &leg.bytes[first - 1..second - 1],
            id.as_bytes(),
            &leg.bytes[second - 1..],
        ]
        .concat()
        .into();
        let player = Player::new(std::slice::from_ref(&leg));
        let mut stream = player.stream(second + "id: 0\n".len() + id.len());
        stream.final_run().await.unwrap();
        assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
        assert_eq!(player.playing().requests[0], "run", "{id:?}");
    }
}

#[tokio::test]
async fn a_server_cannot_put_off_a_resume_for_ever() {
    let legs = answer().await;
    let mut leg = legs[0].clone();
    let (end, added) = (leg.ends[0], b"id: 0\nretry: 3600000\n");
    leg.bytes = [&leg.bytes[..end - 1], added, &leg.bytes[end - 1..]].concat().into();
    leg.ends.iter_mut().for_each(|end| *end += added.len());
    let player = Player::new(std::slice::from_ref(&leg));
    player.playing().resumes = vec![leg.bytes.len()];
    let mut stream = player.stream(leg.ends[0]);
    let start = Instant::now();
    stream.final_run().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(player.playing().requests, ["resume after 0"]);
}

#[tokio::test]
async fn a_server_that_talks_on_after_the_end_is_not_listened_to_for_ever() {
    let legs = answer().await;
    let end = *legs[0].ends.last().unwrap();
    let more = std::iter::repeat_n(Bytes::from_static(b"event: news\ndata: {}\n\n"), 100);
    let chunks = std::iter::once(legs[0].bytes.slice(..end)).chain(more);
    let body = Box::pin(futures_util::stream::iter(chunks.map(Ok)));
    let mut stream = Player::new(&legs).stream_of(body, settings());
    let mut told = 0;
    while stream.try_next().await.unwrap().is_some() {
        told += 1;
        if stream.end().is_some() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    assert!(told - legs[0].events.len() <= 10, "{told}");
}

/// Somebody else has submitted the outputs, and the reply goes on, and then is silent.
fn taken_back(player: &Player, legs: &[RecordedLeg], settings: StreamSettings) -> RunStream {
    player.playing().looks = vec![legs[1].states.last().unwrap().clone()];
    let chunks = [
        legs[0].bytes.slice(..*legs[0].ends.last().unwrap()),
        legs[1].bytes.slice(..legs[1].ends[1]),
    ];
    let chunks = futures_util::stream::iter(chunks.map(Ok));
    player.stream_of(Box::pin(chunks.chain(futures_util::stream::pending())), settings)
}

#[tokio::test]
async fn an_end_that_is_taken_back_is_none() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let player = Player::new(&legs);
    let mut stream = taken_back(&player, &legs, settings());
    let start = Instant::now();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    assert_eq!(start.elapsed().as_secs(), 60);

    // Nor is the run settled for one who would have it cancelled.
    let player = Player::new(&legs);
    let wanted = StreamSettings { cancel_on_drop: true, ..settings() };
    let mut stream = taken_back(&player, &legs, wanted);
    for _ in 0..legs[0].ends.len() + 2 {
        stream.try_next().await.unwrap().unwrap();
    }
    assert_eq!(stream.end(), None);
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.playing().cancelled, [legs[0].states[0].run.id.clone()]);
}

#[tokio::test]
async fn a_dropped_stream_cancels_its_run_if_told_to() {
    let legs = answer().await;
    let run_id = legs[0].states[0].run.id.clone();
    let cancels = async |events: usize, cancel_on_drop: bool| {
        let player = Player::new(&legs);
        let settings = StreamSettings { cancel_on_drop, ..settings() };
        let mut stream = player.stream_with(legs[0].bytes.len(), settings);
        for _ in 0..events {
            stream.try_next().await.unwrap().unwrap();
        }
        drop(stream);
        tokio::time::sleep(Duration::from_secs(1)).await;
        std::mem::take(&mut player.playing().cancelled)
    };
    assert_eq!(cancels(3, true).await, [run_id]);
    assert_eq!(cancels(3, false).await, Vec::<String>::new());
    // Before its run is known, and after its end, there is nothing to cancel.
    assert_eq!(cancels(0, true).await, Vec::<String>::new());
    assert_eq!(cancels(legs[0].events.len(), true).await, Vec::<String>::new());
}

#[tokio::test]
async fn outputs_that_may_have_come_are_looked_for_and_never_sent_again() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let whole = legs[0].bytes.len();

    // They came: the run no longer waits for them. Nothing was cut, so that this is no recovery.
    let player = Player::new(&legs);
    let mut stream = player.stream_with(whole, StreamSettings { recover: false, ..settings() });
    let run = stream.final_run().await.unwrap();
    player.playing().failures = vec![ErrorKind::Timeout];
    player.playing().looks = vec![legs[1].states.last().unwrap().clone()];
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
    assert_eq!(stream.end(), Some(RunStreamEnd::Completed));
    let requests = player.playing().requests.clone();
    assert_eq!(requests.iter().filter(|one| one.starts_with("submit")).count(), 1, "{requests:?}");

    // They did not: the stream is where it was, and they can be submitted.
    let player = Player::new(&legs);
    let mut stream = player.stream(whole);
    stream.final_run().await.unwrap();
    player.playing().failures = vec![ErrorKind::Timeout];
    let error = stream.submit_tool_outputs(outputs(&run)).await.unwrap_err();
    assert_eq!((error.kind(), error.run()), (ErrorKind::Timeout, Some(&run)));
    assert_eq!(stream.end(), Some(RunStreamEnd::RequiresAction));
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn a_run_seen_as_it_was_before_its_outputs_came_is_looked_at_again() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let player = Player::new(&legs);
    let mut stream = player.stream(legs[0].bytes.len());
    let run = stream.final_run().await.unwrap();
    player.cut_next_leg(0);
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
    let [before, after] = [0, 1].map(|leg: usize| legs[leg].states.last().unwrap().clone());
    player.playing().looks = vec![before.clone(), before, after];
    assert_eq!(stream.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn a_stream_that_waits_for_nothing_takes_no_outputs() {
    let legs = answer().await;
    let player = Player::new(&legs);
    let mut stream = player.stream(legs[0].bytes.len());
    for _ in 0..2 {
        let error = stream.submit_tool_outputs([]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        stream.final_run().await.unwrap();
    }
    assert_eq!(player.playing().requests, Vec::<String>::new());
}
