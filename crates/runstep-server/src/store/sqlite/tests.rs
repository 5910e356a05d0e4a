use std::fs;

use super::open::open_writer;
use super::*;

fn open(path: &Path) -> Result<SqliteStore, DataFileError> {
    let durability = Durability::Full;
    let metrics = StoreMetrics::default();
    SqliteStore::open(path, SqliteOptions { durability, max_bytes: u64::MAX, metrics })
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
    assert!(matches!(error, DataFileError::Newer { version: 99, supported: 1, .. }), "{error}");
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
    ] {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = statement.parameter_count();
        let values = rusqlite::params_from_iter(vec![1; parameters]);
        let plan = statement.query_map(values, |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<String> = plan.map(Result::unwrap).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("INDEX"), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
