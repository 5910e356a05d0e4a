//! The examples run, and print what their documentation says.
//!
//! Cargo builds them together with this test. Each starts a server in its own process.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs an example to its end, and returns what it prints.
fn run(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().join("examples");
    let binary = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    // `cargo test --test it` builds no examples.
    assert!(
        modified(&binary) > modified(&source.with_extension("rs")),
        "the example is not up to date; run `cargo build -p runstep --examples`"
    );
    let output = Command::new(binary)
        .env_remove("RUNSTEP_BASE_URL")
        .env_remove("RUNSTEP_MODEL")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Replaces ids, durations and counts, which differ from run to run.
fn masked(text: &str) -> String {
    let mask = |word: &str| match word.trim_matches(['[', ']']).split_once('_') {
        Some((kind @ ("run" | "step"), id)) if id.len() > 20 => format!("{kind}_ID"),
        _ if word.parse::<u64>().is_ok() => "N".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(mask).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn quickstart_prints_the_statuses_the_call_and_the_steps() {
    let printed = run("quickstart");
    let table = printed.lines().filter(|line| line.contains("  completed "));
    for line in table.clone() {
        // Duration and tokens are right-aligned, so that masks would move.
        let columns: Vec<&str> = line.split_whitespace().rev().take(3).collect();
        assert!(columns[0].parse::<u64>().unwrap() > 0, "{line}");
        assert_eq!(columns[1], "s", "{line}");
    }
    let steps: Vec<String> = table.map(|line| line[..30].trim_end().to_owned()).collect();
    assert_eq!(steps, ["1 tool call(s)    completed", "message_creation  completed"]);
    let (before, after) = printed.split_once("\nstep ").unwrap();
    insta::assert_snapshot!(before, @r#"
    queued
    in_progress
    requires_action
      get_weather({"city":"Paris"}) -> 18 degrees and sunny in Paris
    queued
    in_progress
    completed
    "#);
    assert!(after.ends_with("\n\nget_weather says: 18 degrees and sunny in Paris.\n"), "{after}");
}

#[test]
fn approval_executes_the_deferred_call_after_the_decision() {
    insta::assert_snapshot!(masked(&run("approval")), @r#"
      find_order(7) is executed
    the run is requires_action
      refund({"order":7,"euros":40}) waits for an approval
    saved N bytes; some time passes, and a person approves
      refund(7, 40) is executed
      refund -> refunded
    Your N euros are on the way.
    the run is completed
    "#);
}

#[test]
fn streaming_prints_the_steps_and_the_text() {
    insta::assert_snapshot!(masked(&run("streaming")), @"
    [tool_calls]
    [message_creation]
    It is N degrees, and sunny.
    Some(Completed), after N steps
    ");
}

#[test]
fn structured_prints_the_parsed_answer_and_the_error() {
    insta::assert_snapshot!(masked(&run("structured")), @"
    Soup for N
      boil for N minutes
      season
    the answer does not match the type: expected value at line N column 1; found: Soup is easy. (run run_ID is completed)
    ");
}

#[test]
fn tools_prints_the_outcome_of_each_call() {
    // Calls of one round are executed concurrently.
    let printed = run("tools");
    let mut lines: Vec<&str> = printed.lines().collect();
    lines[3..7].sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Call without a run:
      get_weather -> {"degrees":18,"unit":"celsius"}
    Polled run:
      `get_weather` failed: no weather data for Atlantis
      get_weather -> {"degrees":18,"unit":"celsius"}
      get_weather({"city":"Atlantis","unit":null})
      get_weather({"city":"Paris"})
      get_weather({"city":"Athens","unit":"fahrenheit"})
      get_weather -> {"degrees":64,"unit":"fahrenheit"}
      send_postcard denied: this example has no user to approve it
      completed: 18 °C in Paris, 64 °F in Athens; the postcard was not sent.
    Streamed run:
      get_weather({"city":"Oslo"})
      get_weather -> {"degrees":18,"unit":"celsius"}
      18 °C in Oslo too.
    "#);
}

#[test]
fn tour_prints_runs_steps_and_messages() {
    let printed = masked(&run("tour"));
    // How many updates there are depends on the time.
    let lines: Vec<&str> = printed.lines().filter(|line| !line.contains("new steps")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    the run calls get_weather({"city":"Paris"})
    the run completed
    step tool_calls completed
    step message_creation completed
    runs on the thread: N
    user: How is the weather in Paris?
    assistant: Dix-huit degrés, et du soleil.
    completed: A computer that learns from examples, as you do.
    run_ID is completed
    "#);
}

#[test]
fn every_example_is_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let source = include_str!("examples.rs");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(source.contains(&format!("run(\"{name}\")")), "{name} has no test");
    }
}
