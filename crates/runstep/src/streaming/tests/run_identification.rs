//! Identifies the run of a stream whose connection was lost before the first run event.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{CONTENT_LOCATION, DATE};
use runstep_api::types::RunStatus;
use runstep_server::model::Turn;

use super::errors_and_limits::{answer, final_error};
use super::recording::{Player, RecordedSegment, record_with_thread, settings};
use crate::error::{Error, ErrorKind};
use crate::streaming::StreamEnd;
use crate::streaming::settings::StreamSettings;

async fn with_thread() -> Vec<RecordedSegment> {
    let segments = record_with_thread(vec![Turn::chunks(["It ", "is"])]).await;
    tokio::time::pause();
    segments
}

fn requests(player: &Player) -> Vec<String> {
    player.server().requests.clone()
}

/// Loses the connection immediately, and returns the id of the identified run.
async fn identify(player: &Player) -> Result<String, Error> {
    let mut stream = player.stream(0);
    match stream.final_run().await {
        Ok(run) => Ok(run.id),
        Err(error) => {
            assert_eq!(stream.end(), Some(StreamEnd::ConnectionLost));
            Err(error)
        }
    }
}

#[tokio::test]
async fn content_location_names_the_run() {
    let segments = answer().await;
    let run_id = segments[0].states[0].run.id.clone();
    let player = Player::new(&segments);
    player.server().set_content_location();
    let mut stream = player.stream(0);
    // The run is named, but no event was received.
    assert_eq!(stream.run(), None);
    assert_eq!(stream.final_run().await.unwrap().id, run_id);
    assert_eq!(requests(&player)[..2], ["run", "steps"]);

    // Without `reconnect`, the error names the run.
    let player = Player::new(&segments);
    player.server().set_content_location();
    let settings = StreamSettings { reconnect: false, ..settings() };
    let error = final_error(&mut player.stream_with(0, settings)).await;
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.message().contains(&run_id), "{error}");
    assert_eq!(requests(&player), Vec::<String>::new());
}

#[tokio::test]
async fn invalid_content_location_is_ignored() {
    let segments = answer().await;
    let run = &segments[0].states[0].run;
    let (thread_id, run_id) = (&run.thread_id, &run.id);
    let long = "1".repeat(300);
    for location in [
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
        let player = Player::new(&segments);
        player.server().set_date_and_list();
        player.server().headers.insert(CONTENT_LOCATION, location.parse().unwrap());
        assert_eq!(identify(&player).await.unwrap(), *run_id, "{location}");
        assert_eq!(requests(&player)[0], "newest runs", "{location}");
    }
}

#[tokio::test]
async fn run_event_takes_precedence_over_content_location() {
    let segments = answer().await;
    let run = &segments[0].states[0].run;
    let player = Player::new(&segments);
    let other = format!("/v1/threads/{}/runs/run_other", run.thread_id);
    player.server().headers.insert(CONTENT_LOCATION, other.parse().unwrap());
    let settings = || StreamSettings { cancel_on_drop: true, ..settings() };
    let mut stream = player.stream_with(segments[0].ends[0], settings());
    stream.try_next().await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.server().cancelled, std::slice::from_ref(&run.id));
}

#[tokio::test]
async fn thread_event_takes_precedence_over_content_location() {
    let segments = with_thread().await;
    let player = Player::new(&segments);
    player.server().set_date_and_list();
    let other = "/v1/threads/thread_other/runs/run_other";
    player.server().headers.insert(CONTENT_LOCATION, other.parse().unwrap());
    let mut stream = player.stream(segments[0].ends[0]);
    assert_eq!(stream.final_run().await.unwrap().id, segments[0].states[0].run.id);
    assert_eq!(requests(&player)[0], "newest runs");
}

#[tokio::test]
async fn named_run_is_cancelled_on_drop_before_its_first_event() {
    let segments = answer().await;
    let player = Player::new(&segments);
    player.server().set_content_location();
    let settings = StreamSettings { cancel_on_drop: true, ..settings() };
    drop(player.stream_with(0, settings));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(player.server().cancelled, [segments[0].states[0].run.id.clone()]);
}

#[tokio::test]
async fn only_run_of_the_thread_is_identified() {
    let segments = answer().await;
    let player = Player::new(&segments);
    let run = segments[0].states[0].run.clone();
    player.server().newest_runs = vec![run.clone()];
    assert_eq!(identify(&player).await.unwrap(), run.id);
    assert_eq!(requests(&player)[0], "newest runs");
}

