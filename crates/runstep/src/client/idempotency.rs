//! Idempotency keys.

use std::hash::{BuildHasher as _, RandomState};

use reqwest::header::HeaderValue;

/// Creates a random idempotency key. It is reused for all attempts of one request.
pub(super) fn new_idempotency_key() -> Option<HeaderValue> {
    let (first, second) = (RandomState::new(), RandomState::new());
    // `RandomState` keys are random per thread and incremented for each instance, so keys differ.
    let key = format!("runstep-{:016x}{:016x}", first.hash_one("first"), second.hash_one("second"));
    HeaderValue::try_from(key).ok()
}
