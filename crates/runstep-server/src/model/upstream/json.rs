//! JSON of requests and responses.

use serde::de::IgnoredAny;
use serde_json::Value;

/// Removes the members of an object that are null, but not those within its members.
pub(crate) fn without_nulls(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// Returns whether a text is the beginning of JSON. Other mistakes are the model's, and the
/// application can respond to them.
pub(crate) fn is_cut_off(json: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(json).is_err_and(|error| error.is_eof())
}

/// Returns arguments as JSON text. Some providers send an object.
pub(crate) fn arguments(arguments: Value) -> String {
    match arguments {
        Value::String(text) => text,
        Value::Null => String::new(),
        object => object.to_string(),
    }
}

/// Returns a count of tokens. Larger values cannot be one, and sums of them could overflow.
pub(crate) fn token_count(value: &Value) -> Option<u64> {
    Some(value.as_u64()?.min(u64::from(u32::MAX)))
}
