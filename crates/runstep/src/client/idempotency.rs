//! Idempotency keys.

use reqwest::header::HeaderValue;

/// Creates a random idempotency key of 128 bits. It is reused for all attempts of one request. `None` if the
/// operating system has no random numbers: a key that is not unique is worse than none.
pub(super) fn new_idempotency_key() -> Option<HeaderValue> {
    let (high, low) = (getrandom::u64().ok()?, getrandom::u64().ok()?);
    HeaderValue::try_from(format!("runstep-{high:016x}{low:016x}")).ok()
}
