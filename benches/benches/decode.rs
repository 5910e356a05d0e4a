//! Measures decoding of a run and of a text delta, without HTTP.
//!
//! Run it with `cargo bench --bench decode` in the folder of this package. The benchmark fails on
//! errors, never on slowness.

use std::hint::black_box;
use std::time::{Duration, Instant};

use runstep_api::types::{Run, StreamEvent};
use runstep_benches::{CountingAllocator, Result, allocations};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const RUN: &str = include_str!("run.json");
const DELTA: &str = r#"{"id":"msg_abc123abc123abc123abc123","object":"thread.message.delta","delta":{"content":[{"index":0,"type":"text","text":{"value":" word"}}]}}"#;
/// Decoded values per round.
const VALUES: u32 = 20_000;
const ROUNDS: u32 = 25;

fn main() -> Result<()> {
    println!("{:<40} {:>9}  allocations", "", "time");
    let run = || Ok(drop(black_box(runstep_api::decode::<Run>(black_box(RUN.as_bytes()))?)));
    measure("a run", run)?;
    let run = || Ok(drop(black_box(serde_json::from_str::<Run>(black_box(RUN))?)));
    measure("a run, by serde_json", run)?;
    let delta = || Ok(drop(black_box(StreamEvent::decode("thread.message.delta", black_box(DELTA))?)));
    measure("a text delta", delta)?;
    let run: Run = runstep_api::decode(RUN.as_bytes())?;
    measure("a run, encoded", || Ok(drop(black_box(runstep_api::encode(black_box(&run))))))?;
    Ok(())
}

/// Prints the shortest time of a call in all rounds: other processes only add to it.
fn measure(name: &str, call: impl Fn() -> Result<()>) -> Result<()> {
    let mut shortest = Duration::MAX;
    let before = allocations();
    call()?;
    let allocations = allocations() - before;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..VALUES {
            call()?;
        }
        shortest = shortest.min(start.elapsed());
    }
    let nanoseconds = shortest.as_nanos() / u128::from(VALUES);
    println!("{name:<40} {nanoseconds:>6} ns  {} with {} bytes", allocations.count, allocations.bytes);
    Ok(())
}
