//! Types and client of the Run and Run Step API, with a method for each operation.
//!
//! This crate is generated from an OpenAPI document. The crate `runstep` adds builders, retries,
//! polling, streaming and detailed errors.
//!
//! # Compatibility
//!
//! - An enum value or a union variant that the document does not list becomes `Unknown`, and is
//!   serialized unchanged.
//! - A property that the document does not list is ignored.
//! - A nullable property may also be absent. In runs and steps, `assistant_id`, `instructions`,
//!   `metadata`, `model`, `parallel_tool_calls` and `tools` may be absent or null, since some
//!   providers omit them. Properties that identify an object are required.
//! - In requests, a [`Field`] distinguishes absent from null.
//! - If a response does not decode, the error names the JSON path, the expected type and the actual
//!   value.
//! - Types have no limits, so any value decodes. [`Validate`] checks request bodies.

mod call;
#[rustfmt::skip]
mod client;
mod decode;
#[rustfmt::skip]
mod enums;
mod events;
mod field;
#[rustfmt::skip]
mod limits;
{methods}mod open_enum;
mod operation;
#[rustfmt::skip]
mod operations;
#[rustfmt::skip]
mod structs;
mod tagged_object;
mod union;
#[rustfmt::skip]
mod unions;
mod validate;

pub use call::{CallOptions, ReadError, ResponseHeaders};
pub use client::{ByteStream, Client, ClientInfo, Error, ResponseValue};
pub use decode::decode;
pub use field::Field;
{exports}pub use operations::Operation;
pub use validate::{Validate, Violation, validate_range};

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
