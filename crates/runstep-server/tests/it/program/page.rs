//! The page and the demo.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

use crate::program::process::{Exited, Program, ProgramBuilder};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn builder_with(flags: &[&str]) -> ProgramBuilder {
    ProgramBuilder::new(&[&ANY_PORT[..], flags].concat())
}

async fn get(program: &Program, path: &str) -> (u16, String) {
    let client = Client::builder().no_proxy().build().unwrap();
    let response = client.get(program.url(path)).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn page_is_served_unless_it_is_switched_off() {
    let page = get(&builder_with(&[]).serve(), "/ui/").await;
    assert_eq!(page.0, 200);
    assert!(page.1.contains("<title>runstep</title>"), "{}", page.1);
    for program in [
        builder_with(&["--no-ui"]),
        builder_with(&[]).env("RUNSTEP_NO_UI", "true"),
        builder_with(&["--config", "a.toml"]).file("a.toml", "no-ui = true\n"),
    ] {
        assert_eq!(get(&program.serve(), "/ui/").await.0, 404);
    }
    let overridden = builder_with(&["--no-ui=false"]).env("RUNSTEP_NO_UI", "true");
    assert_eq!(get(&overridden.serve(), "/ui/").await.0, 200);
}

#[tokio::test]
async fn demo_has_runs_of_every_lasting_status_in_memory() {
    let program = builder_with(&["--demo"]).serve();
    assert_eq!(program.data(), "memory");
    let expected = ["cancelled", "completed", "expired", "failed", "incomplete", "requires_action"];
    // The samples exist when the address is printed, so that it comes after their log events.
    let counts: Value = serde_json::from_str(&get(&program, "/runs/counts").await.1).unwrap();
    let all: u64 = counts["statuses"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(all > 20, "{counts}");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let counts: Value = serde_json::from_str(&get(&program, "/runs/counts").await.1).unwrap();
        let statuses = counts["statuses"].as_object().unwrap();
        // Other runs require action for a moment, until the demo submits their outputs.
        let waiting = get(&program, "/runs?status=requires_action").await.1;
        let has_all = expected.iter().all(|status| statuses.contains_key(*status));
        if has_all && waiting.contains("issue_refund") {
            return;
        }
        assert!(Instant::now() < end, "{counts} {waiting}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn demo_cannot_be_combined_with_keys_or_a_provider() {
    for (flags, option) in [
        (["--demo", "--upstream", "http://127.0.0.1:1/v1"], "upstream"),
        (["--demo", "--api-key-file", "keys"], "api-key-file"),
    ] {
        let Exited { code, errors, .. } = builder_with(&flags).file("keys", "key\n").run_to_exit();
        assert_eq!(code, Some(2));
        assert!(errors.contains(&format!("help: remove --{option}")), "{errors}");
    }
}
