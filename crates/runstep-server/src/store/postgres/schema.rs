//! The schema, and its migrations.

use tokio_postgres::Client;

use crate::error::DatabaseError;

/// The migrations. They only add, or replace functions by equivalent ones: during an upgrade, nodes of
/// one version work on the schema of the next, and can be started on it. The version of a database is
/// how many of them it has.
const MIGRATIONS: [&[&str]; 5] = [
    &[include_str!("tables_1.sql"), include_str!("functions_1.sql")],
    &[include_str!("upstream_2.sql")],
    &[include_str!("functions_3.sql")],
    &[include_str!("lists_4.sql")],
    &[include_str!("context_5.sql")],
];

/// The key of the advisory lock that nodes hold while they migrate: "runstep" as a number.
const LOCK: i64 = 0x72_756e_7374_6570;

/// Creates or upgrades the schema. Only one node does it at a time; the others wait.
pub(super) async fn migrate(client: &mut Client, schema: &str) -> Result<(), DatabaseError> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    transaction.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
    let is_empty = "SELECT NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1)";
    let is_empty: bool = transaction.query_one(is_empty, &[&schema]).await?.get(0);
    if is_empty {
        transaction.batch_execute("CREATE TABLE schema_version (version integer NOT NULL)").await?;
        transaction.execute("INSERT INTO schema_version VALUES (0)", &[]).await?;
    }
    let is_ours = "SELECT to_regclass('schema_version') IS NOT NULL";
    if !transaction.query_one(is_ours, &[]).await?.get::<_, bool>(0) {
        return Err(DatabaseError::OtherProgram);
    }
    let version: i32 =
        transaction.query_one("SELECT version FROM schema_version", &[]).await?.get(0);
    let version = usize::try_from(version).unwrap_or_default();
    let supported = MIGRATIONS.len();
    if version > supported + 1 {
        return Err(DatabaseError::Newer { version, supported: supported + 1 });
    }
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.batch_execute(&migration.concat()).await?;
    }
    if version < supported {
        let supported = i32::try_from(supported).unwrap_or(i32::MAX);
        transaction.execute("UPDATE schema_version SET version = $1", &[&supported]).await?;
    }
    Ok(transaction.commit().await?)
}
