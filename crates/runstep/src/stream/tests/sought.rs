//! Which run a stream is of that was cut before it told its run.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONTENT_LOCATION, DATE};
use runstep_api::types::RunStatus;
use runstep_server::model::Turn;

use super::ends::{answer, error_of};
use super::recorded::{Player, RecordedLeg, record_with_thread, settings};
use crate::error::{Error, ErrorKind};
use crate::stream::RunStreamEnd;
use crate::stream::open::StreamSettings;

async fn with_thread() -> Vec<RecordedLeg> {
    let legs = record_with_thread(vec![Turn::chunks(["It ", "is"])]).await;
    tokio::time::pause();
    legs
}

fn asked(player: &Player) -> Vec<String> {
    player.playing().requests.clone()
}

/// What becomes of a stream that is cut at once.
async fn cut_at_once(player: &Player) -> Result<String, Error> {
    let mut stream = player.stream(0);
    match stream.final_run().await {
        Ok(run) => Ok(run.id),
        Err(error) => {
            assert_eq!(stream.end(), Some(RunStreamEnd::Cut));
            Err(error)
        }
    }
}

#[tokio::test]
async fn the_head_of_the_reply_names_the_run() {
    let legs = answer().await;
    let run_id = legs[0].states[0].run.id.clone();
    let player = Player::new(&legs);
    player.playing().name_run();
    let mut stream = player.stream(0);
    // It is known, but has not been told.
    assert_eq!(stream.run(), None);
    assert_eq!(stream.final_run().await.unwrap().id, run_id);
    assert_eq!(asked(&player)[..2], ["run", "steps"]);

    // The error tells which one it is where nothing is looked up.
    let player = Player::new(&legs);
    player.playing().name_run();
    let settings = StreamSettings { recover: false, ..settings() };
    let error = error_of(&mut player.stream_with(0, settings)).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.message().contains(&run_id), "{error}");
    assert_eq!(asked(&player), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_cannot_be_right_is_none() {
    let legs = answer().await;
    let run = &legs[0].states[0].run;
    let (thread_id, run_id) = (&run.thread_id, &run.id);
    let long = "1".repeat(300);
    for named in [
        format!("/v1/threads/thread_other/runs/{run_id}"),
        format!("/v1/threads/{thread_id}/runs/../{run_id}"),
        format!("/v1/threads/{thread_id}/runs/.."),
        format!("/v1/threads/{thread_id}/runs/{run_id}%2fcancel"),
        format!("/v1/threads/{thread_id}/runs/run_{long}"),
        format!("/v1/threads/{thread_id}/messages/{run_id}"),
        format!("/v1/threads/{thread_id}/runs/{run_id}/steps"),
        run_id.clone(),
        String::new(),
    ] {
        let player = Player::new(&legs);
        player.playing().list_run();
        player.playing().head.insert(CONTENT_LOCATION, named.parse().unwrap());
        assert_eq!(cut_at_once(&player).await.unwrap(), *run_id, "{named}");
        assert_eq!(asked(&player)[0], "newest runs", "{named}");
    }
}

#[tokio::test]
async fn what_is_told_counts_more_than_the_name() {
    let legs = answer().await;
    let run = &legs[0].states[0].run;
    let player = Player::new(&legs);
    let other = format!("/v1/threads/{}/runs/run_other", run.thread_id);
    player.playing().head.insert(CONTENT_LOCATION, other.parse().unwrap());
    let settings = || StreamSettings { cancel_on_drop: true, ..settings() };
    let mut stream = player.stream_with(legs[0].ends[0], settings());
    stream.try_next().await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.playing().cancelled, std::slice::from_ref(&run.id));
}

#[tokio::test]
async fn a_thread_that_is_told_counts_more_than_the_name() {
    let legs = with_thread().await;
    let player = Player::new(&legs);
    player.playing().list_run();
    let other = "/v1/threads/thread_other/runs/run_other";
    player.playing().head.insert(CONTENT_LOCATION, other.parse().unwrap());
    let mut stream = player.stream(legs[0].ends[0]);
    assert_eq!(stream.final_run().await.unwrap().id, legs[0].states[0].run.id);
    assert_eq!(asked(&player)[0], "newest runs");
}

#[tokio::test]
async fn a_run_that_is_named_is_cancelled_before_it_is_told() {
    let legs = answer().await;
    let player = Player::new(&legs);
    player.playing().name_run();
    let settings = StreamSettings { cancel_on_drop: true, ..settings() };
    drop(player.stream_with(0, settings));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.playing().cancelled, [legs[0].states[0].run.id.clone()]);
}

