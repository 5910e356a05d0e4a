//! Streams that were lost are listened to again from any of their events on.

use std::time::Duration;

use crate::harness::{Api, Event, Scene, id, merged, outputs_for};
use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.number.expect("a number")).collect()
}

/// The run that a stream is of.
fn run(events: &[Event]) -> Value {
    let event = events.iter().find(|event| event.data["object"] == "thread.run").unwrap();
    event.data.clone()
}

/// What a request to listen again to a run is answered with when it is not a stream.
async fn answered(scene: &Scene, run: &Value, after: &str) -> Value {
    let api = scene.api.with("accept", "text/event-stream").with("last-event-id", after);
    api.get(&scene.run_path(run, "")).await.ok()
}

/// A run that calls a function and then answers, streamed both times.
async fn two_legs() -> (Scene, Vec<Event>, Vec<Event>) {
    let turns = [
        Turn::say("Look.").and_call("weather", json!({"city": "Paris"})),
        Turn::say("It is sunny."),
    ];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let first = scene.stream(json!({})).await;
    let waiting = &first[first.len() - 2].data;
    let body = merged(outputs_for(waiting, &["sun"]), json!({"stream": true}));
    let path = scene.run_path(waiting, "/submit_tool_outputs");
    let second = scene.api.stream(&path, body).await;
    (scene, first, second)
}

