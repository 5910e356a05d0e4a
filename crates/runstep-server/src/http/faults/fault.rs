//! Descriptions of faults.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::operation::Operation;

/// The faults that a server injects. Clones share them, so a test can add faults while the server
/// runs.
///
/// ```
/// use runstep_server::{Fault, Faults, Operation, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), runstep_server::StartError> {
/// let faults = Faults::new([Fault::server_error().on(Operation::RetrieveRun).times(2)]);
/// let server = Server::builder().faults(faults.clone()).spawn().await?;
/// faults.add(Fault::cut_after_events(5).on(Operation::CreateRun));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether the list may contain faults. If not, requests skip the lock.
    active: AtomicBool,
    faults: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Creates a list of faults. If several apply to a request, all are injected, up to the first
    /// that prevents the others.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let all = Self::default();
        faults.into_iter().for_each(|fault| all.add(fault));
        all
    }

    /// Adds a fault for the following requests.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
        self.0.active.store(true, Ordering::Release);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.lock().clear();
        self.0.active.store(false, Ordering::Release);
    }

    /// Returns the faults that apply to a request, and counts their use.
    pub(super) fn take(&self, operation: Option<Operation>) -> Vec<Kind> {
        if !self.0.active.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.lock().iter_mut().filter_map(|fault| fault.take(operation)).collect()
    }

    /// The list is consistent even after a panic, because each fault changes in one step.
    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fault. By default it applies to every request.
#[derive(Clone, Debug)]
#[must_use = "a fault has no effect until it is added to the faults of a server"]
pub struct Fault {
    kind: Kind,
    /// Empty means all.
    operations: Vec<Operation>,
    skip: usize,
    times: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Delay(Duration),
    RateLimit(Duration),
    ServerError,
    CutAfterBytes(usize),
    CutAfterEvents(usize),
    MalformedJson,
    MalformedEvent(usize),
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self { kind, operations: Vec::new(), skip: 0, times: usize::MAX }
    }

    /// Delays the request before the server handles it.
    pub fn delay(delay: Duration) -> Self {
        Self::new(Kind::Delay(delay))
    }

    /// Responds with a 429 and a `Retry-After` in whole seconds, rounded up. The request has no
    /// effect.
    pub fn rate_limit(retry_after: Duration) -> Self {
        Self::new(Kind::RateLimit(retry_after))
    }

    /// Responds with a 500. The request has no effect.
    pub fn server_error() -> Self {
        Self::new(Kind::ServerError)
    }

    /// Closes the connection after `count` bytes of the response body. The request takes effect.
    pub fn cut_after_bytes(count: usize) -> Self {
        Self::new(Kind::CutAfterBytes(count))
    }

    /// Closes the connection after `count` events of a stream. Does not apply to other responses.
    pub fn cut_after_events(count: usize) -> Self {
        Self::new(Kind::CutAfterEvents(count))
    }

    /// Removes the last byte of a response, which makes it invalid JSON. Does not apply to streams.
    pub fn malformed_json() -> Self {
        Self::new(Kind::MalformedJson)
    }

    /// Removes the last byte of the data of one event, counted from 1, which makes it invalid JSON.
    /// The stream continues. Does not apply to other responses.
    pub fn malformed_event(number: usize) -> Self {
        Self::new(Kind::MalformedEvent(number))
    }

    /// Restricts the fault to an operation. Several calls allow several operations.
    pub fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Skips the first `requests` that the fault would apply to.
    pub fn after(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Limits how many times the fault is injected. Default: no limit.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn take(&mut self, operation: Option<Operation>) -> Option<Kind> {
        let applies = self.operations.is_empty()
            || operation.is_some_and(|operation| self.operations.contains(&operation));
        if !applies {
            return None;
        }
        if let Some(skip) = self.skip.checked_sub(1) {
            self.skip = skip;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_skips_requests_and_is_injected_a_limited_number_of_times() {
        let faults = Faults::new([Fault::server_error()
            .on(Operation::CreateRun)
            .on(Operation::CancelRun)
            .after(1)
            .times(2)]);
        let injected = |operation| faults.take(operation).len();
        assert_eq!(injected(None), 0);
        assert_eq!(injected(Some(Operation::ListRuns)), 0);
        assert_eq!(injected(Some(Operation::CreateRun)), 0, "skipped");
        assert_eq!(injected(Some(Operation::CancelRun)), 1);
        assert_eq!(injected(Some(Operation::CreateRun)), 1);
        assert_eq!(injected(Some(Operation::CreateRun)), 0, "used up");
    }

    #[test]
    fn several_faults_apply_at_once_until_they_are_cleared() {
        let faults = Faults::default();
        assert_eq!(faults.take(None), []);
        let second = Duration::from_secs(1);
        let clone = faults.clone();
        clone.add(Fault::delay(second));
        clone.add(Fault::malformed_json());
        assert_eq!(faults.take(None), [Kind::Delay(second), Kind::MalformedJson]);
        clone.clear();
        assert_eq!(faults.take(None), []);
    }
}
