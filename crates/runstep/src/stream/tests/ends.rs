//! How a stream ends when it is not made up for, and what is asked of the server.

use std::time::Duration;

use runstep_server::model::Turn;
use tokio::time::Instant;

use super::recorded::{Player, RecordedLeg, outputs, record, settings};
use crate::error::ErrorKind;
use crate::poll::PollErrorPolicy;
use crate::stream::open::StreamSettings;
use crate::stream::{RunStream, RunStreamEnd};

async fn answer() -> Vec<RecordedLeg> {
    let turns = vec![Turn::chunks(["It ", "is"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    legs
}

/// Reads on to the error that ends the stream.
async fn error_of(stream: &mut RunStream) -> crate::Error {
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
async fn a_stream_that_never_told_its_run_is_an_error_and_nothing_is_asked() {
    let legs = answer().await;
    for cut in 0..legs[0].ends[0] {
        let player = Player::new(&legs);
        let mut stream = player.stream(cut);
        let error = error_of(&mut stream).await;
        assert_eq!(error.kind(), ErrorKind::Connection, "{cut}");
        assert!(error.message().contains("may have been made"), "{error}");
        assert_eq!(stream.end(), Some(RunStreamEnd::Cut));
        assert_eq!(player.playing().requests, Vec::<String>::new());
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
    player.playing().failures = vec![ErrorKind::Decode];
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
async fn a_resume_in_vain_again_and_again_is_given_up() {
    let legs = answer().await;
    let mut leg = legs[0].clone();
    // Only the first event has an id, and after it nothing comes any more.
    let end = leg.ends[0];
    leg.bytes = [&leg.bytes[..end - 1], b"id: 0\n", &leg.bytes[end - 1..]].concat().into();
    leg.ends[0] += 6;
    let player = Player::new(std::slice::from_ref(&leg));
    player.playing().resumes = vec![0; 100];
    let mut stream = player.stream(leg.ends[0]);
    let error = error_of(&mut stream).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(player.playing().requests.len(), 6);
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
    // Before its run is told, and after its end, there is nothing to cancel.
    assert_eq!(cancels(0, true).await, Vec::<String>::new());
    assert_eq!(cancels(legs[0].events.len(), true).await, Vec::<String>::new());
}

#[tokio::test]
async fn outputs_that_may_have_come_are_looked_for_and_never_sent_again() {
    let turns = vec![Turn::call("get_time", serde_json::json!({})), Turn::chunks(["Noon"])];
    let legs = record(turns, |create| create, async |_, _| {}, Duration::from_secs(600)).await;
    tokio::time::pause();
    let whole = legs[0].bytes.len();

    // They came: the run no longer waits for them.
    let player = Player::new(&legs);
    let mut stream = player.stream(whole);
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
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(stream.end(), Some(RunStreamEnd::RequiresAction));
    stream.submit_tool_outputs(outputs(&run)).await.unwrap();
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
