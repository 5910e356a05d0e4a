//! Streams against the whole server: the events of a run, its snapshots, and the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "stream/proxy.rs"]
mod proxy;
#[path = "stream/scene.rs"]
mod scene;

use std::time::Duration;

use proxy::Proxy;
use runstep::prelude::*;
use runstep::types::{StreamEvent, ToolOutput};
use runstep::{Client, ErrorKind, RunEvent, RunStream, RunStreamEnd};
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, Server};
use scene::{Scene, calls, lines, outputs};
use serde_json::json;

#[tokio::test]
async fn an_answer() {
    let scene = Scene::new([Turn::say("It is sunny.")]).await;
    let mut events = scene.stream().await;
    assert_eq!((events.end(), events.run()), (None, None));
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    scene.assert_same(&events).await;
    assert!(events.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_tool_call_in_one_stream_of_two_legs() {
    let weather = Turn::call("get_weather", json!({"city": "Paris"}));
    let scene = Scene::new([weather, Turn::say("Sunny.")]).await;
    let mut events = scene.stream().await;
    insta::assert_snapshot!("a_tool_call", lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::RequiresAction));
    scene.assert_same(&events).await;
    events.submit_tool_outputs(outputs(&events)).await.unwrap();
    assert_eq!(events.end(), None);
    insta::assert_snapshot!("a_tool_call_answered", lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    scene.assert_same(&events).await;
    assert_eq!((events.messages().len(), events.steps().len()), (1, 2));
}

#[tokio::test]
async fn calls_in_parallel() {
    let calls = Turn::say("Let me see.").and_call("get_weather", json!({"city": "Paris"}));
    let scene = Scene::new([calls.and_call("get_time", json!({})), Turn::say("Noon.")]).await;
    let mut events = scene.stream().await;
    insta::assert_snapshot!("parallel_calls", lines(&mut events).await);
    scene.assert_same(&events).await;
    assert_eq!(self::calls(&events).len(), 2);
    events.submit_tool_outputs(outputs(&events)).await.unwrap();
    events.final_run().await.unwrap();
    scene.assert_same(&events).await;
}

#[tokio::test]
async fn a_failure() {
    let scene =
        Scene::new([Turn::say("It is").and_fail(ModelErrorKind::RateLimit, "Slow down.")]).await;
    let mut events = scene.stream().await;
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Failed));
    scene.assert_same(&events).await;
}

#[tokio::test]
async fn a_token_limit() {
    let scene = Scene::new([Turn::say("It is").token_limit()]).await;
    let mut events = scene.stream().await;
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Incomplete));
    scene.assert_same(&events).await;
}

#[tokio::test]
async fn a_cancel() {
    let scene = Scene::new([Turn::say("It is").and_stall()]).await;
    let mut events = scene.stream().await;
    let mut told = scene::Lines::default();
    while let Some(event) = events.try_next().await.unwrap() {
        told.push(&event);
        if events.messages().first().is_some_and(|message| message.text() == "It is")
            && matches!(event, RunEvent::MessageDelta(_))
        {
            scene.runs.cancel(&events.run().unwrap().id).await.unwrap();
        }
    }
    insta::assert_snapshot!(told.text());
    assert_eq!(events.end(), Some(RunStreamEnd::Cancelled));
    scene.assert_same(&events).await;
}

#[tokio::test]
async fn an_expiry() {
    let model = Scripted::new([Turn::say("It is").and_stall()]);
    let server = Server::builder().model(model).run_lifetime(Duration::from_secs(1));
    let scene = Scene::of(server.spawn().await.unwrap()).await;
    let mut events = scene.stream().await;
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Expired));
    scene.assert_same(&events).await;
}

#[tokio::test]
async fn a_thread_made_with_its_run() {
    let scene = Scene::new([Turn::say("Hi.")]).await;
    let request = scene.client.threads().create_and_run(&scene.assistant_id).user_message("Hello");
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
}

#[tokio::test]
async fn outputs_submitted_apart_have_a_stream_of_their_own() {
    let scene = Scene::new([Turn::call("get_time", json!({})), Turn::say("Noon.")]).await;
    let run = scene.create().and_poll().await.unwrap();
    let call = &run.function_calls()[0].id;
    let submit = scene.runs.submit_tool_outputs(&run.id).output(call, "12:00");
    let mut events = submit.stream().await.unwrap();
    insta::assert_snapshot!(lines(&mut events).await);
    assert_eq!(events.run().unwrap().status, "completed");
}

