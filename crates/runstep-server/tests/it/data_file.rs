//! Limits of a data file, and maintenance.

use std::fs;
use std::path::Path;

use runstep_server::data::{self, MaintenanceError};
use runstep_server::model::{Responses, Scripted, Turn};
use runstep_server::{Durability, Server, ServerBuilder};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, fetch_metrics, run_pending_tasks};

fn builder(path: &Path) -> ServerBuilder {
    let turns = [Turn::text("Checking.").and_call("weather", json!({})), Turn::text("Sunny.")];
    let builder = Server::builder().model(Scripted::new(turns));
    builder.data_file(path).durability(Durability::Normal)
}

/// Everything that a client can read of a fixture.
async fn read_all(fixture: &Fixture, run: &Value) -> Vec<Value> {
    let mut objects = Vec::new();
    for path in [
        fixture.assistant_path(),
        fixture.thread_path(),
        fixture.messages_path(),
        fixture.runs_path(),
        fixture.run_path(run, "/steps"),
    ] {
        objects.push(fixture.client.get(&path).await.ok());
    }
    let events = fixture.client.resumed_events(&fixture.run_path(run, ""), 0).await;
    objects.extend(events.into_iter().map(|event| event.data));
    objects
}

/// A fixture with a completed run.
async fn completed_run(path: &Path) -> (Fixture, Value) {
    let client = TestClient::from_router(builder(path).app().unwrap());
    let fixture = client.create_fixture(&["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    fixture.submit_outputs(&waiting, &["sun"]).await;
    let run = fixture.wait_for_run(&waiting).await;
    assert_eq!(run["status"], "completed");
    (fixture, run)
}

#[tokio::test(start_paused = true)]
async fn backup_of_a_running_server_has_all_objects() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (fixture, run) = completed_run(&path).await;
    let copy = directory.path().join("copy.db");
    data::backup(&path, &copy).unwrap();
    let error = data::backup(&path, &copy).unwrap_err();
    assert!(matches!(error, MaintenanceError::Database(_)), "the copy was overwritten");
    assert_eq!(data::check(&copy).unwrap(), [] as [&str; 0]);
    let client = TestClient::from_router(builder(&copy).app().unwrap());
    let restored = Fixture { client, ..fixture.clone() };
    assert_eq!(read_all(&restored, &run).await, read_all(&fixture, &run).await);
}

#[tokio::test(start_paused = true)]
async fn export_can_be_imported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (fixture, run) = completed_run(&path).await;
    let client = fixture.client.with_header("idempotency-key", "key");
    let thread = client.post("/threads", json!({"metadata": {"a": "\"ä\n\u{0}"}})).await.ok();
    let (mut export, mut last) = (Vec::new(), (0, 0));
    data::export(&path, &mut export, |done, all| last = (done, all)).unwrap();
    assert_eq!(last.0, last.1);
    let lines: Vec<Value> = export
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let rows = lines.len() - 1;
    assert_eq!(lines[0], json!({"format": "runstep-export", "version": 3, "rows": rows}));
    // Objects are nested, not strings.
    assert!(lines.iter().any(|line| line["json"]["object"] == "thread.run"));

    let copy = directory.path().join("copy.db");
    data::import(&copy, &export[..], |_, _| {}).unwrap();
    let error = data::import(&copy, &export[..], |_, _| {}).unwrap_err();
    assert!(matches!(error, MaintenanceError::NotEmpty(_)), "{error}");
    assert_eq!(data::check(&copy).unwrap(), [] as [&str; 0]);
    let client = TestClient::from_router(builder(&copy).app().unwrap());
    let restored = Fixture { client, ..fixture.clone() };
    assert_eq!(read_all(&restored, &run).await, read_all(&fixture, &run).await);
    let client = restored.client.with_header("idempotency-key", "key");
    let repeated = client.post("/threads", json!({"metadata": {"a": "\"ä\n\u{0}"}})).await.ok();
    assert_eq!(repeated, thread);
}

