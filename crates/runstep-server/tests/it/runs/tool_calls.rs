//! Function calls over several rounds of a run.

use std::collections::HashSet;

use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::{Fixture, call_ids};

#[tokio::test(start_paused = true)]
async fn call_ids_are_unique_across_rounds() {
    let round = || Turn::call("weather", json!({"city": "Paris"})).and_call("weather", json!({}));
    let turns = (0..5).map(|_| round()).chain([Turn::text("Sunny.")]);
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let mut run = fixture.create_run_and_wait(json!({})).await;
    let mut ids = HashSet::new();
    for _ in 0..5 {
        ids.extend(call_ids(&run));
        fixture.submit_outputs(&run, &["sun", "rain"]).await;
        run = fixture.wait_for_run(&run).await;
    }
    assert_eq!((&run["status"], ids.len()), (&"completed".into(), 10));
    let steps = fixture.list_steps(&run).await;
    let kinds: Vec<&str> = steps.iter().map(|step| step["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..5], ["tool_calls"; 5]);
    assert_eq!(kinds[5..], ["message_creation"]);
    for step in &steps[..5] {
        let calls = step["step_details"]["tool_calls"].as_array().unwrap();
        let outputs: Vec<&Value> = calls.iter().map(|call| &call["function"]["output"]).collect();
        assert_eq!(outputs, ["sun", "rain"]);
    }
}

#[tokio::test(start_paused = true)]
async fn offered_function_need_not_be_called() {
    let fixture = Fixture::with_turns([Turn::text("No need.")], &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!((&run["status"], &run["required_action"]), (&"completed".into(), &Value::Null));
    assert_eq!(fixture.list_steps(&run).await.len(), 1);
}
