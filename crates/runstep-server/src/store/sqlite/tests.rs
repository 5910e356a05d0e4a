use std::fs;
use std::time::Duration;

use super::open::open_writer;
use super::*;
use crate::store::object::Phase;
use crate::store::transaction::{Change, NewMessage, NewObject, NewRun, NewThread};

fn open(path: &Path) -> Result<SqliteStore, DataFileError> {
    let durability = Durability::Full;
    let metrics = StoreMetrics::default();
    let quota = MemoryQuota::new(usize::MAX, usize::MAX, Default::default());
    SqliteStore::open(path, SqliteOptions { durability, max_bytes: u64::MAX, metrics, quota })
}

fn error(path: &Path) -> DataFileError {
    open(path).err().expect("the file was opened")
}

#[test]
fn second_store_on_a_file_names_the_process_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let first = open(&path).unwrap();
    let error = error(&path);
    let process_id = std::process::id();
    assert!(
        matches!(&error, DataFileError::InUse { process_id: Some(id), .. } if *id == process_id)
    );
    let message = error.to_string();
    assert!(message.contains(&format!("in use by process {process_id}")), "{message}");
    drop(first);
    open(&path).unwrap();
}

#[test]
fn databases_of_other_programs_and_newer_versions_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1;").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    assert!(matches!(error(&path), DataFileError::OtherProgram { .. }));
    assert_eq!(fs::read(&path).unwrap(), before, "the file was changed");

    let path = directory.path().join("newer.db");
    let newer = open_writer(&path, Durability::Full).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    let error = error(&path);
    assert!(matches!(error, DataFileError::Newer { version: 99, supported: 5, .. }), "{error}");
}

#[test]
fn files_that_are_not_databases_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("text");
    fs::write(&path, "This is a text file. ".repeat(100)).unwrap();
    assert!(matches!(error(&path), DataFileError::OtherProgram { .. }));
    let directory_error = error(directory.path());
    assert!(matches!(directory_error, DataFileError::Database { .. }), "{directory_error}");
    let missing = error(&directory.path().join("missing/data.db"));
    assert!(matches!(missing, DataFileError::Io { .. }), "{missing}");
}

