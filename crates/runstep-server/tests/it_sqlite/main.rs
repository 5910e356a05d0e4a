//! The integration tests of `it` that depend on the store, with the store in a file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../it/console/mod.rs"]
mod console;
#[path = "../it/deletion.rs"]
mod deletion;
#[allow(dead_code, unused_imports, reason = "other tests of `it` use the rest of the harness")]
#[path = "../it/harness/mod.rs"]
mod harness;
#[path = "../it/idempotency.rs"]
mod idempotency;
#[path = "../it/limits.rs"]
mod limits;
#[path = "../it/manual_clock.rs"]
mod manual_clock;
#[path = "../it/objects.rs"]
mod objects;
#[path = "../it/pagination.rs"]
mod pagination;
#[path = "../it/responses/mod.rs"]
mod responses;
#[path = "../it/routing.rs"]
mod routing;
#[path = "../it/runs/mod.rs"]
mod runs;
#[path = "../it/streaming/mod.rs"]
mod streaming;
#[path = "../it/unknown_paths_and_ids.rs"]
mod unknown_paths_and_ids;

/// Whether the servers under test keep their objects in a file.
const HAS_DATA_FILE: bool = true;
