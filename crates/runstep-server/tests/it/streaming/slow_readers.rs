//! Keep-alive comments, slow subscribers and disconnected readers.

use std::time::Duration;

use axum::body::to_bytes;
use axum::http::Method;
use runstep_server::model::{Offline, Turn};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::harness::{Fixture, Frame, delta_text, event_names, final_run, run_pending_tasks};

#[tokio::test(start_paused = true)]
async fn keep_alive_comment_is_sent_every_fifteen_seconds() {
    let turn = Turn::text("It is sunny.").initial_delay(Duration::from_secs(40));
    let fixture = Fixture::with_turns([turn], &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    stream.read_until("thread.run.in_progress").await;
    assert!(timeout(Duration::from_secs(14), stream.next_frame()).await.is_err(), "too soon");
    let second = timeout(Duration::from_secs(2), stream.next_frame()).await;
    assert_eq!(second.expect("too late"), Some(Frame::Comment));
    let third = timeout(Duration::from_secs(16), stream.next_frame()).await;
    assert_eq!(third.expect("too late"), Some(Frame::Comment));
    assert_eq!(final_run(&stream.read_to_end().await)["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn keep_alive_comment_does_not_form_an_empty_event() {
    let turn = Turn::text("It is sunny.").initial_delay(Duration::from_secs(20));
    let fixture = Fixture::with_turns([turn], &[]).await;
    let body = fixture.run_body(json!({"stream": true})).to_string();
    let response = fixture.client.send(Method::POST, &fixture.runs_path(), body.into()).await;
    let bytes = to_bytes(response.into_body(), 100_000).await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert_eq!(text.matches("\n:\n").count(), 1);
    // Clients that remember the last `id:` dispatch an event at every blank line.
    for event in text.trim_end().split("\n\n") {
        assert!(event.contains("\ndata: "), "{event:?} has no data");
    }
}

#[tokio::test(start_paused = true)]
async fn run_continues_after_its_reader_disconnects() {
    let model = Offline::new().chunk_interval(Duration::from_secs(1));
    let fixture = Fixture::with_model(model, &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let start = stream.read_until("thread.message.delta").await;
    drop(stream);
    let run = fixture.wait_for_run(&start[0].data).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(fixture.message_texts().await[1], "You said: \"Hello there\"");
}

#[tokio::test(start_paused = true)]
async fn slow_reader_delays_neither_cancel_nor_expiry() {
    // Around the number of events that may be pending for a reader.
    for count in 235..=255 {
        for expire in [false, true] {
            let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
            let fixture = Fixture::with_turns([turn], &["weather"]).await;
            let stream = fixture.open_run_stream(json!({})).await;
            run_pending_tasks().await;
            let run = fixture.newest_run().await;
            if expire {
                sleep(Duration::from_secs(601)).await;
            } else {
                fixture.cancel_run(&run).await.ok();
            }
            let ended = timeout(Duration::from_secs(60), fixture.wait_for_run(&run)).await;
            let status = if expire { "expired" } else { "cancelled" };
            assert_eq!(ended.expect("the run does not end")["status"], status, "{count}");
            drop(stream);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn slow_reader_receives_requires_action_after_outputs_were_submitted() {
    // Around the number of events that may be pending for a reader.
    for count in 235..=255 {
        let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
        let fixture = Fixture::with_turns([turn, Turn::text("Sunny.")], &["weather"]).await;
        let stream = fixture.open_run_stream(json!({})).await;
        run_pending_tasks().await;
        let run = fixture.newest_run().await;
        if run["status"] == "requires_action" {
            fixture.submit_outputs(&run, &["sun"]).await;
            assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
        }
        let last = final_run(&stream.read_to_end().await);
        assert_eq!(last["status"], "requires_action", "{count}");
        assert!(last["required_action"].is_object(), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn run_waits_thirty_seconds_for_a_slow_reader_and_continues() {
    let words = vec!["word "; 1000];
    let fixture = Fixture::with_turns([Turn::chunks(words)], &[]).await;
    let stream = fixture.open_run_stream(json!({})).await;
    sleep(Duration::from_secs(29)).await;
    let run = fixture.newest_run().await;
    assert_eq!(run["status"], "in_progress");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "completed");
    assert_eq!(
        final_run(&stream.read_to_end().await)["status"],
        "completed",
        "all events are retained so far"
    );
}

#[tokio::test(start_paused = true)]
async fn reader_behind_the_events_in_memory_receives_all_events() {
    // More than the memory for the events of a run.
    let turn = Turn::chunks(vec!["x".repeat(10_000); 200]);
    let fixture = Fixture::with_turns([turn], &[]).await;
    let stream = fixture.open_run_stream(json!({})).await;
    sleep(Duration::from_secs(40)).await;
    assert_eq!(fixture.newest_run().await["status"], "completed");
    let events = stream.read_to_end().await;
    assert!(events.iter().map(|event| event.id).eq((1..=events.len() as u64).map(Some)));
    assert_eq!(delta_text(&events).len(), 2_000_000);
    final_run(&events);
}

#[tokio::test(start_paused = true)]
async fn reader_whose_events_were_deleted_receives_an_error() {
    let turn = Turn::chunks(vec!["x".repeat(10_000); 200]).and_stall();
    let fixture = Fixture::with_turns([turn], &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    stream.read_until("thread.run.created").await;
    sleep(Duration::from_secs(40)).await;
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let events = stream.read_to_end().await;
    let names = event_names(&events);
    assert_eq!(names[names.len() - 2..], ["error", "done"]);
    let error = &events[events.len() - 2];
    let message = "The stream ended because its events were not read in time.";
    assert_eq!(error.data["error"]["message"], message);
    assert_eq!(error.id, None, "the error is not an event of the run");
}

#[tokio::test(start_paused = true)]
async fn slow_reader_loses_no_retained_events() {
    let words = vec!["word "; 1000];
    let fixture = Fixture::with_turns([Turn::chunks(words.clone())], &[]).await;
    let stream = fixture.open_run_stream(json!({})).await;
    sleep(Duration::from_secs(60)).await;
    let events = stream.read_to_end().await;
    assert_eq!(delta_text(&events), words.concat());
    final_run(&events);
}
