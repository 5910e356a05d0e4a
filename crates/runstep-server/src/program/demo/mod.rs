//! `--demo`: a server with sample runs, whose model plays scenes.
//!
//! | file | contents |
//! | --- | --- |
//! | `scenes.rs` | what the users ask and how the model responds |
//! | `model.rs` | the model that plays the scenes |
//! | `samples.rs` | creates assistants, threads and runs through the API |

mod model;
mod samples;
mod scenes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use runstep_server::{ManualClock, ServerBuilder};

use self::model::DemoModel;
use self::samples::Samples;
use super::error::ProgramError;

/// How long ago the first sample run was created.
const HISTORY: Duration = Duration::from_secs(3 * 60 * 60);
/// Long enough for a run to wait while a person looks at it, and shorter than the history, in which one
/// expires.
const RUN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Few, so that the samples include queued runs.
const MAX_CONCURRENT_RUNS: usize = 3;
const CLOCK_INTERVAL: Duration = Duration::from_millis(100);

/// What a demo needs besides its server.
pub(super) struct Demo {
    clock: ManualClock,
    is_live: Arc<AtomicBool>,
}

impl Demo {
    /// Configures a server. Its clock starts in the past, and the model advances it while the samples
    /// are created, so that they have different ages and durations.
    pub(super) fn configure(server: ServerBuilder) -> (Self, ServerBuilder) {
        let clock = ManualClock::starting_at(SystemTime::now() - HISTORY);
        let is_live = Arc::new(AtomicBool::new(false));
        let model = DemoModel::new(clock.clone(), Arc::clone(&is_live));
        let server = server
            .model(model)
            .clock(clock.clone())
            .run_lifetime(RUN_LIFETIME)
            .max_concurrent_runs(MAX_CONCURRENT_RUNS);
        (Self { clock, is_live }, server)
    }

    /// Creates the samples, and then runs every now and then, until the future is dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the server rejects a request.
    pub(super) async fn fill(&self, base_url: String) -> Result<Samples, ProgramError> {
        let mut samples = Samples::new(base_url).map_err(ProgramError::Demo)?;
        samples.create_history(&self.clock).await.map_err(ProgramError::Demo)?;
        self.follow_time();
        self.is_live.store(true, Ordering::Release);
        samples.start_long_runs().await.map_err(ProgramError::Demo)?;
        Ok(samples)
    }

    /// Moves the clock to the current time.
    fn follow_time(&self) {
        if let Ok(behind) = SystemTime::now().duration_since(self.clock.now()) {
            self.clock.advance(behind);
        }
    }

    /// Keeps the clock at the current time, and creates runs every now and then.
    pub(super) async fn run(&self, mut samples: Samples) {
        let clock = async {
            loop {
                tokio::time::sleep(CLOCK_INTERVAL).await;
                self.follow_time();
            }
        };
        tokio::join!(clock, samples.create_traffic());
    }
}
