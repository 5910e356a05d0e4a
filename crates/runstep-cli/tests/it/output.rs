//! What the program prints, and to whom.

use std::io::Read as _;
use std::process::Stdio;

use runstep_server::model::Turn;
use serde_json::json;

use crate::harness::{Program, TestServer};

#[test]
fn a_file_gets_the_text_of_the_model_unchanged() {
    let text = "\u{1b}[31mred\u{1b}[0m\r\n\u{9b}";
    let server = TestServer::with_turns([Turn::text(text)]);
    server.assistant(json!([]));
    let stdout = server.runstep(&["ask", "Hi", "--assistant", "asst_abc123"]).ok();
    assert_eq!(stdout, format!("{text}\n"));
}

#[test]
fn colors_are_used_on_demand() {
    let server = TestServer::with_turns([Turn::text("\u{1b}[31mHi")]);
    server.assistant(json!([]));
    let ask = ["ask", "Hi", "--assistant", "asst_abc123", "--color", "always"];
    let finished = server.runstep(&ask).run();
    // Colored output is for a terminal, so the text of the model is escaped.
    assert_eq!(finished.stdout, "\\u{1b}[31mHi\n");
    assert!(finished.stderr.starts_with("\u{1b}[2mcompleted"), "{finished}");
    let list = ["runs", "list", "--thread", "thread_abc123"];
    let colored = server.runstep(&[&list[..], &["--color", "always"]].concat()).ok();
    assert!(colored.contains("\u{1b}[32mcompleted\u{1b}[0m"), "{colored:?}");
    let plain = server.runstep(&list).ok();
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

/// Closes the output after its first byte, and returns the code and standard error.
fn closed_output(program: Program) -> (Option<i32>, String) {
    let mut command = program.command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_closed_output_ends_the_program_quietly() {
    let server = TestServer::with_turns((0..60).map(|_| Turn::text("Hello.")));
    server.assistant(json!([]));
    let ask = ["ask", "Hi", "--assistant", "asst_abc123", "--thread", "thread_abc123"];
    server.runstep(&ask[..4]).ok();
    for _ in 0..30 {
        server.runstep(&ask).ok();
    }
    let export = server.runstep(&["export", "thread_abc123"]);
    assert_eq!(closed_output(export), (Some(141), String::new()));
}

#[test]
fn a_question_whose_reader_goes_away_is_cancelled() {
    let server = TestServer::with_turns([Turn::chunks(["a", "b"]).and_stall()]);
    server.assistant(json!([]));
    let mut command = server.runstep(&["ask", "Hi", "--assistant", "asst_abc123"]).command();
    // The output is closed from the start.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let run = server.get("/threads/thread_abc123/runs/run_abc123");
    assert!(run["status"] == "cancelled" || run["status"] == "cancelling", "{run}");
}

#[test]
fn completions_are_generated_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Program::new(&["completions", shell]).ok();
        assert!(script.contains("retrieve-run"), "{shell}");
    }
}

#[test]
fn help_lists_the_commands() {
    insta::assert_snapshot!(Program::new(&["--help"]).ok());
    insta::assert_snapshot!("ask_help", Program::new(&["ask", "--help"]).ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_help_that_cannot_be_written_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [&["--help"][..], &["--version"], &["ask", "--help"], &["api", "-h"]] {
        let mut command = Program::new(arguments).command();
        let output = command.stdout(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("error: cannot write the output"), "{stderr}");
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Program::new(&["--help"]).command().stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(141), "{output:?}");
}
