//! `runstep export`.

use runstep_server::model::Turn;
use serde_json::{Value, json};

use crate::harness::TestServer;

fn with_thread() -> TestServer {
    let server = TestServer::with_turns([Turn::text("Hello."), Turn::text("Hello again.")]);
    server.assistant(json!([]));
    server.runstep(&["ask", "Hi", "--assistant", "asst_abc123"]).ok();
    let again = ["ask", "Hi", "--assistant", "asst_abc123", "--thread", "thread_abc123"];
    server.runstep(&again).ok();
    server
}

fn objects(lines: &str) -> Vec<String> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["object"].as_str().unwrap().to_owned()
    };
    lines.lines().map(object).collect()
}

#[test]
fn a_thread_is_exported_with_everything() {
    let server = with_thread();
    let lines = server.runstep(&["export", "thread_abc123"]).ok();
    let message = "thread.message";
    assert_eq!(
        objects(&lines),
        [
            "thread",
            message,
            message,
            message,
            message,
            "thread.run",
            "thread.run.step",
            "thread.run",
            "thread.run.step"
        ]
    );
    let only = server.runstep(&["export", "thread_abc123", "--only", "runs,thread"]).ok();
    assert_eq!(objects(&only), ["thread", "thread.run", "thread.run"]);
}

#[test]
fn a_file_is_replaced_only_on_demand() {
    let server = with_thread();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thread.jsonl");
    let export = ["export", "thread_abc123", "--output", file.to_str().unwrap()];
    let finished = server.runstep(&export).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{finished}");
    assert_eq!(objects(&std::fs::read_to_string(&file).unwrap()).len(), 9);
    std::fs::write(&file, "mine").unwrap();
    let refused = server.runstep(&export).run();
    assert_eq!(refused.code, Some(2), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    server.runstep(&[&export[..], &["--force"]].concat()).ok();
    assert_eq!(objects(&std::fs::read_to_string(&file).unwrap()).len(), 9);
}

#[test]
fn a_failed_export_leaves_no_file() {
    let server = with_thread();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("thread.jsonl");
    let export = ["export", "thread_none", "--output", file.to_str().unwrap()];
    assert_eq!(server.runstep(&export).run().code, Some(4));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