#[tokio::test(start_paused = true)]
async fn events_are_numbered_within_their_run() {
    let (_, first, second) = two_legs().await;
    let all = [numbers(&first), numbers(&second)].concat();
    assert!(all.iter().copied().eq(1..=all.len() as u64), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn after_each_event_come_exactly_those_that_followed_it_in_its_stream() {
    let (scene, first, second) = two_legs().await;
    let path = scene.run_path(&run(&first), "");
    for leg in [first, second] {
        for (index, event) in leg.iter().enumerate() {
            if event.name == "done" {
                continue;
            }
            let rest = scene.api.resume(&path, event.number.unwrap()).await.rest().await;
            assert_eq!(rest, leg[index + 1..], "after {}", event.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_resumed_goes_on_live_to_the_same_end() {
    let turn = Turn::chunks(["a", "b", "c", "d"]).every(Duration::from_secs(20));
    let scene = Api::scripted([turn]).scene(&[]).await;
    let mut lost = scene.listen(json!({})).await;
    let mut heard = lost.until("thread.message.delta").await;
    drop(lost);
    let path = scene.run_path(&run(&heard), "");
    for _ in 0..2 {
        let mut again = scene.api.resume(&path, heard.last().unwrap().number.unwrap()).await;
        heard.extend(again.until("thread.message.delta").await);
    }
    heard.extend(scene.api.resume(&path, heard.last().unwrap().number.unwrap()).await.rest().await);
    assert!(numbers(&heard).into_iter().eq(1..=heard.len() as u64));
    let names = crate::harness::names(&heard);
    assert_eq!(names[names.len() - 2..], ["run.completed", "done"]);
    assert_eq!(names.iter().filter(|name| **name == "message.delta").count(), 4);
}

#[tokio::test(start_paused = true)]
async fn several_can_listen_to_one_run() {
    let turn = Turn::say("It is sunny.").every(Duration::from_secs(1));
    let scene = Api::scripted([turn]).scene(&[]).await;
    let mut first = scene.listen(json!({})).await;
    let heard = first.until("thread.run.in_progress").await;
    let path = scene.run_path(&run(&heard), "");
    let second = scene.api.resume(&path, 3).await;
    let (first, second) = tokio::join!(first.rest(), second.rest());
    assert_eq!(first, second);
}

#[tokio::test(start_paused = true)]
async fn without_more_to_hear_the_run_is_the_answer() {
    let (scene, first, second) = two_legs().await;
    let run = run(&first);
    let expected = scene.get_run(&run).await;
    let last = second.last().unwrap().number.unwrap();
    for after in [&last.to_string(), &(last + 1).to_string(), "18446744073709551615", "", "x", "-1"]
    {
        assert_eq!(answered(&scene, &run, after).await, expected, "{after}");
    }
    // After the end of the first leg comes the second.
    let after = first.last().unwrap().number.unwrap();
    let rest = scene.api.resume(&scene.run_path(&run, ""), after).await.rest().await;
    assert_eq!(rest, second);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_asked_for_by_both_headers() {
    let (scene, first, _) = two_legs().await;
    let path = scene.run_path(&run(&first), "");
    let expected = scene.api.get(&path).await.ok();
    let stream = "text/event-stream";
    for api in [
        scene.api.with("accept", stream),
        scene.api.with("last-event-id", "1"),
        scene.api.with("accept", "application/json").with("last-event-id", "1"),
        scene.api.with("accept", "*/*").with("last-event-id", "1"),
    ] {
        assert_eq!(api.get(&path).await.ok(), expected);
    }
    let accepted = "application/json;q=0.5, Text/Event-Stream;q=0.9";
    let api = scene.api.with("accept", accepted).with("last-event-id", "1");
    let reply = api.send(axum::http::Method::GET, &path, "".into()).await;
    assert_eq!(reply.headers()["content-type"], stream);
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_for_a_while_after_the_end() {
    let scene = Api::scripted([Turn::say("It is sunny.")]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let run = run(&events);
    let path = scene.run_path(&run, "");
    sleep(Duration::from_secs(55)).await;
    assert_eq!(scene.api.resume(&path, 1).await.rest().await, events[1..]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(answered(&scene, &run, "1").await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_outputs_keeps_its_events_as_long_as_it_waits() {
    let scene = Api::scripted([Turn::call("weather", json!({}))]).scene(&["weather"]).await;
    let events = scene.stream(json!({})).await;
    sleep(Duration::from_secs(500)).await;
    let path = scene.run_path(&run(&events), "");
    assert_eq!(scene.api.resume(&path, 2).await.rest().await, events[2..]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_streamed_has_no_events() {
    let scene = Api::scripted([Turn::say("Hi.")]).scene(&[]).await;
    let run = scene.play(json!({})).await;
    assert_eq!(answered(&scene, &run, "0").await, run);
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_was_not_streamed_can_be_heard_when_an_earlier_one_was() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let events = scene.stream(json!({})).await;
    let waiting = &events[events.len() - 2].data;
    scene.submit(waiting, &["sun"]).await;
    let after = events.last().unwrap().number.unwrap();
    let rest = scene.api.resume(&scene.run_path(waiting, ""), after).await.rest().await;
    assert_eq!(crate::harness::names(&rest)[..2], ["run.step.completed", "run.queued"]);
    assert_eq!(rest.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn only_a_leg_that_is_streamed_begins_to_keep_events() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Sunny.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let waiting = scene.play(json!({})).await;
    let body = merged(outputs_for(&waiting, &["sun"]), json!({"stream": true}));
    let path = scene.run_path(&waiting, "/submit_tool_outputs");
    let events = scene.api.stream(&path, body).await;
    assert_eq!(numbers(&events)[0], 1);
    let rest = scene.api.resume(&scene.run_path(&waiting, ""), 1).await.rest().await;
    assert_eq!(rest, events[1..]);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_stream_takes_a_place_like_any_other() {
    let turns = [Turn::say("Hi."), Turn::stall()];
    let builder = Server::builder().model(Scripted::new(turns)).max_open_streams(1);
    let scene = Api::built(builder).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let other = scene.api.scene(&[]).await;
    let stream = other.listen(json!({})).await;
    let api = scene.api.with("accept", "text/event-stream").with("last-event-id", "1");
    let path = scene.run_path(&run(&events), "");
    assert_eq!(api.get(&path).await.refused(429)["code"], "rate_limit_exceeded");
    drop(stream);
    assert_eq!(scene.api.resume(&path, 1).await.rest().await, events[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_not_listened_to() {
    let scene = Api::scripted([Turn::say("Hi.")]).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    let run = run(&events);
    let api = scene.api.with("accept", "text/event-stream").with("last-event-id", "1");
    let error = api.get(&format!("{}/run_x", scene.runs())).await.refused(404);
    assert_eq!(error["message"], "No run found with id 'run_x'.");
    scene.api.delete(&scene.thread_path()).await.ok();
    let error = api.get(&scene.run_path(&run, "")).await.refused(404);
    assert_eq!(
        error["message"],
        format!("No thread found with id '{}'.", id(&json!({"id": scene.thread})))
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_told_after_a_cancel_is_told_in_order_and_once() {
    let scene = Api::scripted([Turn::say("It is").and_stall()]).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let mut events = stream.until("thread.message.delta").await;
    let run = run(&events);
    scene.cancel(&run).await.ok();
    events.extend(stream.rest().await);
    let path = scene.run_path(&run, "");
    assert_eq!(scene.api.resume(&path, 1).await.rest().await, events[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_run_that_waited_for_outputs_is_told_too() {
    for cancel in [true, false] {
        let scene = Api::scripted([Turn::call("weather", json!({}))]).scene(&["weather"]).await;
        let events = scene.stream(json!({})).await;
        let run = run(&events);
        let done = events.last().unwrap().number.unwrap();
        assert_eq!(answered(&scene, &run, &done.to_string()).await["status"], "requires_action");
        let expected = if cancel {
            scene.cancel(&run).await.ok();
            vec!["run.cancelling", "run.step.cancelled", "run.cancelled", "done"]
        } else {
            sleep(Duration::from_secs(601)).await;
            vec!["run.step.expired", "run.expired", "done"]
        };
        let rest = scene.api.resume(&scene.run_path(&run, ""), done).await.rest().await;
        assert_eq!(crate::harness::names(&rest), expected);
    }
}
