//! Function calls over the rounds of a run.

use std::collections::HashSet;

use crate::harness::{Api, call_ids};
use runstep_server::model::Turn;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn each_call_has_an_id_of_its_own_over_many_rounds() {
    let round = || Turn::call("weather", json!({"city": "Paris"})).and_call("weather", json!({}));
    let turns = (0..5).map(|_| round()).chain([Turn::say("Sunny.")]);
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let mut run = scene.play(json!({})).await;
    let mut ids = HashSet::new();
    for _ in 0..5 {
        ids.extend(call_ids(&run));
        scene.submit(&run, &["sun", "rain"]).await;
        run = scene.settle(&run).await;
    }
    assert_eq!((&run["status"], ids.len()), (&"completed".into(), 10));
    let steps = scene.steps(&run).await;
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
async fn a_function_that_is_offered_need_not_be_called() {
    let scene = Api::scripted([Turn::say("No need.")]).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    assert_eq!((&run["status"], &run["required_action"]), (&"completed".into(), &Value::Null));
    assert_eq!(scene.steps(&run).await.len(), 1);
}