#[tokio::test]
async fn the_only_run_of_the_thread_is_the_one() {
    let legs = answer().await;
    let player = Player::new(&legs);
    let run = legs[0].states[0].run.clone();
    player.playing().newest = vec![run.clone()];
    assert_eq!(cut_at_once(&player).await.unwrap(), run.id);
    assert_eq!(asked(&player)[0], "newest runs");
}

/// A list may be older than the steps that are looked up after it.
#[tokio::test]
async fn a_run_that_was_listed_before_it_began_is_told_in_order() {
    let legs = answer().await;
    let player = Player::new(&legs);
    player.playing().newest = vec![legs[0].states[0].run.clone()];
    let (mut stream, mut told) = (player.stream(0), Vec::new());
    while let Some(event) = stream.try_next().await.unwrap() {
        told.push(event.event().to_owned());
    }
    let mut whole: Vec<_> = legs[0].events.iter().map(|event| event.event().to_owned()).collect();
    whole.dedup();
    assert_eq!(told, whole);
}

#[tokio::test]
async fn of_several_runs_it_is_the_one_of_its_assistant_and_time() {
    let legs = answer().await;
    let player = Player::new(&legs);
    let run = legs[0].states[0].run.clone();
    player.playing().list_run();
    let mut others = run.clone();
    others.id = "run_of_another_assistant".to_owned();
    others.assistant_id = Some("asst_other".to_owned());
    player.playing().newest.insert(0, others);
    assert_eq!(cut_at_once(&player).await.unwrap(), run.id);

    // A clock that is a bit behind is no matter, as long as the run had not ended before.
    for (created, completed) in [(-58, Some(4)), (-58, None), (-1, Some(0))] {
        let player = Player::new(&legs);
        player.playing().list_run();
        {
            let mut playing = player.playing();
            let newest = &mut playing.newest[0];
            newest.created_at += created;
            newest.completed_at = completed.map(|after| run.created_at + after);
            if completed.is_none() {
                newest.status = RunStatus::InProgress;
            }
        }
        assert_eq!(cut_at_once(&player).await.unwrap(), run.id, "{created}, {completed:?}");
    }
}

/// Turns of one conversation, the older of which began and ended so long before the run was made.
#[tokio::test]
async fn a_run_that_had_ended_before_the_request_is_not_the_one() {
    let legs = answer().await;
    let run = legs[0].states[0].run.clone();
    for (created, ended, status) in [
        (30, 25, RunStatus::Completed),
        (30, 1, RunStatus::Completed),
        (5, 0, RunStatus::Completed),
        (30, 2, RunStatus::Failed),
        (30, 2, RunStatus::Cancelled),
        (30, 2, RunStatus::Expired),
        // Nothing tells when this one ended.
        (30, -100, RunStatus::Incomplete),
    ] {
        let player = Player::new(&legs);
        player.playing().list_run();
        let ended_at = (ended >= 0).then_some(run.created_at - ended);
        let before = {
            let before = &mut player.playing().newest[1];
            before.created_at = run.created_at - created;
            let at = |is: RunStatus| ended_at.filter(|_| status == is);
            before.completed_at = at(RunStatus::Completed);
            before.failed_at = at(RunStatus::Failed);
            before.cancelled_at = at(RunStatus::Cancelled);
            before.expires_at = at(RunStatus::Expired);
            before.status = status.clone();
            before.clone()
        };
        assert_eq!(cut_at_once(&player).await.unwrap(), run.id, "{status} {ended}");

        // Also where the run is not listed yet.
        player.playing().newest = vec![before];
        player.playing().requests.clear();
        let error = cut_at_once(&player).await.unwrap_err();
        assert_eq!(asked(&player), ["newest runs"; 6], "{status} {ended}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                error.message().replace(&run.thread_id, "THREAD"),
                @"the stream was cut before it told its run, which is not in the list of THREAD yet unless it is run_other, which seems older; look there before you create another"
            );
        }
    }
}

