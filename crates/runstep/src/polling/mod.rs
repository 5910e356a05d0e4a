//! Waits for runs: for the end of one, for each change, or for the ends of many.
//!
//! ```text
//! Poll, AndPoll ─▶ PollLoop (one run)      PollAll ─▶ PollScheduler (many runs, one request rate)
//!                      └────────── PollDelays, PollErrorPolicy ──────────┘
//! ```

mod and_poll;
mod cancel_on_drop;
mod delays;
mod ensure_idle;
mod poll;
mod poll_all;
mod poll_loop;
mod settings;
mod update;
mod updates;

pub use and_poll::{AndPoll, Pollable};
pub(crate) use and_poll::{StartRun, Wait, start_run};
pub(crate) use cancel_on_drop::CancelOnDrop;
pub(crate) use delays::PollDelays;
pub use ensure_idle::{EnsureIdle, IfActive};
pub use poll::Poll;
pub use poll_all::{PollAll, PollTarget, PolledRun};
pub(crate) use poll_loop::has_settled;
pub use settings::DEFAULT_DEADLINE;
pub(crate) use settings::PollSettings;
pub use update::RunUpdate;
pub use updates::RunUpdates;
