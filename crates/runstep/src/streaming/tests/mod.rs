//! Unit tests of streams. Most lose the connection, without a network: recordings of the real server
//! are played back.

mod errors_and_limits;
mod lost_connections;
mod reconciliation;
mod recording;
mod reference_decoder;
mod repeated_deltas;
mod reused_call_ids;
mod run_identification;
mod snapshot_size;
mod sse;
mod text_delta_decoder;
