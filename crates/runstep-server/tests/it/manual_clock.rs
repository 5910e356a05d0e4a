//! The clock that a test advances.

use std::time::{Duration, UNIX_EPOCH};

use crate::harness::{Api, breathe};
use runstep_server::model::{Scripted, Turn};
use runstep_server::{ManualClock, Server};
use serde_json::{Value, json};

/// A server whose clock shows the second 1000, and its clock.
fn server(turns: impl IntoIterator<Item = Turn>) -> (Api, ManualClock) {
    let clock = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1000));
    let builder = Server::builder().model(Scripted::new(turns)).clock(clock.clone());
    (Api::built(builder), clock)
}

#[tokio::test]
async fn objects_are_dated_by_the_clock() {
    let (api, clock) = server([Turn::call("weather", json!({})), Turn::say("Sunny.")]);
    let scene = api.scene(&["weather"]).await;
    clock.advance(Duration::from_secs(5));
    let run = scene.start(json!({})).await;
    assert_eq!((&run["created_at"], &run["expires_at"]), (&json!(1005), &json!(1605)));
    let waiting = scene.settle(&run).await;
    clock.advance(Duration::from_secs(20));
    scene.submit(&waiting, &["sun"]).await;
    let run = scene.settle(&waiting).await;
    assert_eq!((&run["started_at"], &run["completed_at"]), (&json!(1005), &json!(1025)));
    let steps = scene.steps(&run).await;
    assert_eq!((&steps[0]["created_at"], &steps[0]["completed_at"]), (&json!(1005), &json!(1025)));
}

#[tokio::test]
async fn a_run_expires_when_the_clock_says_so_and_not_before() {
    for turn in [Turn::say("It").and_stall(), Turn::call("weather", json!({}))] {
        let (api, clock) = server([turn]);
        let scene = api.scene(&["weather"]).await;
        let run = scene.start(json!({})).await;
        breathe().await;
        clock.advance(Duration::from_secs(599));
        breathe().await;
        assert_ne!(scene.get_run(&run).await["status"], "expired");
        clock.advance(Duration::from_secs(1));
        breathe().await;
        let run = scene.get_run(&run).await;
        assert_eq!((&run["status"], &run["expires_at"]), (&"expired".into(), &Value::Null));
    }
}
