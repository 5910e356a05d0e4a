//! The events of runs that have ended, for those who lost their connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::EventLog;

/// How long the events of a run are kept after its end.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How many bytes are kept of all ended runs together.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Keeps the events of ended runs, for a time and up to a size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// In the order of their ends.
    logs: VecDeque<KeptLog>,
    bytes: usize,
    /// Whether a task waits to let go of them.
    attended: bool,
}

#[derive(Debug)]
struct KeptLog {
    until: Instant,
    bytes: usize,
    _log: Arc<EventLog>,
}

impl Kept {
    /// Keeps the events of a run that has ended.
    pub(crate) fn keep(&self, log: Arc<EventLog>) {
        let bytes = log.bytes();
        let mut state = self.lock();
        state.bytes += bytes;
        state.logs.push_back(KeptLog { until: Instant::now() + KEPT_FOR, bytes, _log: log });
        while state.bytes > MOST_BYTES {
            state.let_go();
        }
        if !std::mem::replace(&mut state.attended, true) {
            let kept = self.clone();
            tokio::spawn(async move { kept.attend().await });
        }
    }

    /// Lets go of all whose time is up, until there are none.
    async fn attend(&self) {
        while let Some(until) = self.due() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// When the next one is to be let go, of those whose time is not up.
    fn due(&self) -> Option<Instant> {
        let mut state = self.lock();
        while let Some(oldest) = state.logs.front() {
            if oldest.until > Instant::now() {
                return Some(oldest.until);
            }
            state.let_go();
        }
        state.logs.shrink_to_fit();
        state.attended = false;
        None
    }

    /// It is changed in steps that cannot panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn let_go(&mut self) {
        if let Some(oldest) = self.logs.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    fn log() -> (Arc<EventLog>, std::sync::Weak<EventLog>) {
        let log = Arc::new(EventLog::new(Counter::default()));
        let seen = Arc::downgrade(&log);
        (log, seen)
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_kept_for_a_minute() {
        let kept = Kept::default();
        let (first, seen_first) = log();
        kept.keep(first);
        tokio::time::sleep(KEPT_FOR - Duration::from_secs(1)).await;
        let (second, seen_second) = log();
        kept.keep(second);
        assert!(seen_first.upgrade().is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(seen_first.upgrade().is_none());
        assert!(seen_second.upgrade().is_some());
        tokio::time::sleep(KEPT_FOR).await;
        assert!(seen_second.upgrade().is_none());
        assert!(!kept.lock().attended);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_when_there_are_too_many() {
        let kept = Kept::default();
        let mut error = runstep_api::types::ErrorObject::new("x".repeat(500_000));
        error.type_ = None;
        let event = runstep_api::types::StreamEvent::Error(error);
        let seen: Vec<_> = (0..40)
            .map(|_| {
                let (log, seen) = log();
                log.push(&event);
                kept.keep(log);
                seen
            })
            .collect();
        let there = seen.iter().filter(|seen| seen.upgrade().is_some()).count();
        assert_eq!(there, MOST_BYTES / 500_100);
        assert!(seen.last().unwrap().upgrade().is_some(), "the newest");
        assert!(kept.lock().bytes <= MOST_BYTES);
    }
}
