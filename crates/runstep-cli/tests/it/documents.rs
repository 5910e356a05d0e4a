//! The examples of the README and of `tests/cmd` print what they show.

use runstep_server::model::{ModelErrorKind, Turn};
use serde_json::json;

use crate::harness::TestServer;

/// Runs the examples of a document against a server. `TRYCMD=overwrite` updates them.
fn run(server: &TestServer, document: &str) {
    let cases = trycmd::TestCases::new();
    cases.register_bin("runstep", std::path::Path::new(env!("CARGO_BIN_EXE_runstep")));
    cases.env("RUNSTEP_BASE_URL", server.base_url()).env("COLUMNS", "90");
    for name in ["RUNSTEP_API_KEY", "RUNSTEP_HEADERS", "RUNSTEP_ASSISTANT", "CLICOLOR_FORCE"] {
        cases.env(name, "");
    }
    cases.insert_var("[URL]", server.base_url()).unwrap();
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    cases.insert_var("[PLATFORM]", platform).unwrap();
    cases.insert_var("[VERSION]", env!("CARGO_PKG_VERSION")).unwrap();
    cases.case(document);
    cases.run();
}

/// An example uses the program `echo`, which is a part of the shell on Windows.
#[cfg(unix)]
#[test]
fn the_readme() {
    let server = TestServer::with_turns([
        Turn::text("Paris, with 2.1 million people.").usage(14, 9),
        Turn::text("Notre-Dame, the Louvre, and a lot of bread.").usage(30, 12),
        Turn::call("weather", json!({ "city": "Paris" })).usage(52, 9),
        Turn::text("It is sunny in Paris.").usage(60, 7),
        Turn::call("order", json!({ "dish": "soup" })).usage(30, 8),
        Turn::text("The soup is on its way.").usage(44, 9),
    ]);
    run(&server, "README.md");
}

#[test]
fn outcomes() {
    let server = TestServer::with_turns([
        Turn::text("It is a long st").token_limit().usage(10, 4),
        Turn::fail(ModelErrorKind::Server, "The model is overloaded."),
    ]);
    server.assistant(json!([]));
    run(&server, "tests/cmd/outcomes.md");
}

#[test]
fn assistants() {
    let server = TestServer::with_turns([]);
    run(&server, "tests/cmd/assistants.md");
}

#[test]
fn doctor() {
    let server = TestServer::with_turns([
        Turn::call("get_weather", json!({ "city": "Paris" })).usage(52, 9),
        Turn::text("It is sunny in Paris.").usage(60, 7),
    ]);
    run(&server, "tests/cmd/doctor.md");
}
