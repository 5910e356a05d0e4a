//! Maintenance of data files: backup, check, export and import.

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::Path;

use rusqlite::types::{Value as Column, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::open::{Durability, FileLock, check_format, open_reader, open_writer};
use super::schema::{APPLICATION_ID, COMPLETE_V1, COMPLETE_V5, COUNT_ROWS};
use crate::error::{DataFileError, MaintenanceError};

/// The format of exports.
const FORMAT: &str = "runstep-export";
const VERSION: u32 = 3;
/// How many rows are imported in a transaction.
const IMPORT_BATCH: u64 = 10_000;

/// The tables in the order of the export: rows follow those they refer to.
const TABLES: [&str; 11] = [
    "namespaces",
    "assistants",
    "upstream_objects",
    "threads",
    "deleted_threads",
    "messages",
    "runs",
    "steps",
    "events",
    "tombstones",
    "requests",
];

/// Conditions that no row may meet, with what they mean. An object that is not valid JSON has no id.
const PROBLEMS: [(&str, &str); 11] = [
    (
        "assistants WHERE iif(json_valid(json), json ->> '$.id' IS NOT id, 1)",
        "assistants are not valid",
    ),
    ("threads WHERE iif(json_valid(json), json ->> '$.id' IS NOT id, 1)", "threads are not valid"),
    (
        "messages WHERE iif(json_valid(json), json ->> '$.id' IS NOT id, 1)",
        "messages are not valid",
    ),
    ("runs WHERE iif(json_valid(json), json ->> '$.id' IS NOT id, 1)", "runs are not valid"),
    ("steps WHERE iif(json_valid(json), json ->> '$.id' IS NOT id, 1)", "run steps are not valid"),
    (
        "messages WHERE thread NOT IN (
             SELECT seq FROM threads UNION ALL SELECT seq FROM deleted_threads)",
        "messages have no thread",
    ),
    (
        "runs WHERE thread NOT IN (
             SELECT seq FROM threads UNION ALL SELECT seq FROM deleted_threads)",
        "runs have no thread",
    ),
    (
        "runs WHERE thread IN (SELECT seq FROM threads) AND iif(json_valid(json),
             phase IS NOT CASE json ->> '$.status' WHEN 'queued' THEN 0 WHEN 'in_progress' THEN 1
                 WHEN 'requires_action' THEN 2 WHEN 'cancelling' THEN 3 ELSE 4 END, 0)",
        "runs have another status than their phase",
    ),
    (
        "runs WHERE (ended_at IS NULL) <> (phase < 4) AND thread IN (SELECT seq FROM threads)",
        "runs have ended without a time, or the reverse",
    ),
    ("steps WHERE run NOT IN (SELECT seq FROM runs)", "run steps have no run"),
    ("events WHERE run NOT IN (SELECT seq FROM runs)", "events have no run"),
];

#[derive(Deserialize, Serialize)]
struct Header {
    format: String,
    version: u32,
    rows: u64,
}

#[derive(Serialize)]
struct ExportedRow<'a> {
    table: &'a str,
    row: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ImportedRow<'a> {
    table: String,
    row: Map<String, Value>,
    #[serde(borrow)]
    json: Option<&'a RawValue>,
}

/// Copies a data file while a server may use it. The copy has the state of one moment, and is on the
/// disk when the function returns. Blocks the thread.
///
/// # Errors
///
/// Returns an error if the file is not a valid data file, or if the copy exists or cannot be
/// written.
pub fn backup(from: &Path, to: &Path) -> Result<(), MaintenanceError> {
    let connection = reader(from)?;
    let target = to.to_str().ok_or_else(|| MaintenanceError::Path(to.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target])?;
    let io = |source| MaintenanceError::Io { path: to.to_owned(), source };
    File::open(to).and_then(|file| file.sync_all()).map_err(io)
}

/// Checks a data file. Returns what is wrong with it, which is nothing for a valid file. Blocks the
/// thread for as long as it takes to read the file.
///
/// # Errors
///
/// Returns an error if the file cannot be read or is not a data file.
pub fn check(path: &Path) -> Result<Vec<String>, MaintenanceError> {
    let connection = reader(path)?;
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems = rows.collect::<Result<Vec<_>, _>>()?;
    problems.retain(|row| row != "ok");
    if !problems.is_empty() {
        return Ok(problems);
    }
    inconsistencies(&connection)
}

/// Returns which rows contradict others.
fn inconsistencies(connection: &Connection) -> Result<Vec<String>, MaintenanceError> {
    let mut problems = Vec::new();
    for (condition, meaning) in PROBLEMS {
        let sql = format!("SELECT count(*) FROM {condition}");
        let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if count > 0 {
            problems.push(format!("{count} {meaning}"));
        }
    }
    Ok(problems)
}

/// Writes everything in a data file as lines of JSON, while a server may use it. `progress` is called
/// with the number of rows written, and of all rows. Blocks the thread.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or the export cannot be written.
pub fn export(
    path: &Path,
    mut output: impl Write,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), MaintenanceError> {
    let mut connection = reader(path)?;
    // All rows are those of one moment.
    let transaction = connection.transaction()?;
    let mut rows = 0;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {table}");
        rows += transaction.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    }
    write_line(&mut output, &Header { format: FORMAT.to_owned(), version: VERSION, rows })?;
    let mut written = 0;
    for table in TABLES {
        let mut statement = transaction.prepare(&format!("SELECT * FROM {table}"))?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut selected = statement.query([])?;
        while let Some(row) = selected.next()? {
            let (mut columns, mut json) = (Map::new(), None);
            for (index, name) in names.iter().enumerate() {
                let value = row.get_ref(index)?;
                match (name.as_str(), value) {
                    ("json", ValueRef::Text(text)) => json = Some(serde_json::from_slice(text)?),
                    _ => {
                        columns.insert(name.clone(), exported(value));
                    }
                }
            }
            write_line(&mut output, &ExportedRow { table, row: columns, json })?;
            written += 1;
            progress(written, rows);
        }
    }
    output.flush().map_err(MaintenanceError::Stream)
}

