//! The tables, and the migrations that create them.

use rusqlite::Connection;

/// Identifies the files of this program: "RSTP".
pub(super) const APPLICATION_ID: i32 = 0x5253_5450;

/// The migrations. The `user_version` of a file is how many of them it has.
pub(super) const MIGRATIONS: [&str; 5] = [V1, V2, V3, V4, V5];

/// `seq` is the order of creation. Namespaces, threads and runs are referred to by their `seq` or
/// key. The columns of every index start with the namespace, apart from those by time, which are
/// for the expiry and the retention of what all namespaces have.
const V1: &str = "
CREATE TABLE namespaces (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE nodes (id TEXT PRIMARY KEY, lease_until INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE assistants (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    hidden TEXT NOT NULL, json TEXT NOT NULL
);
CREATE UNIQUE INDEX assistants_id ON assistants (ns, id);
CREATE INDEX assistants_list ON assistants (ns);

CREATE TABLE threads (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    json TEXT NOT NULL
);
CREATE UNIQUE INDEX threads_id ON threads (ns, id);

CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, thread INTEGER NOT NULL, id TEXT NOT NULL,
    run TEXT, version INTEGER NOT NULL, json TEXT NOT NULL
);
CREATE UNIQUE INDEX messages_id ON messages (ns, thread, id);
CREATE INDEX messages_list ON messages (ns, thread);
CREATE INDEX messages_run ON messages (ns, thread, run) WHERE run IS NOT NULL;

CREATE TABLE runs (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, thread INTEGER NOT NULL, id TEXT NOT NULL,
    version INTEGER NOT NULL, phase INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    ended_at INTEGER, has_events INTEGER NOT NULL, owner TEXT, next_event INTEGER NOT NULL, hidden TEXT NOT NULL,
    json TEXT NOT NULL
);
CREATE UNIQUE INDEX runs_id ON runs (ns, thread, id);
CREATE INDEX runs_list ON runs (ns, thread);
CREATE UNIQUE INDEX runs_active ON runs (ns, thread) WHERE phase < 4;
CREATE INDEX runs_waiting ON runs (expires_at) WHERE phase = 2;
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_events ON runs (ended_at) WHERE ended_at IS NOT NULL AND has_events;

CREATE TABLE steps (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, run INTEGER NOT NULL, id TEXT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX steps_list ON steps (ns, run);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, run INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, is_done INTEGER NOT NULL, bytes BLOB NOT NULL
);
CREATE INDEX events_list ON events (ns, run, last);

CREATE TABLE tombstones (
    ns INTEGER NOT NULL, list INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
    deleted INTEGER NOT NULL, PRIMARY KEY (ns, list, id)
) WITHOUT ROWID;
CREATE INDEX tombstones_age ON tombstones (ns, list, deleted);

CREATE TABLE requests (
    ns INTEGER NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, created_at INTEGER NOT NULL,
    response BLOB NOT NULL, PRIMARY KEY (ns, key)
);
CREATE INDEX requests_age ON requests (created_at);
";

/// Estimates the tokens of messages as the server does it for texts.
macro_rules! complete_v1 {
    () => {
        "
UPDATE messages SET tokens = (
    SELECT coalesce(sum(coalesce((length(value ->> '$.text.value') + 3) / 4, 85)), 0)
    FROM json_each(messages.json, '$.content')
) WHERE tokens = 0;
UPDATE threads SET revision = seq WHERE revision = 0;
"
    };
}

/// Tokens of messages; the revision of threads; threads that were deleted but still have rows.
const V2: &str = concat!(
    "
ALTER TABLE messages ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE threads ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE TABLE deleted_threads (seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL);
",
    complete_v1!()
);

/// The ids of objects of the model's provider.
const V3: &str = "
CREATE TABLE upstream_objects (
    seq INTEGER PRIMARY KEY, ns INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    hidden TEXT NOT NULL, json TEXT NOT NULL
);
CREATE UNIQUE INDEX upstream_objects_id ON upstream_objects (ns, id);
CREATE INDEX upstream_objects_list ON upstream_objects (ns);
";

/// Sets the number that follows those of all rows. Reads whole tables.
macro_rules! count_rows {
    () => {
        "
UPDATE sequence SET next = 1 + (SELECT coalesce(max(number), 0) FROM (
    SELECT max(seq) AS number FROM assistants UNION ALL SELECT max(seq) FROM threads
    UNION ALL SELECT max(seq) FROM upstream_objects
    UNION ALL SELECT max(seq) FROM deleted_threads UNION ALL SELECT max(seq) FROM messages
    UNION ALL SELECT max(seq) FROM runs UNION ALL SELECT max(seq) FROM steps
    UNION ALL SELECT max(seq) FROM events UNION ALL SELECT max(seq) FROM tombstones
    UNION ALL SELECT max(deleted) FROM tombstones UNION ALL SELECT max(revision) FROM threads
));
"
    };
}

/// The next `seq`, so that the start does not depend on the number of rows.
const V4: &str = concat!(
    "
CREATE TABLE sequence (next INTEGER NOT NULL);
INSERT INTO sequence (next) VALUES (1);
",
    count_rows!()
);

/// Sets what rows of earlier versions lack. Text that is not JSON has no status.
macro_rules! complete_v5 {
    () => {
        "
UPDATE runs SET status = json ->> '$.status', assistant = json ->> '$.assistant_id'
WHERE status IS NULL AND json_valid(json);
"
    };
}

/// Lists of all threads, and of the runs of all threads. The columns are members of the run.
const V5: &str = concat!(
    "
ALTER TABLE runs ADD COLUMN status TEXT;
ALTER TABLE runs ADD COLUMN assistant TEXT;
CREATE INDEX threads_list ON threads (ns);
CREATE INDEX runs_all ON runs (ns);
CREATE INDEX runs_by_id ON runs (ns, id);
CREATE INDEX runs_by_status ON runs (ns, status);
CREATE INDEX runs_by_assistant ON runs (ns, assistant);
",
    complete_v5!()
);

/// Sets what rows of an earlier version lack, also those of an export.
pub(super) const COMPLETE_V5: &str = complete_v5!();

/// Sets the next `seq` after rows were added that have one.
pub(super) const COUNT_ROWS: &str = count_rows!();

/// Sets what rows of the first version lack, also those of an export.
pub(super) const COMPLETE_V1: &str = complete_v1!();

/// Applies the migrations that a file lacks, each in a transaction.
pub(super) fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", (index + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}