#[tokio::test]
async fn the_text_alone() {
    let scene = Scene::new([Turn::say("It is sunny.")]).await;
    let mut events = scene.stream().await;
    let mut texts = events.text_deltas();
    let mut told = Vec::new();
    while let Some(text) = texts.try_next().await.unwrap() {
        told.push(text);
    }
    assert_eq!(told, ["It ", "is ", "sunny."]);
    assert_eq!(events.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn all_at_once() {
    let scene = Scene::new([Turn::say("It is sunny.")]).await;
    let told = scene.stream().await.collect().await.unwrap();
    assert_eq!((told.run.status.as_str(), told.end), ("completed", RunStreamEnd::Completed));
    assert_eq!((told.messages[0].text().as_str(), told.steps.len()), ("It is sunny.", 1));
}

#[tokio::test]
async fn snapshots_grow_with_the_events() {
    let scene = Scene::new([Turn::chunks(["It ", "is ", "sunny."])]).await;
    let mut events = scene.stream().await;
    let mut text = String::new();
    while let Some(event) = events.try_next().await.unwrap() {
        if let StreamEvent::MessageDelta(delta) = &event {
            text.push_str(&delta.text());
            assert_eq!(events.messages()[0].text(), text);
        }
    }
    assert_eq!(text, "It is sunny.");
}

#[tokio::test]
async fn a_refused_request_is_an_error_before_there_is_a_stream() {
    let scene = Scene::new([Turn::stall(), Turn::stall()]).await;
    let _first = scene.stream().await;
    let error = scene.open().await.unwrap_err();
    assert!(error.is_active_run(), "{error}");
    let error = scene.runs.submit_tool_outputs("run_1").outputs([ToolOutput::default()]);
    assert_eq!(error.stream().await.unwrap_err().kind(), ErrorKind::Api);
}

/// The run goes on when its stream is dropped, and is cancelled when told to.
#[tokio::test]
async fn a_dropped_stream_and_its_run() {
    for (cancel, status) in [(false, "completed"), (true, "cancelled")] {
        let slow = Turn::chunks(["It ", "is ", "sunny."]).every(Duration::from_millis(100));
        let scene = Scene::new([slow]).await;
        let mut events = scene.open().cancel_on_drop(cancel).await.unwrap();
        while events.messages().is_empty() {
            events.try_next().await.unwrap().unwrap();
        }
        let run_id = events.run().unwrap().id.clone();
        drop(events);
        assert_eq!(scene.runs.poll(&run_id).await.unwrap().status, status);
    }
}

/// What may be held across threads, and how much room it takes.
#[test]
fn a_stream_is_send_and_small() {
    fn is_send(_: &(impl Send + Unpin)) {}
    fn check(events: &mut RunStream) {
        is_send(events);
        is_send(&events.text_deltas());
    }
    let _ = check;
    assert!(size_of::<RunStream>() < 2048, "{}", size_of::<RunStream>());
}

/// A line that breaks in the first bytes of the events, before any of them is whole.
#[tokio::test]
async fn a_run_is_found_that_was_not_told() {
    for passed in [1, 2, 17, 60, 100] {
        for makes_thread in [false, true] {
            let what = format!("{passed} bytes, with a thread: {makes_thread}");
            let cut = Fault::cut_after_bytes(passed);
            let cut = cut.on(Operation::CreateRun).on(Operation::CreateThreadAndRun).times(1);
            let model = Scripted::new([Turn::chunks(["It ", "is ", "sunny."])]);
            let server = Server::builder().model(model).faults(Faults::new([cut]));
            let scene = Scene::of(server.spawn().await.unwrap()).await;
            let mut events = match makes_thread {
                false => scene.stream().await,
                true => {
                    let threads = scene.client.threads();
                    let request = threads.create_and_run(&scene.assistant_id);
                    request.user_message("How is it?").stream().await.unwrap()
                }
            };
            let mut names = Vec::new();
            while let Some(event) = events.try_next().await.unwrap() {
                assert!(events.is_recovered() || !names.is_empty(), "{what}");
                names.push(event.event().to_owned());
            }
            names.dedup();
            let begin = if makes_thread { "thread.created" } else { "thread.run.created" };
            assert_eq!(names[0], begin, "{what}");
            assert_eq!(names.len(), if makes_thread { 12 } else { 11 }, "{what}: {names:?}");
            assert_eq!(events.end(), Some(RunStreamEnd::Completed), "{what}");
            let run = events.run().unwrap();
            assert_eq!(events.messages()[0].text(), "It is sunny.", "{what}");
            let runs = scene.client.runs(&run.thread_id);
            let listed = runs.list().await.unwrap().data;
            assert_eq!(listed, std::slice::from_ref(run), "{what}");
            // None was made on the other thread either.
            let others = scene.runs.list().await.unwrap().data.len();
            assert_eq!(others, usize::from(!makes_thread), "{what}");
        }
    }
}

/// The server still has the events, so that nothing need be made up.
#[tokio::test]
async fn a_line_that_breaks_is_taken_up_where_it_broke() {
    // Past the reply's headers and the event that tells the run, and then further on.
    for passed in [1_500, 2_000, 2_777, 4_000, 5_001, 6_500] {
        let scene = Scene::new([Turn::chunks(["It ", "is ", "sunny."])]).await;
        let proxy = Proxy::start(scene.address(), passed).await;
        let client = Client::builder(proxy.base_url()).build().unwrap();
        let request = client.runs(&scene.thread_id).create(&scene.assistant_id);
        let mut events = request.stream().await.unwrap();
        let mut told = scene::Lines::default();
        while let Some(event) = events.try_next().await.unwrap() {
            assert!(!events.is_recovered(), "after {passed}");
            told.push(&event);
        }
        insta::assert_snapshot!("taken_up_again", told.text());
        assert_eq!(events.end(), Some(RunStreamEnd::Completed), "after {passed}");
        scene.assert_same(&events).await;
        assert!(proxy.connections() > 1, "after {passed}");
        assert_eq!(scene.runs.list().await.unwrap().data.len(), 1, "after {passed}");
    }
}
