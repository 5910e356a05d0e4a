//! Invalid options: messages and exit codes.

use std::fmt::Write as _;
use std::net::TcpListener;

use crate::program::process::{Exited, ProgramBuilder};

#[test]
fn invalid_options_are_reported_with_advice() {
    let file = |text: &str| ProgramBuilder::new(&["--config", "a.toml"]).file("a.toml", text);
    let keys = |text: &str| ProgramBuilder::new(&["--api-key-file", "keys"]).file("keys", text);
    let map = |text: &str| {
        let flags = ["--upstream", "http://127.0.0.1:1/v1", "--model-map", "map.toml"];
        ProgramBuilder::new(&flags).file("map.toml", text)
    };
    let upstream = |url: &str| ProgramBuilder::new(&["--upstream", url]);
    let cases = [
        ProgramBuilder::new(&["--config", "missing.toml"]),
        file("listen = \"127.0.0.1:0\"\n\ncolour = \"red\"\n"),
        file("max-body-bytes = \"many\"\n"),
        file("listen = \"localhost\"\n"),
        file("max-open-streams = -1\n"),
        file("listen\n"),
        ProgramBuilder::new(&["--listen", "0.0.0.0:8080"]),
        ProgramBuilder::new(&["--listen", "[::]:8080"]),
        ProgramBuilder::new(&["--api-key-file", "missing"]),
        keys("# only a comment\n\n"),
        keys("valid\nnot valid\n"),
        keys("same\nother\n same \n"),
        upstream("127.0.0.1:11434"),
        ProgramBuilder::new(&["--upstream", "http://127.0.0.1:1", "--upstream-key-env", "MISSING"]),
        ProgramBuilder::new(&["--upstream", "http://127.0.0.1:1", "--upstream-key-env", "EMPTY"])
            .env("EMPTY", ""),
        ProgramBuilder::new(&["--model-map", "map.toml"]),
        ProgramBuilder::new(&["--upstream-key-env", "KEY"]),
        map("gpt-4o = \"llama\"\n"),
        map("[models]\ngpt-4o = 4\n"),
        ProgramBuilder::new(&["--allowed-origins", "example.com/path"]),
        ProgramBuilder::new(&["--max-stored-bytes", "18446744073709551615"]),
        ProgramBuilder::new(&[]).env("RUNSTEP_MAX_BODY_BYTES", "many"),
        ProgramBuilder::new(&["--colour"]),
    ];
    let mut report = String::new();
    for program in cases {
        let Exited { code, output, errors } = program.run_to_exit();
        assert_eq!((code, output.as_str()), (Some(2), ""), "{errors}");
        let lines: Vec<_> = errors.lines().map(str::trim_end).collect();
        writeln!(report, "{}\n", lines.join("\n").trim_end()).unwrap();
    }
    insta::assert_snapshot!(report);
}

#[test]
fn address_in_use_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let Exited { code, errors, .. } = ProgramBuilder::new(&["--listen", &address]).run_to_exit();
    assert_eq!(code, Some(1));
    let errors = errors.replace(&address, "[address]");
    insta::assert_snapshot!(errors, @"error: cannot listen on [address]: Address already in use (os error 98)");
}

/// Values up to `i64::MAX` are accepted; those above an internal maximum are clamped.
#[test]
fn very_large_limits_are_accepted() {
    let maximum = i64::MAX.to_string();
    let names = [
        "run-lifetime-seconds",
        "poll-after-milliseconds",
        "max-context-tokens",
        "max-concurrent-runs",
        "max-queued-runs",
        "max-open-streams",
        "max-connections",
        "max-stored-bytes",
        "max-body-bytes",
        "request-timeout-seconds",
        "shutdown-timeout-seconds",
        "upstream-timeout-seconds",
    ];
    let flags: Vec<String> = names.iter().map(|name| format!("--{name}={maximum}")).collect();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.extend(["--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1/v1"]);
    let mut program = ProgramBuilder::new(&flags).serve();
    program.signal("TERM");
    assert_eq!(program.exit_status().code(), Some(0));
}