#[tokio::test(start_paused = true)]
async fn invalid_exports_are_refused_with_their_line() {
    let directory = tempfile::tempdir().unwrap();
    let header =
        |rows| format!("{{\"format\":\"runstep-export\",\"version\":1,\"rows\":{rows}}}\n");
    let row = r#"{"table":"namespaces","row":{"key":1,"name":"a"}}"#;
    for (index, (export, line)) in [
        (String::new(), 1),
        ("{}\n".to_owned(), 1),
        ("{\"format\":\"other\",\"version\":1,\"rows\":0}\n".to_owned(), 1),
        ("{\"format\":\"runstep-export\",\"version\":4,\"rows\":0}\n".to_owned(), 1),
        (header(1), 1),
        (header(2) + row + "\nnot JSON\n", 3),
        (header(2) + row + "\n" + row + "\n", 3),
        (header(1) + "{\"table\":\"sqlite_schema\",\"row\":{}}\n", 2),
        (header(1) + "{\"table\":\"namespaces\",\"row\":{\"key) VALUES (1); --\":1}}\n", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let path = directory.path().join(format!("{index}.db"));
        let error = data::import(&path, export.as_bytes(), |_, _| {}).unwrap_err();
        let MaintenanceError::InvalidLine { line: number, .. } = error else { panic!("{error}") };
        assert_eq!(number, line, "{export}");
    }
    // More rows than a transaction has, and an invalid one.
    let path = directory.path().join("part.db");
    let rows = (1..=10_001).map(|key| {
        format!("{{\"table\":\"namespaces\",\"row\":{{\"key\":{key},\"name\":\"{key}\"}}}}\n")
    });
    let export = header(10_002) + &rows.collect::<String>() + "{}";
    data::import(&path, export.as_bytes(), |_, _| {}).unwrap_err();
    assert!(builder(&path).app().is_err(), "a server uses a part of the data");
}

#[tokio::test(start_paused = true)]
async fn exports_whose_rows_contradict_each_other_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (_fixture, _run) = completed_run(&path).await;
    let mut export = Vec::new();
    data::export(&path, &mut export, |_, _| {}).unwrap();
    let export = String::from_utf8(export).unwrap();
    let lines: Vec<&str> = export.lines().collect();
    let position = |table: &str| {
        let start = format!("{{\"table\":\"{table}\"");
        lines.iter().position(|line| line.starts_with(&start)).unwrap()
    };
    let tampered = |table: &str, change: &dyn Fn(&mut Value)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let line = &mut lines[position(table)];
        let mut row: Value = serde_json::from_str(line).unwrap();
        change(&mut row);
        *line = row.to_string();
        lines.join("\n")
    };
    let without_thread = {
        let mut lines: Vec<&str> = lines.clone();
        lines.remove(position("threads"));
        let header = json!({"format": "runstep-export", "version": 2, "rows": lines.len() - 1});
        let header = header.to_string();
        lines[0] = &header;
        lines.join("\n")
    };
    let replaced = |pointer: &'static str, value: Value| {
        move |row: &mut Value| *row.pointer_mut(pointer).unwrap() = value.clone()
    };
    for (index, (export, problem)) in [
        (without_thread, "have no thread"),
        (tampered("assistants", &replaced("/row/id", json!("asst_other"))), "1 assistants are"),
        (tampered("messages", &replaced("/json", json!([1]))), "1 messages are not valid"),
        (tampered("steps", &replaced("/row/run", json!(12345))), "1 run steps have no run"),
        (tampered("runs", &replaced("/json/status", json!("queued"))), "another status"),
        (tampered("runs", &replaced("/row/phase", json!(0))), "another status"),
        (tampered("runs", &replaced("/row/ended_at", json!(null))), "without a time"),
    ]
    .into_iter()
    .enumerate()
    {
        let copy = directory.path().join(format!("{index}.db"));
        let error = data::import(&copy, export.as_bytes(), |_, _| {}).unwrap_err();
        assert!(matches!(error, MaintenanceError::Inconsistent(_)), "{index}: {error}");
        assert!(error.to_string().contains(problem), "{index}: {error}");
    }
}

#[test]
fn damaged_files_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    assert!(matches!(data::check(&path), Err(MaintenanceError::Io { .. })));
    fs::write(&path, "This is not a database. ".repeat(100)).unwrap();
    assert!(matches!(data::check(&path), Err(MaintenanceError::DataFile(_))));
}

