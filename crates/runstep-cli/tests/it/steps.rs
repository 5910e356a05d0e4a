//! `runstep steps`.

use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

#[test]
fn steps_are_a_timeline() {
    let server = TestServer::with_turns([
        Turn::call("weather", json!({ "city": "Paris" })).usage(20, 5),
        Turn::text("It is sunny.").usage(30, 6),
    ]);
    server.weather_assistant();
    server.runstep(&["ask", "Hello", "--assistant", "asst_abc123"]).run();
    // Moves the clock.
    for _ in 0..4 {
        server.runstep(&["api", "create-thread"]).ok();
    }
    let run = ["run_abc123", "--thread", "thread_abc123"];
    let submit = [&["runs", "submit"], &run[..], &["--output", "call_abc123=18", "--wait"]];
    server.runstep(&submit.concat()).ok();
    let steps = [&["steps"], &run[..]].concat();
    insta::assert_snapshot!(server.runstep(&steps).ok());
    let lines = server.runstep(&[&steps[..], &["--json"]].concat()).ok();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let listed = server.get("/threads/thread_abc123/runs/run_abc123/steps?order=asc");
    assert_eq!(Value::from(lines), listed["data"]);
}