/// The list of runs may be older than the steps that are fetched after it.
#[tokio::test]
async fn events_of_a_run_that_was_listed_as_queued_are_in_order() {
    let segments = answer().await;
    let player = Player::new(&segments);
    player.server().newest_runs = vec![segments[0].states[0].run.clone()];
    let (mut stream, mut names) = (player.stream(0), Vec::new());
    while let Some(event) = stream.try_next().await.unwrap() {
        names.push(event.event().to_owned());
    }
    let mut expected: Vec<_> =
        segments[0].events.iter().map(|event| event.event().to_owned()).collect();
    expected.dedup();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn run_is_identified_by_assistant_and_time() {
    let segments = answer().await;
    let player = Player::new(&segments);
    let run = segments[0].states[0].run.clone();
    player.server().set_date_and_list();
    let mut others = run.clone();
    others.id = "run_of_another_assistant".to_owned();
    others.assistant_id = Some("asst_other".to_owned());
    player.server().newest_runs.insert(0, others);
    assert_eq!(identify(&player).await.unwrap(), run.id);

    // The clocks may differ if the run had not ended when the request was sent.
    for (created, completed) in [(-58, Some(4)), (-58, None), (-1, Some(0))] {
        let player = Player::new(&segments);
        player.server().set_date_and_list();
        {
            let mut server = player.server();
            let newest = &mut server.newest_runs[0];
            newest.created_at = run.created_at.map(|time| time + created);
            newest.completed_at = completed.map(|after| run.created_at.unwrap() + after);
            if completed.is_none() {
                newest.status = RunStatus::InProgress;
            }
        }
        assert_eq!(identify(&player).await.unwrap(), run.id, "{created}, {completed:?}");
    }
}

/// The older run was created and ended this many seconds before the run.
#[tokio::test]
async fn run_that_ended_before_the_request_is_not_identified() {
    let segments = answer().await;
    let run = segments[0].states[0].run.clone();
    for (created, ended, status) in [
        (30, 25, RunStatus::Completed),
        (30, 1, RunStatus::Completed),
        (5, 0, RunStatus::Completed),
        (30, 2, RunStatus::Failed),
        (30, 2, RunStatus::Cancelled),
        (30, 2, RunStatus::Expired),
        // This run has no time at which it ended.
        (30, -100, RunStatus::Incomplete),
    ] {
        let player = Player::new(&segments);
        player.server().set_date_and_list();
        let ended_at = (ended >= 0).then_some(run.created_at.unwrap() - ended);
        let older = {
            let older = &mut player.server().newest_runs[1];
            older.created_at = run.created_at.map(|time| time - created);
            let at = |is: RunStatus| ended_at.filter(|_| status == is);
            older.completed_at = at(RunStatus::Completed);
            older.failed_at = at(RunStatus::Failed);
            older.cancelled_at = at(RunStatus::Cancelled);
            older.expires_at = at(RunStatus::Expired);
            older.status = status.clone();
            older.clone()
        };
        assert_eq!(identify(&player).await.unwrap(), run.id, "{status} {ended}");

        // The same if the run is not listed yet.
        player.server().newest_runs = vec![older];
        player.server().requests.clear();
        let error = identify(&player).await.unwrap_err();
        assert_eq!(requests(&player), ["newest runs"; 6], "{status} {ended}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                error.message().replace(&run.thread_id, "THREAD"),
                @"the connection was lost before the first run event; the run was created, but is not listed on THREAD yet (the newest run of the assistant, run_other, is older); list the runs before you create another"
            );
        }
    }
}