#[tokio::test(start_paused = true)]
async fn full_data_file_rejects_creation_until_objects_are_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 600_000;
    let builder = builder(&directory.path().join("data.db")).max_data_bytes(limit);
    let client = TestClient::from_router(builder.app().unwrap());
    let fixture = client.create_fixture(&[]).await;
    let large = client.create_thread(&"x".repeat(200_000)).await;
    client.create_thread(&"x".repeat(200_000)).await;
    client.create_thread(&"x".repeat(200_000)).await;
    let reason = format!("the objects use all {limit} bytes of their data file; delete some");
    for (path, body) in [
        ("/assistants".to_owned(), json!({"model": "m"})),
        ("/threads".to_owned(), json!({})),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        (fixture.messages_path(), json!({"role": "user", "content": "Hi"})),
        (fixture.thread_path(), json!({"metadata": {"a": "b"}})),
    ] {
        client.post(&path, body).await.expect_rate_limit(&reason);
    }
    client.get(&fixture.messages_path()).await.ok();
    client.delete(&format!("/threads/{large}")).await.ok();
    // The rows are removed in the background.
    while client.post("/threads", json!({})).await.status == 429 {
        run_pending_tasks().await;
    }
    let metrics = fetch_metrics(&client).await;
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("runstep_data_bytes "));
    let bytes: u64 = gauge.unwrap().parse().unwrap();
    assert!((200_000..limit).contains(&bytes), "{bytes}");
    assert!(metrics.contains("\nrunstep_commit_transactions_count "), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn limit_of_the_data_is_exceeded_by_one_request_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let limit = 1_000_000;
    let builder = builder(&directory.path().join("data.db")).max_data_bytes(limit);
    let client = TestClient::from_router(builder.app().unwrap());
    let text = "x".repeat(100_000);
    let body = json!({"messages": [{"role": "user", "content": text}]});
    // All in few groups of transactions.
    let requests = (0..60).map(|_| client.post("/threads", body.clone()));
    let responses = futures_util::future::join_all(requests).await;
    let accepted = responses.iter().filter(|response| response.status == 200).count();
    assert!((1..=10).contains(&accepted), "{accepted}");
    assert!(responses.iter().all(|response| [200, 429].contains(&response.status.as_u16())));
    let metrics = fetch_metrics(&client).await;
    let gauge = metrics.lines().find_map(|line| line.strip_prefix("runstep_data_bytes "));
    let bytes: u64 = gauge.unwrap().parse().unwrap();
    assert!((limit..limit + 150_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn torn_log_loses_only_the_last_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let client = TestClient::from_router(builder(&path).app().unwrap());
    let mut threads = Vec::new();
    for _ in 0..10 {
        threads.push(client.create_thread("Hello").await);
    }
    let full = fs::read(path.with_extension("db-wal")).unwrap();
    let mut counts = Vec::new();
    // The first lengths are in the middle of the migration.
    for step in 0..=24 {
        let copy = directory.path().join(format!("{step}.db"));
        fs::copy(&path, &copy).unwrap();
        fs::write(copy.with_extension("db-wal"), &full[..full.len() * step / 24]).unwrap();
        let client = TestClient::from_router(builder(&copy).app().unwrap());
        let mut found = Vec::new();
        for thread in &threads {
            found.push(client.get(&format!("/threads/{thread}")).await.status == 200);
        }
        let count = found.iter().filter(|found| **found).count();
        assert!(found[..count].iter().all(|found| *found), "not a prefix: {found:?}");
        assert_eq!(data::check(&copy).unwrap(), [] as [&str; 0]);
        client.create_thread("Hello").await;
        counts.push(count);
    }
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!((counts[0], counts[24]), (0, 10));
}

#[tokio::test]
async fn corrupted_pages_are_reported_and_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let (fixture, run) = completed_run(&path).await;
    for _ in 0..100 {
        fixture.client.create_thread(&"x".repeat(2000)).await;
    }
    let copy = directory.path().join("copy.db");
    data::backup(&path, &copy).unwrap();
    let intact = fs::read(&copy).unwrap();
    let pages = intact.len() / 4096;
    let mut reported = 0;
    for page in 1..pages.min(60) {
        let mut damaged = intact.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        let copy = directory.path().join(format!("{page}.db"));
        fs::write(&copy, damaged).unwrap();
        let problems = data::check(&copy);
        assert!(!matches!(&problems, Ok(problems) if problems.is_empty()), "page {page}");
        reported += 1;
        let Ok(app) = builder(&copy).app() else { continue };
        // A read returns the object, that it is missing, or that the data is not available.
        let request = axum::http::Request::get(fixture.run_path(&run, ""));
        let request = request.body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
        assert!([200, 404, 503].contains(&response.status().as_u16()), "{response:?}");
    }
    assert!(reported > 20, "{reported}");
}

#[tokio::test(start_paused = true)]
async fn tools_of_another_model_are_rejected_when_a_run_is_created() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    // No request reaches the provider.
    let model = Responses::builder("http://127.0.0.1:1/v1").build().unwrap();
    let builder = |path: &Path| Server::builder().data_file(path).durability(Durability::Normal);
    let client = TestClient::from_router(builder(&path).model(model).app().unwrap());
    let assistant = client.create_assistant(json!({"tools": [{"type": "file_search"}]})).await;
    let thread = client.create_thread("Hello there").await;
    let copy = directory.path().join("copy.db");
    data::backup(&path, &copy).unwrap();
    let client = TestClient::from_router(builder(&copy).app().unwrap());
    let fixture = Fixture { client, assistant, thread };
    let feature = "the tool 'file_search' without --upstream-api responses";
    fixture.try_create_run(json!({})).await.expect_unsupported("tools", feature);
    // Other tools replace those of the assistant.
    let run = fixture.create_run_and_wait(json!({"tools": []})).await;
    assert_eq!(run["status"], "completed");
}
