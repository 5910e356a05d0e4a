//! Waits for runs: for the end of one, for each change, or for the ends of many.
//!
//! ```text
//! Poll, and_poll ─▶ PollLoop (one run)      PollAll ─▶ PollScheduler (many runs, one request rate)
//!                      └────────── PollDelays, PollErrorPolicy ──────────┘
//! ```

mod cancel_on_drop;
mod delays;
mod ensure_idle;
mod new_steps;
mod poll;
mod poll_all;
mod poll_loop;
mod start;
mod update;
mod updates;

pub(crate) use cancel_on_drop::{CancelLate, CancelOnDrop, FINAL_CANCEL_TIMEOUT, InFlight};
pub(crate) use delays::PollDelays;
pub use ensure_idle::{EnsureIdle, EnsureIdleParams, IfActive};
pub use poll::{Poll, PollParams};
pub use poll_all::{PollAll, PollTarget, PolledRun};
pub(crate) use poll_loop::has_settled;
pub use start::WatchRun;
pub(crate) use start::poll;
#[cfg(feature = "tools")]
pub(crate) use start::{poll_until, start_run};
pub use update::RunUpdate;
pub use updates::RunUpdates;
