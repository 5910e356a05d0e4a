//! Retention of ended runs' events, for clients that lost their connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::log::EventLog;

/// How long the events of a run are retained after its end.
const RETENTION: Duration = Duration::from_secs(60);
/// The total size of the events of all ended runs.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Retains the logs of ended runs, for a time and up to a size.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetainedLogs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// In the order in which the runs ended.
    logs: VecDeque<RetainedLog>,
    bytes: usize,
    /// Whether a task is running that drops expired logs.
    has_cleanup_task: bool,
}

#[derive(Debug)]
struct RetainedLog {
    expires_at: Instant,
    bytes: usize,
    _log: Arc<EventLog>,
}

impl RetainedLogs {
    /// Retains the log of a run that has ended.
    pub(crate) fn insert(&self, log: Arc<EventLog>) {
        let bytes = log.bytes();
        let mut state = self.lock();
        state.bytes += bytes;
        let expires_at = Instant::now() + RETENTION;
        state.logs.push_back(RetainedLog { expires_at, bytes, _log: log });
        while state.bytes > MAX_BYTES {
            state.drop_oldest();
        }
        if !std::mem::replace(&mut state.has_cleanup_task, true) {
            let logs = self.clone();
            tokio::spawn(async move { logs.clean_up().await });
        }
    }

    /// Drops logs when they expire, until there are none.
    async fn clean_up(&self) {
        while let Some(expires_at) = self.drop_expired() {
            tokio::time::sleep_until(expires_at).await;
        }
    }

    /// Drops expired logs. Returns when the next one expires.
    fn drop_expired(&self) -> Option<Instant> {
        let mut state = self.lock();
        while let Some(oldest) = state.logs.front() {
            if oldest.expires_at > Instant::now() {
                return Some(oldest.expires_at);
            }
            state.drop_oldest();
        }
        state.logs.shrink_to_fit();
        state.has_cleanup_task = false;
        None
    }

    /// The state is consistent even after a panic, because no change of it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.logs.pop_front() {
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use prometheus_client::metrics::counter::Counter;
    use runstep_api::types::{ErrorObject, StreamEvent};

    use super::*;

    fn log() -> (Arc<EventLog>, Weak<EventLog>) {
        let log = Arc::new(EventLog::new(Counter::default()));
        let weak = Arc::downgrade(&log);
        (log, weak)
    }

    #[tokio::test(start_paused = true)]
    async fn logs_are_retained_for_a_minute() {
        let retained = RetainedLogs::default();
        let (first, weak_first) = log();
        retained.insert(first);
        tokio::time::sleep(RETENTION - Duration::from_secs(1)).await;
        let (second, weak_second) = log();
        retained.insert(second);
        assert!(weak_first.upgrade().is_some());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(weak_first.upgrade().is_none());
        assert!(weak_second.upgrade().is_some());
        tokio::time::sleep(RETENTION).await;
        assert!(weak_second.upgrade().is_none());
        assert!(!retained.lock().has_cleanup_task);
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_logs_are_dropped_beyond_the_size_limit() {
        let retained = RetainedLogs::default();
        let event = StreamEvent::Error(ErrorObject::new("x".repeat(500_000)));
        let logs: Vec<_> = (0..40)
            .map(|_| {
                let (log, weak) = log();
                log.push(&event);
                retained.insert(log);
                weak
            })
            .collect();
        let count = logs.iter().filter(|log| log.upgrade().is_some()).count();
        assert_eq!(count, MAX_BYTES / 500_100);
        assert!(logs.last().unwrap().upgrade().is_some(), "the newest");
        assert!(retained.lock().bytes <= MAX_BYTES);
    }
}