/// Creates a data file from an export. `progress` is called with the number of rows read, and of
/// all rows. Blocks the thread.
///
/// # Errors
///
/// Returns an error if the file exists and has data, if a server uses it, or if the export is not
/// valid. The file then has a part of the data, and servers refuse it; delete it.
pub fn import(
    path: &Path,
    input: impl BufRead,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), MaintenanceError> {
    let _lock = FileLock::acquire(path)?;
    let connection = open_writer(path, Durability::Full)?;
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM {table}");
        if connection.query_row(&sql, [], |row| row.get::<_, i64>(0))? > 0 {
            return Err(MaintenanceError::NotEmpty(path.to_owned()));
        }
    }
    let mut lines = (1_u64..).zip(input.lines());
    let invalid = |line: u64, message: String| MaintenanceError::InvalidLine { line, message };
    let header = match lines.next() {
        Some((_, line)) => line.map_err(MaintenanceError::Stream)?,
        None => String::new(),
    };
    let header: Header =
        serde_json::from_str(&header).map_err(|error| invalid(1, error.to_string()))?;
    if header.format != FORMAT || header.version > VERSION {
        let message = format!(
            "expected the format {FORMAT} in a version up to {VERSION}, but got {} {}",
            header.format, header.version
        );
        return Err(invalid(1, message));
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Until it is complete, the file is not a data file.
    connection.pragma_update(None, "application_id", 0)?;
    let mut count = 0;
    for (number, line) in lines {
        let line = line.map_err(MaintenanceError::Stream)?;
        let row: ImportedRow<'_> =
            serde_json::from_str(&line).map_err(|error| invalid(number, error.to_string()))?;
        insert(&connection, row).map_err(|message| invalid(number, message))?;
        count += 1;
        progress(count, header.rows);
        if count.is_multiple_of(IMPORT_BATCH) {
            connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
    }
    if count != header.rows {
        let message = format!("the export ends after {count} of {} rows", header.rows);
        return Err(invalid(count + 1, message));
    }
    connection.execute_batch(COMPLETE_V1)?;
    connection.execute_batch(COMPLETE_V5)?;
    connection.execute_batch(COUNT_ROWS)?;
    let problems = inconsistencies(&connection)?;
    if !problems.is_empty() {
        return Err(MaintenanceError::Inconsistent(problems));
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}

fn insert(connection: &Connection, row: ImportedRow<'_>) -> Result<(), String> {
    let ImportedRow { table, row, json } = row;
    if !TABLES.contains(&table.as_str()) {
        return Err(format!("unknown table {table:?}"));
    }
    let mut names: Vec<String> = row.keys().cloned().collect();
    let mut values =
        row.into_iter().map(|(_, value)| imported(value)).collect::<Result<Vec<_>, _>>()?;
    if let Some(json) = json {
        names.push("json".to_owned());
        values.push(Column::Text(json.get().to_owned()));
    }
    // Names of columns are identifiers.
    if let Some(name) = names
        .iter()
        .find(|name| !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
    {
        return Err(format!("invalid column {name:?}"));
    }
    let places: Vec<String> = (1..=names.len()).map(|number| format!("?{number}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), places.join(", "));
    let mut statement = connection.prepare_cached(&sql).map_err(|error| error.to_string())?;
    statement.execute(params_from_iter(values)).map_err(|error| error.to_string())?;
    Ok(())
}

/// Converts a column. Bytes become an object with hexadecimal digits, unless they are a text.
fn exported(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::json!({ "text": text }),
            Err(_) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                serde_json::json!({ "hex": hex })
            }
        },
    }
}

fn imported(value: Value) -> Result<Column, String> {
    Ok(match value {
        Value::Null => Column::Null,
        Value::Number(number) => Column::Integer(number.as_i64().ok_or("a number is too large")?),
        Value::String(text) => Column::Text(text),
        Value::Object(object) => match (object.get("text"), object.get("hex")) {
            (Some(Value::String(text)), None) => Column::Blob(text.clone().into_bytes()),
            (None, Some(Value::String(hex))) => Column::Blob(decode_hex(hex)?),
            _ => return Err("a value is neither text nor hexadecimal".to_owned()),
        },
        _ => return Err("a value has an unexpected type".to_owned()),
    })
}

fn decode_hex(hex: &str) -> Result<Vec<u8>, String> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    digits
        .map(|pair| {
            u8::from_str_radix(pair, 16).map_err(|_| format!("{pair:?} is not hexadecimal"))
        })
        .collect()
}

fn write_line(output: &mut impl Write, line: &impl Serialize) -> Result<(), MaintenanceError> {
    serde_json::to_writer(&mut *output, line)
        .map_err(std::io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .map_err(MaintenanceError::Stream)
}

fn reader(path: &Path) -> Result<Connection, MaintenanceError> {
    if !path.exists() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(MaintenanceError::Io { path: path.to_owned(), source });
    }
    let database = |error: rusqlite::Error| DataFileError::Database {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let connection = open_reader(path).map_err(database)?;
    if check_format(&connection, path)? == 0 {
        return Err(DataFileError::OtherProgram { path: path.to_owned() }.into());
    }
    Ok(connection)
}