#[tokio::test]
async fn a_reply_that_was_slow_to_begin_is_of_a_run_that_was_made_before_it() {
    let legs = answer().await;
    let run = legs[0].states[0].run.clone();
    let player = Player::new(&legs);
    player.playing().list_run();
    let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(run.created_at).unwrap() + 75);
    let date = httpdate::fmt_http_date(date).parse().unwrap();
    player.playing().head.insert(DATE, date);
    player.playing().head_after = Duration::from_millis(75_300);
    player.playing().newest[1].created_at = run.created_at - 40;
    player.playing().newest[1].completed_at = Some(run.created_at - 10);
    assert_eq!(cut_at_once(&player).await.unwrap(), run.id);

    // One that was quick to begin is not.
    player.playing().head_after = Duration::from_millis(300);
    assert_eq!(cut_at_once(&player).await.unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn without_a_date_only_a_run_that_goes_on_is_the_one() {
    let legs = answer().await;
    let run = legs[0].states[0].run.clone();
    for (status, age, is_taken) in [
        (RunStatus::Completed, 24 * 60 * 60, false),
        (RunStatus::Completed, 0, false),
        (RunStatus::Queued, 0, true),
        (RunStatus::InProgress, 0, true),
        (RunStatus::RequiresAction, 0, true),
    ] {
        let player = Player::new(&legs);
        let mut listed = legs[0].states.last().unwrap().run.clone();
        listed.created_at -= age;
        listed.completed_at = listed.completed_at.map(|time| time - age);
        listed.status = status.clone();
        player.playing().newest = vec![listed];
        match cut_at_once(&player).await {
            Ok(found) => assert!(is_taken && found == run.id, "{status}"),
            Err(error) => {
                assert!(!is_taken, "{status}: {error}");
                assert_eq!(error.kind(), ErrorKind::Decode);
                assert!(error.message().contains(&run.id), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_run_that_is_named_and_not_there_yet_is_looked_for_again() {
    let legs = answer().await;
    let run = legs[0].states[0].run.clone();
    let player = Player::new(&legs);
    player.playing().name_run();
    player.playing().not_there = 5;
    assert_eq!(cut_at_once(&player).await.unwrap(), run.id);
    assert_eq!(asked(&player)[..7], ["run", "run", "run", "run", "run", "run", "steps"]);

    let player = Player::new(&legs);
    player.playing().name_run();
    player.playing().not_there = 100;
    let error = cut_at_once(&player).await.unwrap_err();
    assert_eq!(asked(&player), ["run"; 6]);
    insta::assert_snapshot!(
        error.message().replace(&run.id, "RUN").replace(&run.thread_id, "THREAD"),
        @"the stream was cut before it told its run, which may have been made all the same: its reply names RUN, which is not on THREAD yet; look there before you create another"
    );

    // A run that has been told and is gone is no longer waited for.
    let player = Player::new(&legs);
    player.playing().not_there = 100;
    let mut stream = player.stream(legs[0].ends[3]);
    assert!(error_of(&mut stream).await.is_not_found());
    assert_eq!(asked(&player), ["resume after 4", "run"]);
}

#[tokio::test]
async fn a_run_that_cannot_be_told_from_others_is_an_error_that_names_them() {
    let legs = answer().await;
    let run = legs[0].states[0].run.clone();
    let ambiguous = async |player: Player| {
        let error = cut_at_once(&player).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(asked(&player), ["newest runs"]);
        error.message().replace(&run.id, "RUN").replace(&run.thread_id, "THREAD")
    };
    // Two at the same time.
    let player = Player::new(&legs);
    player.playing().list_run();
    player.playing().newest[1].created_at = run.created_at;
    player.playing().newest[1].completed_at = Some(run.created_at);
    insta::assert_snapshot!(
        ambiguous(player).await,
        @"the stream was cut before it told its run, which has been made on THREAD and cannot be told from others there: RUN, run_other; retrieve them to see which it is before you create another"
    );
    // Nothing says when this one was made.
    let player = Player::new(&legs);
    player.playing().list_run();
    player.playing().head.remove(DATE);
    player.playing().newest[1].assistant_id = None;
    insta::assert_snapshot!(
        ambiguous(player).await,
        @"the stream was cut before it told its run, which has been made on THREAD and cannot be told from others there: RUN; retrieve them to see which it is before you create another"
    );
}

#[tokio::test]
async fn a_run_that_is_not_listed_yet_is_looked_for_again() {
    let legs = answer().await;
    let player = Player::new(&legs);
    let error = cut_at_once(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(asked(&player), ["newest runs"; 6]);

    // The older ones are none of it.
    let player = Player::new(&legs);
    player.playing().list_run();
    let mut older = player.playing().newest.remove(1);
    player.playing().newest = vec![older.clone()];
    let error = cut_at_once(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    older.id = "run_older".to_owned();
    player.playing().newest.push(older);
    let error = cut_at_once(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn a_thread_that_nothing_names_cannot_be_found() {
    let legs = with_thread().await;
    for cut in 0..legs[0].ends[0] {
        let player = Player::new(&legs);
        player.playing().list_run();
        let error = error_of(&mut player.stream(cut)).await;
        assert_eq!(error.kind(), ErrorKind::Connection, "{cut}");
        assert!(error.message().contains("may have been made"), "{error}");
        assert_eq!(asked(&player), Vec::<String>::new());
    }
}
