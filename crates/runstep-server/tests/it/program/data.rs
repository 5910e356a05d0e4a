//! The data file of the program, and the commands for it.

use std::fs;
use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};

use crate::program::process::{Program, ProgramBuilder};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A program with a data file in a directory.
fn program(path: &Path, arguments: &[&str]) -> ProgramBuilder {
    ProgramBuilder::new(arguments).env("RUNSTEP_DATA", path.to_str().unwrap())
}

async fn post(program: &Program, path: &str, body: Value) -> Value {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.post(program.url(path)).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn get(program: &Program, path: &str) -> Value {
    let client = Client::builder().no_proxy().build().unwrap();
    let response = client.get(program.url(path)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn objects_survive_a_kill_and_a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/data.db");
    let mut first = program(&path, &ANY_PORT).serve();
    let thread = post(&first, "/v1/threads", json!({"metadata": {"a": "b"}})).await;
    let second = program(&path, &ANY_PORT).run_to_exit();
    assert_eq!((second.code, second.output.as_str()), (Some(1), ""));
    let message = format!("is in use by process {}; stop that process", first.id());
    assert!(second.errors.contains(&message), "{}", second.errors);
    first.signal("KILL");
    first.exit_status();
    let restarted = program(&path, &ANY_PORT).serve();
    let id = thread["id"].as_str().unwrap();
    assert_eq!(get(&restarted, &format!("/v1/threads/{id}")).await, thread);
}

#[tokio::test]
async fn data_is_in_the_directory_of_the_platform_by_default_and_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let builder = ProgramBuilder::new(&ANY_PORT);
    let path = builder.path("share/runstep/runstep.db");
    let program = builder.serve();
    assert_eq!(program.data(), path.to_str().unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[tokio::test]
async fn data_can_be_copied_and_moved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let server = program(&path, &ANY_PORT).serve();
    let thread = post(&server, "/v1/threads", json!({"metadata": {"a": "b"}})).await;
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let run = |data: &str, arguments: &[&str]| {
        let exited = program(Path::new(data), arguments).run_to_exit();
        assert_eq!((exited.code, exited.errors.as_str()), (Some(0), ""), "{arguments:?}");
        exited.output
    };
    let data = path.to_str().unwrap();
    run(data, &["backup", &file("backup.db")]);
    run(data, &["export", &file("export.jsonl")]);
    run(&file("imported.db"), &["import", &file("export.jsonl")]);
    let id = thread["id"].as_str().unwrap();
    for name in ["backup.db", "imported.db"] {
        assert_eq!(run(&file(name), &["check"]), format!("{} is valid\n", file(name)));
        let copy = program(Path::new(&file(name)), &ANY_PORT).serve();
        assert_eq!(get(&copy, &format!("/v1/threads/{id}")).await, thread);
    }
    let exited = program(Path::new(":memory:"), &["check"]).run_to_exit();
    assert_eq!(exited.code, Some(2));
}
