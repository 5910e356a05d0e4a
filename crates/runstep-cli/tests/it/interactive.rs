//! Questions at a terminal, and Ctrl-C.

use std::process::{Child, Command, Stdio};

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};
use runstep_server::model::{Scripted, Turn};
use serde_json::json;

use crate::harness::TestServer;

const ASK: [&str; 4] = ["ask", "Hello", "--assistant", "asst_abc123"];
/// How long to wait for an output, in milliseconds.
const TIMEOUT: u64 = 30_000;

/// Starts the program in a terminal of its own.
fn start(server: &TestServer, arguments: &[&str]) -> PtySession {
    let command = server.runstep(arguments).env("TERM", "xterm-256color").command();
    spawn_command(command, Some(TIMEOUT)).unwrap()
}

/// Waits for the end, and returns the exit code and the rest of the output.
fn finish(mut session: PtySession) -> (i32, String) {
    let rest = session.exp_eof().unwrap();
    match session.process().wait().unwrap() {
        WaitStatus::Exited(_, code) => (code, rest),
        other => panic!("{other:?}: {rest}"),
    }
}

/// A server whose model stops in the middle of its answer.
fn stalled_server() -> TestServer {
    let server = TestServer::with_turns([Turn::text("Hel").and_stall()]);
    server.assistant(json!([]));
    server
}

fn status(server: &TestServer) -> String {
    let run = server.get("/threads/thread_abc123/runs/run_abc123");
    run["status"].as_str().unwrap().to_owned()
}

#[test]
fn ctrl_c_cancels_the_run_after_a_question() {
    let server = stalled_server();
    let mut session = start(&server, &ASK);
    session.exp_string("Hel").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("Cancel run_abc123?").unwrap();
    session.send_line("n").unwrap();
    session.exp_string("run_abc123 continues").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("Cancel run_abc123?").unwrap();
    session.send_line("y").unwrap();
    let (code, rest) = finish(session);
    assert_eq!(code, 12, "{rest}");
    assert_eq!(status(&server), "cancelled");
}

#[test]
fn a_second_ctrl_c_leaves_the_run() {
    let server = stalled_server();
    let mut session = start(&server, &ASK);
    session.exp_string("Hel").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("Cancel run_abc123?").unwrap();
    session.send_control('c').unwrap();
    let (code, rest) = finish(session);
    assert_eq!(code, 130, "{rest}");
    assert!(rest.contains("runstep runs cancel run_abc123 --thread thread_abc123"), "{rest}");
    assert_eq!(status(&server), "in_progress");
}

/// Starts the program without a terminal, and interrupts it after the run has started.
fn interrupt(server: &TestServer, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command: Command = server.runstep(arguments).command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut stdout, &mut [0; 3]).unwrap();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn without_a_terminal_ctrl_c_leaves_the_run_and_says_how_to_cancel_it() {
    let server = stalled_server();
    let (code, stderr) = interrupt(&server, &ASK);
    assert_eq!(code, Some(130), "{stderr}");
    insta::assert_snapshot!(stderr);
    assert_eq!(status(&server), "in_progress");
}

#[test]
fn without_a_terminal_ctrl_c_cancels_the_run_on_demand() {
    let server = stalled_server();
    let (code, stderr) = interrupt(&server, &[&ASK[..], &["--cancel-on-interrupt"]].concat());
    assert_eq!(code, Some(12), "{stderr}");
    assert_eq!(status(&server), "cancelled");
}

#[test]
fn a_person_allows_and_denies_calls() {
    let model = Scripted::new([
        Turn::call("weather", json!({ "city": "Paris; rm\n[y]es" })),
        Turn::call("weather", json!({ "city": "Rome" })),
        Turn::call("weather", json!({ "city": "Oslo" })),
        Turn::text("Done."),
    ]);
    let server = TestServer::with_model(model.clone());
    server.assistant(json!([]));
    let mut session =
        start(&server, &[&ASK[..], &["--tool", "weather=echo sunny in {city}"]].concat());
    session.exp_string(r"echo sunny in 'Paris; rm\u{a}[y]es'").unwrap();
    session.exp_string("Run it?").unwrap();
    session.send_line("n").unwrap();
    session.exp_string("echo sunny in Rome").unwrap();
    session.exp_string("Run it?").unwrap();
    session.send_line("a").unwrap();
    let (code, rest) = finish(session);
    assert_eq!(code, 0, "{rest}");
    assert!(rest.contains("Done."), "{rest}");
    let requests = format!("{:?}", model.requests());
    assert!(!requests.contains("sunny in Paris"), "{requests}");
    assert!(requests.contains("did not allow this call"), "{requests}");
    assert!(requests.contains("sunny in Rome") && requests.contains("sunny in Oslo"), "{requests}");
}

#[test]
fn outputs_are_asked_for() {
    let model =
        Scripted::new([Turn::call("weather", json!({ "city": "Paris" })), Turn::text("Ok.")]);
    let server = TestServer::with_model(model.clone());
    server.weather_assistant();
    server.runstep(&ASK).run();
    let submit = ["runs", "submit", "run_abc123", "--thread", "thread_abc123", "--wait"];
    let mut session = start(&server, &submit);
    session.exp_string(r#"weather({"city":"Paris"})"#).unwrap();
    session.exp_string("output:").unwrap();
    session.send_line("18 degrees").unwrap();
    let (code, rest) = finish(session);
    assert_eq!(code, 0, "{rest}");
    assert!(format!("{:?}", model.requests()).contains("18 degrees"));
}

#[test]
fn a_terminal_gets_colors_but_no_control_sequences_of_a_model() {
    let server = TestServer::with_turns([Turn::text("\u{1b}]0;title\u{7}Hi\u{9b}2J")]);
    server.assistant(json!([]));
    let (code, output) = finish(start(&server, &ASK));
    assert_eq!(code, 0, "{output}");
    assert!(output.contains(r"\u{1b}]0;title\u{7}Hi\u{9b}2J"), "{output:?}");
    let list = ["runs", "list", "--thread", "thread_abc123"];
    let (_, colored) = finish(start(&server, &list));
    assert!(colored.contains("\u{1b}[32mcompleted"), "{colored:?}");
    let command = server.runstep(&list).env("NO_COLOR", "1").env("TERM", "xterm").command();
    let (_, plain) = finish(spawn_command(command, Some(TIMEOUT)).unwrap());
    assert!(!plain.contains("\u{1b}[32m"), "{plain:?}");
}
