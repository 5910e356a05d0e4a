//! `ManualClock`, a clock that tests advance.

use std::time::{Duration, UNIX_EPOCH};

use runstep_server::model::{Scripted, Turn};
use runstep_server::{ManualClock, Server};
use serde_json::{Value, json};

use crate::harness::{TestClient, run_pending_tasks};

/// A server whose clock starts 1000 seconds after the Unix epoch, and that clock.
fn client_and_clock(turns: impl IntoIterator<Item = Turn>) -> (TestClient, ManualClock) {
    let clock = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1000));
    let builder = Server::builder().model(Scripted::new(turns)).clock(clock.clone());
    (TestClient::from_builder(builder), clock)
}

#[tokio::test]
async fn timestamps_come_from_the_clock() {
    let (client, clock) =
        client_and_clock([Turn::call("weather", json!({})), Turn::text("Sunny.")]);
    let fixture = client.create_fixture(&["weather"]).await;
    clock.advance(Duration::from_secs(5));
    let run = fixture.create_run(json!({})).await;
    assert_eq!((&run["created_at"], &run["expires_at"]), (&json!(1005), &json!(1605)));
    let waiting = fixture.wait_for_run(&run).await;
    clock.advance(Duration::from_secs(20));
    fixture.submit_outputs(&waiting, &["sun"]).await;
    let run = fixture.wait_for_run(&waiting).await;
    assert_eq!((&run["started_at"], &run["completed_at"]), (&json!(1005), &json!(1025)));
    let steps = fixture.list_steps(&run).await;
    assert_eq!((&steps[0]["created_at"], &steps[0]["completed_at"]), (&json!(1005), &json!(1025)));
}

#[tokio::test]
async fn run_expires_exactly_when_the_clock_reaches_its_expiry() {
    for turn in [Turn::text("It").and_stall(), Turn::call("weather", json!({}))] {
        let (client, clock) = client_and_clock([turn]);
        let fixture = client.create_fixture(&["weather"]).await;
        let run = fixture.create_run(json!({})).await;
        run_pending_tasks().await;
        clock.advance(Duration::from_secs(599));
        run_pending_tasks().await;
        assert_ne!(fixture.get_run(&run).await["status"], "expired");
        clock.advance(Duration::from_secs(1));
        let run = fixture.wait_for_status(&run, "expired").await;
        assert_eq!((&run["status"], &run["expires_at"]), (&"expired".into(), &Value::Null));
    }
}
