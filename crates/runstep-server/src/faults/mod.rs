//! Faults that a server makes on purpose, so that users can test how their programs bear them.

mod body;
mod make;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::http::Operation;
pub(crate) use make::make;

/// The faults of a server. Clones share them, so that a test can add some while the server runs.
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
    /// Whether there are any: without, requests need not wait for the lock.
    some: AtomicBool,
    faults: Mutex<Vec<Fault>>,
}

impl Faults {
    /// These faults. When several apply to a request, they are all made; where that cannot be, the
    /// first goes.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        let all = Self::default();
        faults.into_iter().for_each(|fault| all.add(fault));
        all
    }

    /// Adds one, from the next request on.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
        self.0.some.store(true, Ordering::Release);
    }

    /// Makes no more faults.
    pub fn clear(&self) {
        self.lock().clear();
        self.0.some.store(false, Ordering::Release);
    }

    /// What is to be done to a request, and noted as done.
    fn take(&self, operation: Option<Operation>) -> Vec<Kind> {
        if !self.0.some.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.lock().iter_mut().filter_map(|fault| fault.take(operation)).collect()
    }

    /// Each fault is changed in one step, so that a panic elsewhere is no harm.
    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that goes wrong: with every request, unless told.
#[derive(Clone, Debug)]
#[must_use = "a fault is made once a server is given it"]
pub struct Fault {
    kind: Kind,
    /// None means all.
    operations: Vec<Operation>,
    spared: usize,
    times: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
        Self { kind, operations: Vec::new(), spared: 0, times: usize::MAX }
    }

    /// The request has to wait before the server takes it.
    pub fn delay(wait: Duration) -> Self {
        Self::new(Kind::Delay(wait))
    }

    /// The request is refused with status 429, and a `Retry-After` in whole seconds, rounded up. It
    /// has no effect.
    pub fn rate_limit(retry_after: Duration) -> Self {
        Self::new(Kind::RateLimit(retry_after))
    }

    /// The request gets a status 500 and has no effect.
    pub fn server_error() -> Self {
        Self::new(Kind::ServerError)
    }

    /// The connection breaks after so many bytes of the reply's body. The request has its effect.
    pub fn cut_after_bytes(count: usize) -> Self {
        Self::new(Kind::CutAfterBytes(count))
    }

    /// The connection breaks after so many events of a stream. Other replies are left alone.
    pub fn cut_after_events(count: usize) -> Self {
        Self::new(Kind::CutAfterEvents(count))
    }

    /// The reply lacks its last byte, and so is no JSON. Streams are left alone.
    pub fn malformed_json() -> Self {
        Self::new(Kind::MalformedJson)
    }

    /// The data of the event of this number, from 1, lacks its last byte, and so is no JSON. The
    /// stream goes on. Other replies are left alone.
    pub fn malformed_event(number: usize) -> Self {
        Self::new(Kind::MalformedEvent(number))
    }

    /// Only with this operation. Said several times, with any of them.
    pub fn on(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Not with the first so many requests that it applies to.
    pub fn after(mut self, requests: usize) -> Self {
        self.spared = requests;
        self
    }

    /// Only so many times.
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
        if let Some(spared) = self.spared.checked_sub(1) {
            self.spared = spared;
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
    fn a_fault_is_made_after_those_it_spares_and_only_so_many_times() {
        let faults = Faults::new([Fault::server_error()
            .on(Operation::CreateRun)
            .on(Operation::CancelRun)
            .after(1)
            .times(2)]);
        let made = |operation| faults.take(operation).len();
        assert_eq!(made(None), 0);
        assert_eq!(made(Some(Operation::ListRuns)), 0);
        assert_eq!(made(Some(Operation::CreateRun)), 0, "spared");
        assert_eq!(made(Some(Operation::CancelRun)), 1);
        assert_eq!(made(Some(Operation::CreateRun)), 1);
        assert_eq!(made(Some(Operation::CreateRun)), 0, "used up");
    }

    #[test]
    fn several_apply_at_once_until_they_are_cleared() {
        let faults = Faults::default();
        assert_eq!(faults.take(None), []);
        let second = Duration::from_secs(1);
        let same = faults.clone();
        same.add(Fault::delay(second));
        same.add(Fault::malformed_json());
        assert_eq!(faults.take(None), [Kind::Delay(second), Kind::MalformedJson]);
        same.clear();
        assert_eq!(faults.take(None), []);
    }
}