#[tokio::test]
async fn time_until_the_response_is_subtracted_from_its_date() {
    let segments = answer().await;
    let run = segments[0].states[0].run.clone();
    let player = Player::new(&segments);
    player.server().set_date_and_list();
    let date =
        UNIX_EPOCH + Duration::from_secs(u64::try_from(run.created_at.unwrap()).unwrap() + 75);
    let date = httpdate::fmt_http_date(date).parse().unwrap();
    player.server().headers.insert(DATE, date);
    player.server().elapsed = Duration::from_millis(75_300);
    player.server().newest_runs[1].created_at = run.created_at.map(|time| time - 40);
    player.server().newest_runs[1].completed_at = run.created_at.map(|time| time - 10);
    assert_eq!(identify(&player).await.unwrap(), run.id);

    // With a fast response the run is too old.
    player.server().elapsed = Duration::from_millis(300);
    assert_eq!(identify(&player).await.unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn without_a_date_only_an_active_run_is_identified() {
    let segments = answer().await;
    let run = segments[0].states[0].run.clone();
    for (status, age, is_identified) in [
        (RunStatus::Completed, 24 * 60 * 60, false),
        (RunStatus::Completed, 0, false),
        (RunStatus::Queued, 0, true),
        (RunStatus::InProgress, 0, true),
        (RunStatus::RequiresAction, 0, true),
    ] {
        let player = Player::new(&segments);
        let mut listed = segments[0].states.last().unwrap().run.clone();
        listed.created_at = listed.created_at.map(|time| time - age);
        listed.completed_at = listed.completed_at.map(|time| time - age);
        listed.status = status.clone();
        player.server().newest_runs = vec![listed];
        match identify(&player).await {
            Ok(found) => assert!(is_identified && found == run.id, "{status}"),
            Err(error) => {
                assert!(!is_identified, "{status}: {error}");
                assert_eq!(error.kind(), ErrorKind::Decode);
                assert!(error.message().contains(&run.id), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn named_run_that_is_not_visible_yet_is_fetched_again() {
    let segments = answer().await;
    let run = segments[0].states[0].run.clone();
    let player = Player::new(&segments);
    player.server().set_content_location();
    player.server().missing_fetches = 5;
    assert_eq!(identify(&player).await.unwrap(), run.id);
    assert_eq!(requests(&player)[..7], ["run", "run", "run", "run", "run", "run", "steps"]);

    let player = Player::new(&segments);
    player.server().set_content_location();
    player.server().missing_fetches = 100;
    let error = identify(&player).await.unwrap_err();
    assert_eq!(requests(&player), ["run"; 6]);
    insta::assert_snapshot!(
        error.message().replace(&run.id, "RUN").replace(&run.thread_id, "THREAD"),
        @"the connection was lost before the first run event; the response names the run RUN, but it is not visible on THREAD yet; retrieve it before you create another run"
    );

    // A run that was confirmed by an event and is gone is an error.
    let player = Player::new(&segments);
    player.server().missing_fetches = 100;
    let mut stream = player.stream(segments[0].ends[3]);
    assert!(final_error(&mut stream).await.is_not_found());
    assert_eq!(requests(&player), ["resume after 4", "run"]);
}

#[tokio::test]
async fn ambiguous_run_is_an_error_that_lists_the_candidates() {
    let segments = answer().await;
    let run = segments[0].states[0].run.clone();
    let ambiguous = async |player: Player| {
        let error = identify(&player).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(requests(&player), ["newest runs"]);
        error.message().replace(&run.id, "RUN").replace(&run.thread_id, "THREAD")
    };
    // Two runs at the same time.
    let player = Player::new(&segments);
    player.server().set_date_and_list();
    player.server().newest_runs[1].created_at = run.created_at;
    player.server().newest_runs[1].completed_at = run.created_at;
    insta::assert_snapshot!(
        ambiguous(player).await,
        @"the connection was lost before the first run event; the run was created on THREAD, but cannot be identified with certainty; candidates: RUN, run_other; retrieve them before you create another run"
    );
    // The response has no date.
    let player = Player::new(&segments);
    player.server().set_date_and_list();
    player.server().headers.remove(DATE);
    player.server().newest_runs[1].assistant_id = None;
    insta::assert_snapshot!(
        ambiguous(player).await,
        @"the connection was lost before the first run event; the run was created on THREAD, but cannot be identified with certainty; candidates: RUN; retrieve them before you create another run"
    );
}

#[tokio::test]
async fn run_that_is_not_listed_yet_is_fetched_again() {
    let segments = answer().await;
    let player = Player::new(&segments);
    let error = identify(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert_eq!(requests(&player), ["newest runs"; 6]);

    // Older runs do not match.
    let player = Player::new(&segments);
    player.server().set_date_and_list();
    let mut older = player.server().newest_runs.remove(1);
    player.server().newest_runs = vec![older.clone()];
    let error = identify(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    older.id = "run_older".to_owned();
    player.server().newest_runs.push(older);
    let error = identify(&player).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
}

#[tokio::test]
async fn new_thread_without_content_location_is_an_error() {
    let segments = with_thread().await;
    for length in 0..segments[0].ends[0] {
        let player = Player::new(&segments);
        player.server().set_date_and_list();
        let error = final_error(&mut player.stream(length)).await;
        assert_eq!(error.kind(), ErrorKind::Connection, "{length}");
        assert!(error.message().contains("may have been created"), "{error}");
        assert_eq!(requests(&player), Vec::<String>::new());
    }
}
