//! Those who listen to runs: in silence, too slowly, or not any more.

use std::time::Duration;

use crate::harness::{Api, Frame, breathe, last_run, names, told};
use axum::body::to_bytes;
use axum::http::Method;
use runstep_server::model::{Offline, Turn};
use serde_json::json;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment_every_fifteen_seconds() {
    let turn = Turn::say("It is sunny.").after(Duration::from_secs(40));
    let scene = Api::scripted([turn]).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    stream.until("thread.run.in_progress").await;
    assert!(timeout(Duration::from_secs(14), stream.frame()).await.is_err(), "too soon");
    let second = timeout(Duration::from_secs(2), stream.frame()).await;
    assert_eq!(second.expect("too late"), Some(Frame::Comment));
    let third = timeout(Duration::from_secs(16), stream.frame()).await;
    assert_eq!(third.expect("too late"), Some(Frame::Comment));
    assert_eq!(last_run(&stream.rest().await)["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_comment_is_no_event_without_data() {
    let turn = Turn::say("It is sunny.").after(Duration::from_secs(20));
    let scene = Api::scripted([turn]).scene(&[]).await;
    let body = scene.body(json!({"stream": true})).to_string();
    let reply = scene.api.send(Method::POST, &scene.runs(), body.into()).await;
    let bytes = to_bytes(reply.into_body(), 100_000).await.unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert_eq!(text.matches("\n:\n").count(), 1);
    // As clients read that remember the last `id:`, and so take each blank line for an event's end.
    for event in text.trim_end().split("\n\n") {
        assert!(event.contains("\ndata: "), "{event:?} has no data");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_nobody_listens_any_more() {
    let model = Offline::new().chunk_interval(Duration::from_secs(1));
    let scene = Api::new(model).scene(&[]).await;
    let mut stream = scene.listen(json!({})).await;
    let start = stream.until("thread.message.delta").await;
    drop(stream);
    let run = scene.settle(&start[0].data).await;
    assert_eq!(run["status"], "completed");
    assert_eq!(scene.texts().await[1], "You said: \"Hello there\"");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_does_not_read_holds_up_neither_a_cancel_nor_an_expiry() {
    // Around as many events as may wait for a listener.
    for count in 235..=255 {
        for expire in [false, true] {
            let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
            let scene = Api::scripted([turn]).scene(&["weather"]).await;
            let stream = scene.listen(json!({})).await;
            breathe().await;
            let list = scene.api.get(&scene.runs()).await.ok();
            let run = list["data"][0].clone();
            if expire {
                sleep(Duration::from_secs(601)).await;
            } else {
                scene.cancel(&run).await.ok();
            }
            let ended = timeout(Duration::from_secs(60), scene.settle(&run)).await;
            let status = if expire { "expired" } else { "cancelled" };
            assert_eq!(ended.expect("no end")["status"], status, "{count}");
            drop(stream);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_is_told_what_its_run_waited_for_although_outputs_have_come() {
    // Around as many events as may wait for a listener.
    for count in 235..=255 {
        let turn = Turn::chunks(vec!["word "; count]).and_call("weather", json!({}));
        let scene = Api::scripted([turn, Turn::say("Sunny.")]).scene(&["weather"]).await;
        let stream = scene.listen(json!({})).await;
        breathe().await;
        let list = scene.api.get(&scene.runs()).await.ok();
        let run = list["data"][0].clone();
        if run["status"] == "requires_action" {
            scene.submit(&run, &["sun"]).await;
            assert_eq!(scene.settle(&run).await["status"], "completed");
        }
        let last = last_run(&stream.rest().await);
        assert_eq!(last["status"], "requires_action", "{count}");
        assert!(last["required_action"].is_object(), "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_half_a_minute_for_a_listener_that_does_not_read_and_goes_on() {
    let words = vec!["word "; 1000];
    let scene = Api::scripted([Turn::chunks(words)]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(29)).await;
    let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
    assert_eq!(run["status"], "in_progress");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.get_run(&run).await["status"], "completed");
    assert_eq!(last_run(&stream.rest().await)["status"], "completed", "all is kept so far");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_too_slow_for_what_is_kept_is_told_so() {
    let turn = Turn::chunks(vec!["x".repeat(10_000); 200]);
    let scene = Api::scripted([turn]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(40)).await;
    let events = stream.rest().await;
    assert_eq!(names(&events), ["error", "done"]);
    let message = "The stream broke off, because its events were not read in time.";
    assert_eq!(events[0].data["error"]["message"], message);
    assert_eq!(events[0].number, None, "it is no event of the run");
    let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
    assert_eq!(run["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_misses_nothing() {
    let words = vec!["word "; 1000];
    let scene = Api::scripted([Turn::chunks(words.clone())]).scene(&[]).await;
    let stream = scene.listen(json!({})).await;
    sleep(Duration::from_secs(60)).await;
    let events = stream.rest().await;
    assert_eq!(told(&events), words.concat());
    last_run(&events);
}