#[test]
fn queries_of_pages_use_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("data.db"), Durability::Full).unwrap();
    for sql in [
        "SELECT json FROM messages WHERE ns = 1 AND thread = 1 AND ?6 IS NULL AND seq > ?3
         AND seq < ?4 ORDER BY seq DESC LIMIT 5",
        "SELECT json FROM messages WHERE ns = 1 AND thread = 1 AND run = ?6 AND seq > ?3
         AND seq < ?4 ORDER BY seq ASC LIMIT 5",
        "SELECT json FROM runs WHERE ns = 1 AND thread = 1 AND seq > ?3 ORDER BY seq DESC LIMIT 5",
        "SELECT json FROM assistants WHERE ns = 1 AND seq > ?3 ORDER BY seq DESC LIMIT 5",
        "SELECT json FROM steps WHERE ns = 1 AND run = 1 AND seq > ?3 ORDER BY seq LIMIT 5",
        "SELECT id FROM runs WHERE ns = 1 AND thread = 1 AND phase < 4",
        "SELECT bytes FROM events WHERE ns = 1 AND run = 1 AND last > ?1 ORDER BY last LIMIT 1",
        "SELECT expires_at FROM runs WHERE phase = 2 ORDER BY expires_at LIMIT 1",
        "SELECT seq, tokens, json FROM messages
         WHERE ns = 1 AND thread = 1 AND seq > ?3 AND (run IS NULL OR run <> ?4)
         ORDER BY seq DESC",
        "SELECT seq FROM events WHERE ns = 1 AND run = 1 LIMIT ?3",
        "SELECT seq FROM steps WHERE ns = 1 AND run = 1 LIMIT ?3",
        "SELECT json FROM threads WHERE ns = 1 AND seq > ?3 ORDER BY seq DESC LIMIT 5",
        "SELECT ns, list, id FROM tombstones WHERE ns = 1 AND list = 1 LIMIT ?3",
    ] {
        let plan = plan(&connection, sql);
        assert!(plan.contains("INDEX"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn statements_are_not_prepared_again_for_other_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let writer = open_writer(&path, Durability::Full).unwrap();
    for connection in [&writer, &open_reader(&path).unwrap()] {
        for sql in [
            "SELECT seq FROM messages WHERE ns = ?1 AND thread = ?2 AND seq > ?3",
            "SELECT seq FROM runs WHERE ns = ?1 AND thread = ?2 AND phase < ?3",
        ] {
            let mut statement = connection.prepare(sql).unwrap();
            for value in 0..5 {
                let rows = statement.query_map([1, value, value], |row| row.get::<_, i64>(0));
                assert_eq!(rows.unwrap().count(), 0);
            }
            assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}

#[test]
fn lists_of_all_runs_use_an_index_of_the_filter() {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("data.db"), Durability::Full).unwrap();
    let status = |count: usize| vec!["failed".to_owned(); count];
    let (assistant, thread) = (Some("asst_1".to_owned()), Some("thread_1".to_owned()));
    for (filter, index) in [
        (RunFilter::default(), "runs_all"),
        (RunFilter { statuses: status(1), ..RunFilter::default() }, "runs_by_status"),
        (RunFilter { assistant, ..RunFilter::default() }, "runs_by_assistant"),
        (RunFilter { thread, ..RunFilter::default() }, "runs_list"),
    ] {
        for descending in [false, true] {
            let plan = plan(&connection, &all_runs::select(&filter, descending));
            assert!(plan.contains(&format!("INDEX {index}")), "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
    // The pages of several statuses are merged.
    let filter = RunFilter { statuses: status(2), ..RunFilter::default() };
    let plan_of_two = plan(&connection, &all_runs::select(&filter, true));
    assert_eq!(plan_of_two.matches("INDEX runs_by_status").count(), 2, "{plan_of_two}");
    let counts = plan(&connection, all_runs::COUNTS);
    assert!(counts.contains("COVERING INDEX runs_by_status"), "{counts}");
}

fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = rusqlite::params_from_iter(vec![1; statement.parameter_count()]);
    let plan = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
    plan.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn files_of_the_first_version_are_migrated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(schema::MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let text = |value: &str| format!(r#"{{"type":"text","text":{{"value":"{value}"}}}}"#);
    let image = r#"{"type":"image_url","image_url":{"url":"u"}}"#;
    let contents = [text("12345"), format!("{},{image}", text("1234")), String::new()];
    old.execute_batch(
        "INSERT INTO namespaces VALUES (1, 'a');
         INSERT INTO threads VALUES (1, 1, 'thread_1', 0, '{}');",
    )
    .unwrap();
    for (number, content) in (2..).zip(contents) {
        let json = format!(r#"{{"content":[{content}]}}"#);
        let sql = "INSERT INTO messages VALUES (?1, 1, 1, ?1, NULL, 0, ?2)";
        old.execute(sql, params![number, json]).unwrap();
    }
    drop(old);
    let store = open(&path).unwrap();
    let key = RunKey {
        namespace: Namespace::new("a"),
        thread: "thread_1".to_owned(),
        run: "run_1".to_owned(),
    };
    let query = ContextQuery { max_tokens: u64::MAX, max_messages: 9, after: None };
    let read = store.context(&key, query).await.unwrap();
    let tokens: Vec<u64> = read.messages.iter().map(|message| message.tokens).collect();
    assert_eq!(tokens, [0, 86, 2]);
}

#[tokio::test]
async fn rows_of_deleted_threads_are_removed_in_batches_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        open_reader(&path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let commit = async |store: &SqliteStore, change| {
        let namespace = Namespace::new("a");
        store.commit(Transaction { namespace, now: 0, idempotency: None, change }).await.unwrap()
    };
    let json = |id: &str| format!(r#"{{"id":"{id}","status":"queued"}}"#).into();
    let object = |id: &str| NewObject { id: id.to_owned(), json: json(id), hidden: Bytes::new() };
    let store = open(&path).unwrap();
    for thread in ["thread_1", "thread_2"] {
        let ids = (0..25).map(|number| format!("msg_{number}"));
        let messages = ids.map(|id| NewMessage { json: json(&id), id, tokens: 1 });
        let (thread, messages) = (object(thread), messages.collect());
        commit(&store, Change::CreateThread(NewThread { thread, messages })).await;
    }
    let retention = Retention { events: i64::MAX, runs: None };
    for thread in ["thread_1", "thread_2"] {
        let events = EventChunk { first: 1, last: 1, is_done: false, bytes: "e".into() };
        let run = NewRun {
            thread: thread.to_owned(),
            new_thread: None,
            messages: Vec::new(),
            run: object("run_1"),
            phase: Phase::Queued,
            expires_at: 0,
            owner: None,
            next_event: 2,
            events,
        };
        commit(&store, Change::CreateRun(Box::new(run))).await;
    }
    let (collection, id) = (Collection::Threads, "thread_1".to_owned());
    commit(&store, Change::Delete { collection, id }).await;
    assert_eq!(store.remove_expired(retention, 0, 10).await, Ok(10));
    assert_eq!((count("messages"), count("runs"), count("threads")), (40, 2, 1));
    drop(store);
    assert_eq!(check(&path).unwrap(), [] as [String; 0]);

    // The last transaction of the first store may still hold the lock.
    let store = loop {
        match open(&path) {
            Ok(store) => break store,
            Err(DataFileError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let mut removed = Vec::new();
    loop {
        match store.remove_expired(retention, 0, 10).await.unwrap() {
            0 => break,
            count => removed.push(count),
        }
    }
    // 15 messages, a run, its events, and the thread.
    assert_eq!(removed, [10, 8]);
    for (table, rows) in
        [("messages", 25), ("runs", 1), ("events", 1), ("threads", 1), ("deleted_threads", 0)]
    {
        assert_eq!(count(table), rows, "{table}");
    }
}

#[tokio::test]
async fn interrupted_migrations_are_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("old.db");
    let old = Connection::open(&path).unwrap();
    old.pragma_update(None, "journal_mode", "wal").unwrap();
    old.execute_batch(schema::MIGRATIONS[0]).unwrap();
    old.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let text = "x".repeat(1000);
    for number in 1..=200 {
        let sql = "INSERT INTO messages VALUES (?1, 1, 1, ?1, NULL, 0, ?2)";
        old.execute(sql, params![number, format!(r#"{{"content":[],"x":"{text}"}}"#)]).unwrap();
    }
    // Without a checkpoint at the end, the log has all of the migration.
    old.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    old.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let before = fs::read(&path).unwrap();
    let mut migrated = Connection::open(&path).unwrap();
    migrated.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    schema::migrate(&mut migrated, 1).unwrap();
    let mut wal = path.clone().into_os_string();
    wal.push("-wal");
    let log = fs::read(wal).unwrap();
    let mut versions = std::collections::BTreeSet::new();
    for step in 0..=20 {
        // What a kill leaves at this moment.
        let copy = directory.path().join(format!("{step}.db"));
        fs::write(&copy, &before).unwrap();
        fs::write(copy.with_extension("db-wal"), &log[..log.len() * step / 20]).unwrap();
        let killed = Connection::open(&copy).unwrap();
        let read = |sql: &str| killed.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        versions.insert(read("PRAGMA user_version"));
        drop(killed);
        drop(open(&copy).unwrap());
        let connection = open_reader(&copy).unwrap();
        let read = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(read("PRAGMA user_version"), schema::MIGRATIONS.len() as i64);
        assert_eq!(read("SELECT count(*) FROM messages"), 200);
        assert_eq!(read("SELECT next > 200 FROM sequence"), 1);
    }
    assert!(versions.contains(&1) && versions.contains(&4), "{versions:?}");
}

#[tokio::test]
async fn numbers_are_not_used_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data.db");
    let mut last = 0;
    for round in 0..3 {
        let store = loop {
            match open(&path) {
                Ok(store) => break store,
                Err(DataFileError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        for number in 0..3 {
            let id = format!("thread_{round}_{number}");
            let thread = NewObject { id, json: "{}".into(), hidden: Bytes::new() };
            let change = Change::CreateThread(NewThread { thread, messages: Vec::new() });
            let (namespace, idempotency) = (Namespace::new("a"), None);
            store.commit(Transaction { namespace, now: 0, idempotency, change }).await.unwrap();
            let sql = "SELECT max(seq), count(*) FROM threads";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            let (seq, count) = open_reader(&path).unwrap().query_row(sql, [], read).unwrap();
            assert!(seq > last);
            assert_eq!(count, round * 3 + number + 1);
            last = seq;
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn writes_to_a_deleted_or_replaced_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("data.db"), directory.path().join("moved.db"));
    let store = open(&path).unwrap();
    let create = |id: &str| {
        let object =
            NewObject { id: id.to_owned(), json: Bytes::from_static(b"{}"), hidden: Bytes::new() };
        let (namespace, change) = (Namespace::new("a"), Change::CreateAssistant(object));
        store.commit(Transaction { namespace, now: 0, idempotency: None, change })
    };
    create("1").await.unwrap();
    fs::rename(&path, &moved).unwrap();
    let is_refused = |result: Result<Committed>| {
        let text = "was deleted or replaced while the server uses it";
        matches!(result, Err(StoreError::Unavailable(message)) if message.contains(text))
    };
    assert!(is_refused(create("2").await), "deleted");
    fs::copy(&moved, &path).unwrap();
    assert!(is_refused(create("2").await), "replaced");
    assert!(store.check_health().is_err());
    fs::rename(&moved, &path).unwrap();
    create("2").await.unwrap();
    assert_eq!(store.check_health(), Ok(()));
}

/// A group that expects the transactions of other clients does not wait for ever for them.
#[tokio::test]
async fn single_transaction_is_committed_after_a_group_of_many() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("data.db")).unwrap();
    store.writer.expect_next_group(100, Duration::from_secs(3600));
    for id in ["1", "2"] {
        let object = NewObject { id: id.into(), json: "{}".into(), hidden: Bytes::new() };
        let change = Change::CreateThread(NewThread { thread: object, messages: Vec::new() });
        let namespace = Namespace::new("a");
        let transaction = Transaction { namespace, now: 0, idempotency: None, change };
        let committed = tokio::time::timeout(Duration::from_secs(60), store.commit(transaction));
        committed.await.expect("the group still waits").unwrap();
    }
}
