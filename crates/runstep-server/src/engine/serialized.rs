//! Values with their JSON.

use std::ops::Deref;
use std::sync::OnceLock;

use axum::body::Bytes;
use serde::Serialize;

use super::objects;

/// A value that is serialized once between two changes, because its events and the store share the
/// text.
#[derive(Clone, Debug)]
pub(super) struct Serialized<T> {
    value: T,
    json: OnceLock<Bytes>,
}

impl<T: Serialize> Serialized<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value, json: OnceLock::new() }
    }

    /// Returns the value to change it.
    pub(super) fn change(&mut self) -> &mut T {
        self.forget_json();
        &mut self.value
    }

    pub(super) fn json(&self) -> Bytes {
        self.json_by(objects::json)
    }

    /// Returns the JSON, which this function makes of the value. It must be the same one for each call.
    pub(super) fn json_by(&self, serialize: impl FnOnce(&T) -> Bytes) -> Bytes {
        self.json.get_or_init(|| serialize(&self.value)).clone()
    }

    /// Returns the JSON and forgets it, so that it is freed together with the last copy.
    pub(super) fn take_json(&mut self) -> Bytes {
        let json = self.json();
        self.forget_json();
        json
    }

    pub(super) fn into_inner(self) -> T {
        self.value
    }

    /// Frees the JSON, which can be long.
    pub(super) fn forget_json(&mut self) {
        self.json.take();
    }
}

impl<T> Deref for Serialized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
