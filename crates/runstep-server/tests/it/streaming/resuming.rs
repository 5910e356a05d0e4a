//! Resuming a lost stream with `Last-Event-ID`.

use std::time::Duration;

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Event, Fixture, TestClient, event_names};

fn event_ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.expect("an event without id")).collect()
}

/// The run in the first run event.
fn streamed_run(events: &[Event]) -> Value {
    let event = events.iter().find(|event| event.data["object"] == "thread.run").unwrap();
    event.data.clone()
}

/// The run that the server returns when there are no events to resume with.
async fn run_without_events(fixture: &Fixture, run: &Value, after: &str) -> Value {
    let client = fixture.client.resuming_after(after);
    client.get(&fixture.run_path(run, "")).await.ok()
}

/// The events of a run that calls a function and then completes, both executions streamed.
async fn two_executions() -> (Fixture, Vec<Event>, Vec<Event>) {
    let turns = [
        Turn::text("Let me check.").and_call("weather", json!({"city": "Paris"})),
        Turn::text("It is sunny."),
    ];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let first = fixture.stream_run(json!({})).await;
    let waiting = &first[first.len() - 2].data;
    let second = fixture.open_outputs_stream(waiting, &["sun"]).await.read_to_end().await;
    (fixture, first, second)
}

#[tokio::test(start_paused = true)]
async fn event_ids_are_consecutive_within_a_run() {
    let (_, first, second) = two_executions().await;
    let all = [event_ids(&first), event_ids(&second)].concat();
    assert!(all.iter().copied().eq(1..=all.len() as u64), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn resuming_after_any_event_returns_the_remaining_events() {
    let (fixture, first, second) = two_executions().await;
    let path = fixture.run_path(&streamed_run(&first), "");
    for execution in [first, second] {
        for (index, event) in execution.iter().enumerate() {
            if event.name == "done" {
                continue;
            }
            let rest = fixture.client.resumed_events(&path, event.id.unwrap()).await;
            assert_eq!(rest, execution[index + 1..], "after {}", event.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn resumed_stream_continues_live_to_the_end() {
    let turn = Turn::chunks(["a", "b", "c", "d"]).chunk_interval(Duration::from_secs(20));
    let fixture = Fixture::with_turns([turn], &[]).await;
    let mut interrupted = fixture.open_run_stream(json!({})).await;
    let mut received = interrupted.read_until("thread.message.delta").await;
    drop(interrupted);
    let path = fixture.run_path(&streamed_run(&received), "");
    for _ in 0..2 {
        let mut resumed =
            fixture.client.resume_stream(&path, received.last().unwrap().id.unwrap()).await;
        received.extend(resumed.read_until("thread.message.delta").await);
    }
    received
        .extend(fixture.client.resumed_events(&path, received.last().unwrap().id.unwrap()).await);
    assert!(event_ids(&received).into_iter().eq(1..=received.len() as u64));
    let names = event_names(&received);
    assert_eq!(names[names.len() - 2..], ["run.completed", "done"]);
    assert_eq!(names.iter().filter(|name| **name == "message.delta").count(), 4);
}

#[tokio::test(start_paused = true)]
async fn run_can_have_several_readers() {
    let turn = Turn::text("It is sunny.").chunk_interval(Duration::from_secs(1));
    let fixture = Fixture::with_turns([turn], &[]).await;
    let mut first = fixture.open_run_stream(json!({})).await;
    let received = first.read_until("thread.run.in_progress").await;
    let path = fixture.run_path(&streamed_run(&received), "");
    let second = fixture.client.resume_stream(&path, 3).await;
    let (first, second) = tokio::join!(first.read_to_end(), second.read_to_end());
    assert_eq!(first, second);
}

#[tokio::test(start_paused = true)]
async fn resuming_without_later_events_returns_the_run() {
    let (fixture, first, second) = two_executions().await;
    let run = streamed_run(&first);
    let expected = fixture.get_run(&run).await;
    let last = second.last().unwrap().id.unwrap();
    for after in [&last.to_string(), &(last + 1).to_string(), "18446744073709551615", "", "x", "-1"]
    {
        assert_eq!(run_without_events(&fixture, &run, after).await, expected, "{after}");
    }
    // The events of the second execution follow the end of the first.
    let after = first.last().unwrap().id.unwrap();
    let rest = fixture.client.resumed_events(&fixture.run_path(&run, ""), after).await;
    assert_eq!(rest, second);
}

#[tokio::test(start_paused = true)]
async fn resuming_requires_both_headers() {
    let (fixture, first, _) = two_executions().await;
    let path = fixture.run_path(&streamed_run(&first), "");
    let expected = fixture.client.get(&path).await.ok();
    let event_stream = "text/event-stream";
    for client in [
        fixture.client.with_header("accept", event_stream),
        fixture.client.with_header("last-event-id", "1"),
        fixture.client.with_header("accept", "application/json").with_header("last-event-id", "1"),
        fixture.client.with_header("accept", "*/*").with_header("last-event-id", "1"),
    ] {
        assert_eq!(client.get(&path).await.ok(), expected);
    }
    let accept = "application/json;q=0.5, Text/Event-Stream;q=0.9";
    let client = fixture.client.with_header("accept", accept).with_header("last-event-id", "1");
    let response = client.send(axum::http::Method::GET, &path, "".into()).await;
    assert_eq!(response.headers()["content-type"], event_stream);
}

#[tokio::test(start_paused = true)]
async fn events_are_retained_for_a_day_after_the_end() {
    let fixture = Fixture::with_turns([Turn::text("It is sunny.")], &[]).await;
    let events = fixture.stream_run(json!({})).await;
    let run = streamed_run(&events);
    let path = fixture.run_path(&run, "");
    let day = Duration::from_secs(24 * 60 * 60);
    sleep(day - Duration::from_secs(60)).await;
    assert_eq!(fixture.client.resumed_events(&path, 1).await, events[1..]);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(run_without_events(&fixture, &run, "1").await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn events_are_retained_while_a_run_requires_action() {
    let fixture = Fixture::with_turns([Turn::call("weather", json!({}))], &["weather"]).await;
    let events = fixture.stream_run(json!({})).await;
    sleep(Duration::from_secs(500)).await;
    let path = fixture.run_path(&streamed_run(&events), "");
    assert_eq!(fixture.client.resumed_events(&path, 2).await, events[2..]);
}

#[tokio::test(start_paused = true)]
async fn run_that_was_never_streamed_has_all_events() {
    let turn = || Turn::chunks(["a", "b", "c"]).chunk_interval(Duration::from_secs(1));
    let fixture = Fixture::with_turns([turn(), turn()], &[]).await;
    let names = event_names(&fixture.stream_run(json!({})).await).join(" ");
    let run = fixture.create_run(json!({})).await;
    let path = fixture.run_path(&run, "");
    // Followed while the run executes, and after its end.
    let live = fixture.client.resumed_events(&path, 0).await;
    assert_eq!(event_names(&live).join(" "), names);
    assert_eq!(event_ids(&live)[0], 1);
    assert_eq!(fixture.get_run(&run).await["status"], "completed");
    assert_eq!(fixture.client.resumed_events(&path, 0).await, live);
}

#[tokio::test(start_paused = true)]
async fn events_after_a_streamed_execution_are_retained_without_a_stream() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let events = fixture.stream_run(json!({})).await;
    let waiting = &events[events.len() - 2].data;
    fixture.submit_outputs(waiting, &["sun"]).await;
    let after = events.last().unwrap().id.unwrap();
    let rest = fixture.client.resumed_events(&fixture.run_path(waiting, ""), after).await;
    assert_eq!(event_names(&rest)[..2], ["run.step.completed", "run.queued"]);
    assert_eq!(rest.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn event_numbers_continue_after_an_execution_without_a_stream() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    let path = fixture.run_path(&waiting, "");
    let first = fixture.client.resumed_events(&path, 0).await;
    assert_eq!(event_names(&first)[first.len() - 2..], ["run.requires_action", "done"]);
    let second = fixture.open_outputs_stream(&waiting, &["sun"]).await.read_to_end().await;
    let all = [event_ids(&first), event_ids(&second)].concat();
    assert!(all.iter().copied().eq(1..=all.len() as u64), "{all:?}");
    let last = first.last().unwrap().id.unwrap();
    assert_eq!(fixture.client.resumed_events(&path, last).await, second);
}

#[tokio::test(start_paused = true)]
async fn resumed_stream_counts_against_the_stream_limit() {
    let turns = [Turn::text("Hi."), Turn::stall()];
    let builder = Server::builder().model(Scripted::new(turns)).max_open_streams(1);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let events = fixture.stream_run(json!({})).await;
    let other = fixture.client.create_fixture(&[]).await;
    let stream = other.open_run_stream(json!({})).await;
    let client = fixture.client.resuming_after("1");
    let path = fixture.run_path(&streamed_run(&events), "");
    assert_eq!(client.get(&path).await.expect_error(429)["code"], "rate_limit_exceeded");
    drop(stream);
    assert_eq!(fixture.client.resumed_events(&path, 1).await, events[1..]);
}

#[tokio::test(start_paused = true)]
async fn resuming_a_missing_run_is_not_found() {
    let fixture = Fixture::with_turns([Turn::text("Hi.")], &[]).await;
    let events = fixture.stream_run(json!({})).await;
    let run = streamed_run(&events);
    let client = fixture.client.resuming_after("1");
    let path = format!("{}/run_x", fixture.runs_path());
    client.get(&path).await.expect_not_found("run", "run_x");
    fixture.client.delete(&fixture.thread_path()).await.ok();
    let path = fixture.run_path(&run, "");
    client.get(&path).await.expect_not_found("thread", &fixture.thread);
}

#[tokio::test(start_paused = true)]
async fn events_after_a_cancel_are_replayed_in_order_and_once() {
    let fixture = Fixture::with_turns([Turn::text("It is").and_stall()], &[]).await;
    let mut stream = fixture.open_run_stream(json!({})).await;
    let mut events = stream.read_until("thread.message.delta").await;
    let run = streamed_run(&events);
    fixture.cancel_run(&run).await.ok();
    events.extend(stream.read_to_end().await);
    let path = fixture.run_path(&run, "");
    assert_eq!(fixture.client.resumed_events(&path, 1).await, events[1..]);
}

#[tokio::test(start_paused = true)]
async fn end_of_a_run_that_required_action_can_be_streamed() {
    for cancel in [true, false] {
        let fixture = Fixture::with_turns([Turn::call("weather", json!({}))], &["weather"]).await;
        let events = fixture.stream_run(json!({})).await;
        let run = streamed_run(&events);
        let done = events.last().unwrap().id.unwrap();
        assert_eq!(
            run_without_events(&fixture, &run, &done.to_string()).await["status"],
            "requires_action"
        );
        let expected = if cancel {
            fixture.cancel_run(&run).await.ok();
            vec!["run.cancelling", "run.step.cancelled", "run.cancelled", "done"]
        } else {
            sleep(Duration::from_secs(601)).await;
            vec!["run.step.expired", "run.expired", "done"]
        };
        let rest = fixture.client.resumed_events(&fixture.run_path(&run, ""), done).await;
        assert_eq!(event_names(&rest), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_of_other_keys_does_not_remove_retained_events() {
    const ROUNDS: usize = 100;
    let text = "word ".repeat(400);
    let turn = || Turn::chunks(text.split_inclusive(' ').step_by(20).collect::<Vec<_>>());
    let turns: Vec<Turn> = (0..2 * ROUNDS + 2).map(|_| turn()).collect();
    let builder = Server::builder().model(Scripted::new(turns)).api_keys(["first", "second"]);
    let client = TestClient::from_builder(builder);
    let reader = client.with_header("authorization", "Bearer first");
    let reader = reader.create_fixture(&[]).await;
    let streamed = reader.stream_run(json!({})).await;
    let streamed_path = reader.run_path(&streamed_run(&streamed), "");
    let silent = reader.create_run_and_wait(json!({})).await;
    let silent_path = reader.run_path(&silent, "");
    let followed = reader.client.resumed_events(&silent_path, 0).await;
    assert_eq!(followed.len(), streamed.len());
    let other = client.with_header("authorization", "Bearer second").create_fixture(&[]).await;
    // About 2 MB of events.
    for round in 0..ROUNDS {
        other.stream_run(json!({})).await;
        other.create_run_and_wait(json!({})).await;
        let after = round % streamed.len();
        let rest = reader.client.resumed_events(&streamed_path, after as u64).await;
        assert_eq!(rest, streamed[after..]);
        let rest = reader.client.resumed_events(&silent_path, after as u64).await;
        assert_eq!(rest, followed[after..]);
    }
}
