//! How much the server takes at a time, and what it says when that is exceeded.

use std::time::Duration;

use crate::harness::{Api, Reply, breathe, id, merged, outputs_for};
use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use runstep_server::model::{ConversationItem, Scripted, Turn};
use runstep_server::{Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// Answers, each of which takes a second.
fn slow(count: usize) -> ServerBuilder {
    let turns = (0..count).map(|number| Turn::say(format!("Answer {number}.")).after(SECOND));
    Server::builder().model(Scripted::new(turns))
}

#[track_caller]
fn rate_limited(reply: Reply, why: &str) {
    assert_eq!(reply.header("retry-after"), Some("1"));
    let message = format!("Rate limit reached, because {why}. Please try again in 1 s.");
    let expected = json!({
        "message": message,
        "type": "rate_limit_error",
        "param": null,
        "code": "rate_limit_exceeded",
    });
    assert_eq!(reply.refused(429), expected);
}

/// A run on a thread of its own, on a server where there are other runs.
async fn another(api: &Api) -> (crate::harness::Scene, Value) {
    let scene = api.scene(&["weather"]).await;
    let run = scene.start(json!({})).await;
    (scene, run)
}

#[tokio::test(start_paused = true)]
async fn runs_wait_for_their_turn_in_the_order_in_which_they_came() {
    let api = Api::built(slow(3).max_concurrent_runs(1));
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(another(&api).await);
        breathe().await;
    }
    let statuses = async || {
        let mut statuses = Vec::new();
        for (scene, run) in &runs {
            statuses.push(scene.get_run(run).await["status"].as_str().unwrap().to_owned());
        }
        statuses
    };
    assert_eq!(statuses().await, ["in_progress", "queued", "queued"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed", "in_progress", "queued"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed", "completed", "in_progress"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed"; 3]);
}

#[tokio::test(start_paused = true)]
async fn one_run_too_many_is_refused_and_leaves_nothing_behind() {
    let api = Api::built(slow(3).max_concurrent_runs(1).max_queued_runs(1));
    let runs = [another(&api).await, another(&api).await];
    let scene = api.scene(&[]).await;
    let why = "1 runs are in progress and 1 more wait";
    let message = json!({"additional_messages": [{"role": "user", "content": "More"}]});
    rate_limited(scene.try_start(message).await, why);
    rate_limited(scene.try_start(json!({"stream": true})).await, why);
    let thread = json!({"metadata": {"only": "this"}});
    rate_limited(api.post("/threads/runs", scene.body(json!({"thread": thread}))).await, why);
    assert_eq!(scene.texts().await, ["Hello there"]);
    assert_eq!(api.get(&scene.runs()).await.ok()["data"], json!([]));

    for (scene, run) in &runs {
        assert_eq!(scene.settle(run).await["status"], "completed");
    }
    assert_eq!(scene.play(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_outputs_takes_no_place_and_needs_one_to_go_on() {
    let turns = [
        Turn::call("weather", json!({})),
        Turn::say("Slow.").after(SECOND),
        Turn::say("Sunny.").after(SECOND),
    ];
    let builder = Server::builder().model(Scripted::new(turns));
    let api = Api::built(builder.max_concurrent_runs(1).max_queued_runs(0));
    let (scene, run) = another(&api).await;
    let waiting = scene.settle(&run).await;
    assert_eq!(waiting["status"], "requires_action");

    let (other_scene, other) = another(&api).await;
    let why = "1 runs are in progress and 0 more wait";
    for more in [json!({}), json!({"stream": true})] {
        let body = merged(outputs_for(&waiting, &["sun"]), more);
        rate_limited(scene.try_submit(&waiting, body).await, why);
        assert_eq!(scene.get_run(&run).await, waiting, "nothing has changed");
    }
    other_scene.settle(&other).await;
    scene.submit(&waiting, &["sun"]).await;
    assert_eq!(scene.settle(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_its_turn_can_be_cancelled_and_expires() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::say("Hi.")]));
    let api = Api::built(builder.max_concurrent_runs(1).max_queued_runs(2));
    let (first, stalled) = another(&api).await;
    breathe().await;
    let (scene, run) = another(&api).await;
    breathe().await;
    assert_eq!(scene.get_run(&run).await["status"], "queued");
    scene.cancel(&run).await.ok();
    let run = scene.settle(&run).await;
    assert_eq!((&run["status"], &run["started_at"]), (&"cancelled".into(), &Value::Null));

    sleep(300 * SECOND).await;
    let (scene, run) = another(&api).await;
    first.cancel(&stalled).await.ok();
    assert_eq!(scene.settle(&run).await["status"], "completed", "its turn has come");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_gets_its_turn_expires() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::stall()]));
    let api = Api::built(builder.max_concurrent_runs(1));
    let (_, _) = another(&api).await;
    sleep(500 * SECOND).await;
    let (scene, run) = another(&api).await;
    sleep(99 * SECOND).await;
    let (last_scene, last) = another(&api).await;
    assert_eq!(scene.get_run(&run).await["status"], "queued");
    sleep(502 * SECOND).await;
    // It got its turn when the first one expired, and then stalled too.
    assert_eq!(scene.get_run(&run).await["status"], "expired");
    let fails = last_scene.settle(&last).await;
    assert_eq!(fails["status"], "failed", "the script has no turn left");
}

#[tokio::test(start_paused = true)]
async fn one_stream_too_many_is_refused_and_starts_nothing() {
    let turns = [Turn::say("Slow.").after(SECOND), Turn::say("Hi."), Turn::say("Hi.")];
    let builder = Server::builder().model(Scripted::new(turns)).max_open_streams(1);
    let api = Api::built(builder);
    let first = api.scene(&[]).await;
    let stream = first.listen(json!({})).await;
    let scene = api.scene(&[]).await;
    rate_limited(scene.try_start(json!({"stream": true})).await, "1 streams are open");
    let body = scene.body(json!({"stream": true}));
    rate_limited(api.post("/threads/runs", body).await, "1 streams are open");
    assert_eq!(api.get(&scene.runs()).await.ok()["data"], json!([]));
    assert_eq!(scene.play(json!({})).await["status"], "completed", "runs without streams go on");

    assert_eq!(stream.rest().await.last().unwrap().name, "done");
    let stream = scene.listen(json!({})).await;
    rate_limited(scene.try_start(json!({"stream": true})).await, "1 streams are open");
    drop(stream);
    breathe().await;
    let error = scene.try_start(json!({"stream": true, "temperature": 3})).await.refused(400);
    assert_eq!(error["param"], "temperature");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_take_only_so_long() {
    let api = Api::built(Server::builder().request_timeout(5 * SECOND));
    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let started = tokio::time::Instant::now();
    let error = api.request(Method::POST, "/threads", never).await.refused(408);
    assert_eq!(started.elapsed(), 5 * SECOND);
    assert_eq!(error["code"], "request_timeout");
    assert_eq!(error["message"], "The request took longer than 5 s.");
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_take_longer_than_a_request() {
    let builder = Server::builder()
        .model(Scripted::new([Turn::say("It is sunny.").every(5 * SECOND)]))
        .request_timeout(SECOND);
    let scene = Api::built(builder).scene(&[]).await;
    let events = scene.stream(json!({})).await;
    assert_eq!(events.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn when_objects_take_all_they_may_none_is_made_until_some_are_deleted() {
    let limit = 25_000;
    let api = Api::built(Server::builder().max_stored_bytes(limit));
    let scene = api.scene(&[]).await;
    let text = "x".repeat(15_000);
    let message = json!({"role": "user", "content": text});
    let big = id(&api.post(&scene.messages(), message.clone()).await.ok());
    let thread = id(&api.post("/threads", json!({"messages": [message]})).await.ok());

    let why = "the objects take 25000 bytes, which is all they may: delete some";
    for (path, body) in [
        ("/assistants".to_owned(), json!({"model": "m"})),
        ("/threads".to_owned(), json!({})),
        ("/threads/runs".to_owned(), scene.body(json!({}))),
        (scene.runs(), scene.body(json!({}))),
        (scene.messages(), json!({"role": "user", "content": "Hi"})),
    ] {
        rate_limited(api.post(&path, body).await, why);
    }
    api.get(&scene.messages()).await.ok();
    api.delete(&format!("{}/{big}", scene.messages())).await.ok();
    assert_eq!(scene.play(json!({})).await["status"], "completed");
    api.delete(&format!("/threads/{thread}")).await.ok();
    api.delete(&scene.thread_path()).await.ok();
    api.delete(&scene.assistant_path()).await.ok();
    breathe().await;
    assert!(crate::harness::figures(&api).await.contains("\nrunstep_stored_bytes 0\n"));
}

async fn stored_bytes(api: &Api) -> i64 {
    let told = crate::harness::figures(api).await;
    let (_, rest) = told.split_once("\nrunstep_stored_bytes ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

/// As much metadata as there may be, and more when it is written as JSON.
fn much_metadata() -> Value {
    let pairs = (0..16).map(|number| (format!("key {number}"), json!("\"".repeat(512))));
    json!({"metadata": Value::Object(pairs.collect())})
}

#[tokio::test(start_paused = true)]
async fn what_is_changed_is_counted_and_given_back() {
    let api = Api::scripted([Turn::say("Hi.")]);
    let scene = api.scene(&[]).await;
    let run = scene.play(json!({})).await;
    let message = id(&api.get(&scene.messages()).await.ok()["data"][0]);
    for path in [
        scene.assistant_path(),
        scene.thread_path(),
        format!("{}/{message}", scene.messages()),
        scene.run_path(&run, ""),
    ] {
        let before = stored_bytes(&api).await;
        api.post(&path, much_metadata()).await.ok();
        let grown = stored_bytes(&api).await - before;
        assert!((16_000..20_000).contains(&grown), "{path}: {grown}");
        api.post(&path, json!({"metadata": null})).await.ok();
        assert_eq!(stored_bytes(&api).await, before, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_gives_back_no_more_than_was_counted() {
    // Written as JSON it is six times as long.
    let turn = Turn::chunks(vec!["\u{1}".repeat(1000); 10]);
    let scene = Api::scripted([turn]).scene(&[]).await;
    let api = &scene.api;
    scene
        .api
        .post(&scene.messages(), json!({"role": "user", "content": "x".repeat(90_000)}))
        .await
        .ok();
    let before = stored_bytes(api).await;
    let run = scene.play(json!({})).await;
    let message = id(&api.get(&scene.messages()).await.ok()["data"][0]);
    let path = format!("{}/{message}", scene.messages());
    api.post(&path, much_metadata()).await.ok();
    api.delete(&path).await.ok();
    let left = stored_bytes(api).await - before;
    let kept = scene.get_run(&run).await.to_string().len() as i64;
    assert!((kept..kept + 5000).contains(&left), "{left} of a run of {kept}");
}

#[tokio::test(start_paused = true)]
async fn events_of_a_run_that_waits_for_outputs_are_counted_while_it_waits() {
    let mut bytes = Vec::new();
    for streamed in [false, true] {
        let turn = Turn::chunks(vec!["It "; 100]).and_call("weather", json!({}));
        let scene = Api::scripted([turn]).scene(&["weather"]).await;
        if streamed {
            scene.stream(json!({})).await;
        } else {
            scene.start(json!({})).await;
        }
        let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
        let run = scene.settle(&run).await;
        assert_eq!(run["status"], "requires_action");
        let waiting = stored_bytes(&scene.api).await;
        scene.cancel(&run).await.ok();
        scene.settle(&run).await;
        bytes.push((waiting, stored_bytes(&scene.api).await));
    }
    let [(unstreamed, _), (streamed, after)] = bytes[..] else { unreachable!() };
    assert!(streamed > unstreamed + 10_000, "{streamed}, {unstreamed}");
    assert!(after < unstreamed + 1000, "{after}, {unstreamed}");
}

#[tokio::test(start_paused = true)]
async fn the_remembered_places_of_deleted_messages_are_counted() {
    let api = Api::scripted([]);
    let scene = api.scene(&[]).await;
    let before = stored_bytes(&api).await;
    for _ in 0..10 {
        let message = json!({"role": "user", "content": "Hi"});
        let message = id(&api.post(&scene.messages(), message).await.ok());
        api.delete(&format!("{}/{message}", scene.messages())).await.ok();
    }
    assert!(stored_bytes(&api).await >= before + 10 * 100);
}

#[tokio::test(start_paused = true)]
async fn when_there_is_no_room_objects_shrink_and_do_not_grow() {
    let api = Api::built(Server::builder().max_stored_bytes(20_000));
    let scene = api.scene(&[]).await;
    api.post(&scene.thread_path(), json!({"metadata": {"short": "x"}})).await.ok();
    let message = json!({"role": "user", "content": "x".repeat(20_000)});
    let message = id(&api.post(&scene.messages(), message).await.ok());
    let message = format!("{}/{message}", scene.messages());
    let why = "the objects take 20000 bytes, which is all they may: delete some";
    for path in [scene.assistant_path(), scene.thread_path(), message] {
        let before = api.get(&path).await.ok();
        rate_limited(api.post(&path, much_metadata()).await, why);
        assert_eq!(api.get(&path).await.ok(), before);
        api.post(&path, json!({"metadata": {}})).await.ok();
    }
    let long = json!({"instructions": "x".repeat(1000)});
    rate_limited(api.post(&scene.assistant_path(), long).await, why);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_finds_no_room_fails_its_run() {
    let turn = Turn::chunks(vec!["x".repeat(1000); 100]);
    let builder = Server::builder().model(Scripted::new([turn])).max_stored_bytes(20_000);
    let scene = Api::built(builder).scene(&[]).await;
    let run = scene.play(json!({})).await;
    assert_eq!(run["status"], "failed");
    let message = "The server has no room for more of the answer.";
    assert_eq!(run["last_error"], json!({"code": "server_error", "message": message}));
}

#[tokio::test(start_paused = true)]
async fn a_model_is_given_as_many_of_the_newest_messages_as_fit() {
    let model = Scripted::new((0..3).map(|_| Turn::say("Fine.")));
    let builder = Server::builder().model(model.clone()).max_context_tokens(10);
    let scene = Api::built(builder).scene(&[]).await;
    for text in ["sixteen letters.", "twelve chars", "last"] {
        let message = json!({"role": "user", "content": text});
        scene.api.post(&scene.messages(), message).await.ok();
    }
    let given = async |more: Value| {
        scene.play(more).await;
        model.requests().pop().unwrap().conversation
    };
    let user = |text: &str| ConversationItem::User(text.to_owned());
    let auto = given(json!({})).await;
    assert_eq!(auto, [user("sixteen letters."), user("twelve chars"), user("last")]);
    let long = "x".repeat(100);
    let more = json!({"additional_messages": [{"role": "user", "content": long}]});
    assert_eq!(given(more).await, [user(&long)], "the newest is there even if it does not fit");
    let last = json!({"truncation_strategy": {"type": "last_messages", "last_messages": 6}});
    assert_eq!(given(last).await.len(), 6, "as many as the run asks for");
}
