//! Idempotency keys.

use std::hash::{BuildHasher as _, RandomState};

use reqwest::header::HeaderValue;

/// Returns a key that is unique to a request and stays the same for its retries.
pub(super) fn new_idempotency_key() -> Option<HeaderValue> {
    let (first, second) = (RandomState::new(), RandomState::new());
    // The keys of `RandomState` are random for the process and incremented within it.
    let key = format!("runstep-{:016x}{:016x}", first.hash_one("first"), second.hash_one("second"));
    HeaderValue::try_from(key).ok()
}
