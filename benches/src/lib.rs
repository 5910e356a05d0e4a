//! What the benchmarks share: a server that costs little, a count of allocations, and pairs.

mod allocations;
mod pairs;
mod server;

pub use allocations::{Allocations, Counting, allocations};
pub use pairs::{Comparison, Result, compare};
pub use server::Server;
