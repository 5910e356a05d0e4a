//! Options from flags, the environment and a file, and their precedence.

use crate::program::process::{Exited, ProgramBuilder};

/// Runs the program, which must succeed, and returns its standard output.
fn successful_output(program: ProgramBuilder) -> String {
    let Exited { code, output, errors } = program.run_to_exit();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    output
}

fn value<'a>(report: &'a str, name: &str) -> Option<&'a str> {
    report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
}

#[test]
fn default_configuration_is_printed() {
    insta::assert_snapshot!(successful_output(ProgramBuilder::new(&["--check-config"])));
}

#[test]
fn help_is_printed() {
    insta::assert_snapshot!(successful_output(ProgramBuilder::new(&["--help"])));
}

#[test]
fn flags_override_environment_and_environment_overrides_file() {
    let file = "max-open-streams = 1\nmax-queued-runs = 1\nmax-body-bytes = 1\n";
    let flags = ["--check-config", "--config", "a/b.toml", "--max-open-streams", "3"];
    let program = ProgramBuilder::new(&flags)
        .file("a/b.toml", file)
        .env("RUNSTEP_MAX_OPEN_STREAMS", "2")
        .env("RUNSTEP_MAX_QUEUED_RUNS", "2");
    let report = successful_output(program);
    assert_eq!(value(&report, "max-open-streams"), Some("3"));
    assert_eq!(value(&report, "max-queued-runs"), Some("2"));
    assert_eq!(value(&report, "max-body-bytes"), Some("1"));
    assert_eq!(value(&report, "max-connections"), Some("8192"));
}

/// The printed configuration is itself a valid configuration file.
#[test]
fn every_option_is_accepted_from_flags_environment_and_file() {
    let options = [
        ("listen", "[::1]:0"),
        ("api-key-file", "keys"),
        ("allowed-origins", "https://a.example,https://b.example"),
        ("no-ui", "true"),
        ("strict-beta-header", "true"),
        ("data", "data/runs.db"),
        ("durability", "normal"),
        ("retain-events", "90m"),
        ("retain-runs", "30days"),
        ("max-data-bytes", "8"),
        ("lease", "5s"),
        ("max-database-connections", "6"),
        ("upstream", "http://127.0.0.1:1/v1"),
        ("upstream-api", "responses"),
        ("adopt", "vs_1,file-1"),
        ("history", "messages-only"),
        ("upstream-key-env", "KEY"),
        ("model-map", "models.toml"),
        ("upstream-retries", "5"),
        ("upstream-timeout-seconds", "7"),
        ("upstream-token-limit", "max_completion_tokens"),
        ("upstream-stream-usage", "false"),
        ("run-lifetime-seconds", "11"),
        ("poll-after-milliseconds", "12"),
        ("max-context-tokens", "13"),
        ("max-concurrent-runs", "14"),
        ("max-concurrent-runs-of-all-nodes", "10"),
        ("max-queued-runs", "15"),
        ("max-open-streams", "16"),
        ("max-connections", "17"),
        ("max-stored-bytes", "18"),
        ("max-stored-bytes-per-key", "8"),
        ("max-body-bytes", "19"),
        ("max-buffered-body-bytes", "9"),
        ("request-timeout-seconds", "20"),
        ("shutdown-timeout-seconds", "21"),
        ("log-level", "debug"),
        ("log-format", "json"),
    ];
    let program = |arguments: &[&str]| {
        ProgramBuilder::new(&[&["--check-config"], arguments].concat())
            .file("keys", "one\ntwo\n")
            .file("models.toml", "default = \"a\"\n[models]\nb = \"c\"\n")
            .env("KEY", "sk-secret")
    };
    let flags: Vec<String> =
        options.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let from_flags = successful_output(program(&flags));
    insta::assert_snapshot!(from_flags);
    let from_environment = options.iter().fold(program(&[]), |program, (name, value)| {
        program.env(&format!("RUNSTEP_{}", name.replace('-', "_").to_uppercase()), value)
    });
    assert_eq!(successful_output(from_environment), from_flags);
    let from_file = program(&["--config", "options.toml"]).file("options.toml", &from_flags);
    assert_eq!(successful_output(from_file), from_flags);
    // The hosting guide documents each option.
    let guide = include_str!("../../../../../docs/hosting.md");
    for (name, _) in options {
        assert!(guide.contains(&format!("\n| `{name}` |")), "{name}");
    }
    // `options` lists all options.
    let lines = from_flags.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.count(), options.len());
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let program = ProgramBuilder::new(&["--check-config", "--config", "etc/options.toml"])
        .file("etc/options.toml", "api-key-file = \"keys\"\n")
        .file("etc/keys", "secret\n");
    assert_eq!(value(&successful_output(program), "api-key-file"), Some("\"etc/keys\""));
}

#[test]
fn secrets_are_redacted() {
    let url = "http://127.0.0.1:1/v1?api-version=1&key=sk-secret";
    let flags = ["--check-config", "--upstream", url, "--upstream-key-env", "KEY"];
    let program = ProgramBuilder::new(&[&flags[..], &["--api-key-file", "keys"]].concat())
        .file("keys", "sk-secret\n")
        .env("KEY", "sk-secret");
    let report = successful_output(program);
    assert!(!report.contains("sk-secret"), "{report}");
    assert_eq!(value(&report, "upstream"), Some("\"http://127.0.0.1:1/v1?[hidden]\""));
    let data = "postgres://me:sk-secret@db.example/data?sslmode=require";
    let program = ProgramBuilder::new(&["--check-config"]).env("RUNSTEP_DATA", data);
    let report = successful_output(program);
    assert_eq!(value(&report, "data"), Some("\"postgres://db.example:5432/data?[hidden]\""));
    let data = "postgres://me:sk-secret@db.example/data?sslmode=prefer";
    let refused = ProgramBuilder::new(&["--check-config"]).env("RUNSTEP_DATA", data).run_to_exit();
    assert_eq!(refused.code, Some(2));
    assert!(!refused.errors.contains("sk-secret"), "{}", refused.errors);
    let help =
        successful_output(ProgramBuilder::new(&["--help"]).env("RUNSTEP_UPSTREAM", "sk-secret"));
    assert!(!help.contains("sk-secret"), "{help}");
}
