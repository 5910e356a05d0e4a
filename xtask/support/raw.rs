//! Reads JSON without a type: as a value, or as the texts of its parts. The code is compiled once, in this
//! crate.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::decode_any;
use crate::json::Properties;

/// Parses JSON as a value; the same as [`decode_any`](crate::decode_any).
///
/// # Errors
///
/// Returns an error if the text is not JSON, or if [`Value`] cannot hold it.
pub fn parse_value(json: &[u8]) -> Result<Value, serde_json::Error> {
    decode_any(json)
}

/// Returns the texts of the items of a list.
///
/// # Errors
///
/// Returns an error if the text is not a JSON array.
pub fn raw_items(json: &[u8]) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_slice(json)
}

/// Returns the names and the texts of the properties of an object, in order. A name can be repeated. A lone
/// surrogate in a name is replaced.
///
/// # Errors
///
/// Returns an error if the text is not a JSON object.
pub fn raw_properties(json: &[u8]) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    serde_json::from_slice(json).map(|Properties(properties)| properties)
}
