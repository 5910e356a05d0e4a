//! What the benchmarks share: a server that costs little, a count of allocations, and pairs.

mod allocations;
mod events;
mod pairs;
mod server;

pub use allocations::{Allocations, Counting, allocations, held};
pub use events::{EventServer, Sending};
pub use pairs::{Comparison, Result, compare};
pub use server::Server;
