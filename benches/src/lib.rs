//! Shared parts of the benchmarks: fast local servers, allocation counts, and paired measurements.

mod allocations;
mod event_server;
mod fixed_response_server;
mod paired;

pub use allocations::{Allocations, CountingAllocator, allocated_bytes, allocations};
pub use event_server::{Chunking, EventServer};
pub use fixed_response_server::FixedResponseServer;
pub use paired::{Comparison, Result, compare};
