//! Types and client of the Run and Run Step API, with a method for each operation.
//!
//! This crate is generated from an OpenAPI document. The crate `runstep` adds builders, retries,
//! polling, streaming and detailed errors.
//!
//! # Compatibility
//!
//! - An enum value or a union variant that the document does not list becomes `Unknown`, and is
//!   serialized unchanged, except for numbers that [`serde_json::Value`] cannot hold exactly.
//! - A property that the document does not list is kept, and serialized unchanged: see `other()` of
//!   each object.
//! - In responses, only the properties are required without which an object is useless, such as its
//!   ID. Any other property may be absent or null, since many servers omit some: it is an `Option`, or
//!   an empty list, map or text.
//! - A value of the wrong kind loses nothing but itself: see [`decode`].
//! - In requests, a [`Field`] distinguishes absent from null.
//! - If a response does not decode, the error names the JSON path, the expected type and the actual
//!   value.
//! - Types have no limits, so any value decodes. [`Validate`] checks request bodies.
{skipped}
{allow}mod call;
#[rustfmt::skip]
mod client;
mod decode;
#[rustfmt::skip]
mod decoding;
#[rustfmt::skip]
mod enums;
mod events;
mod field;
mod json;
mod json_object;
#[rustfmt::skip]
mod limits;
{methods}mod mismatch;
mod object;
mod object_reader;
mod open_enum;
mod operation;
#[rustfmt::skip]
mod operations;
mod other;
mod property_reader;
mod property_writer;
mod raw;
mod reader;
mod slot;
#[rustfmt::skip]
mod structs;
mod tagged_object;
mod tolerant_reader;
mod union;
#[rustfmt::skip]
mod unions;
mod validate;
mod wire;

pub use call::{CallOptions, ReadError, ResponseHeaders, accept_events, extend_body, read_body};
pub use client::{ByteStream, Client, ClientInfo, Error, ResponseValue};
pub use decode::{decode, decode_any, decode_value, encode, encode_into};
pub use field::Field;
pub use json_object::JsonObject;
{exports}pub use operations::Operation;
pub use raw::{parse_value, raw_items, raw_properties};
pub use validate::{Validate, Violation, validate_range};
pub use wire::Decode;

/// The discriminators of unions.
pub(crate) const DISCRIMINATORS: &[&str] = &[{discriminators}];

/// The OpenAPI document, as JSON.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The types of the API.
pub mod types {
    pub use crate::enums::*;
    pub use crate::structs::*;
    pub use crate::unions::*;
}
