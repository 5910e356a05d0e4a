//! Shared parts of the benchmarks: fast local servers, allocation counts, and paired measurements.

mod allocations;
mod event_server;
mod fixed_reply_server;
mod paired;

pub use allocations::{Allocations, CountingAllocator, allocated_bytes, allocations};
pub use event_server::{Chunking, EventServer};
pub use fixed_reply_server::FixedReplyServer;
pub use paired::{Comparison, Result, compare};
