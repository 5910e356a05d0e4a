//! The Run and Run Step API, as its specification has it: types, and a client with a method for
//! each operation.
//!
//! This crate is made from an OpenAPI document and has nothing else in it. For polling, errors
//! that say what happened and builders use `runstep`, which is written over it.
//!
//! # What the types keep
//!
//! - An enum value or a variant of a union that the document does not list becomes `Unknown` and
//!   is written back unchanged.
//! - A property that the document does not list is ignored.
//! - A property that may be null may be absent as well. Of a run and a step also `assistant_id`,
//!   `instructions`, `metadata`, `model`, `parallel_tool_calls` and `tools` may be either, because
//!   providers were seen to leave them out; what tells one object from another may not.
//! - In what is sent, a [`Field`] may be left out or null, which are two things.
//! - A reply that does not decode is an error that names the JSON path, what was expected there and
//!   what was there.

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

pub use call::{CallOptions, ReadError, ReplyHeaders};
pub use client::{ByteStream, Client, ClientInfo, Error, ResponseValue};
pub use decode::decode;
pub use field::Field;
{exports}pub use operations::Operation;
pub use validate::{Validate, Violation, validate_range};

/// The properties that tell the objects of unions apart.
pub(crate) const TAGS: &[&str] = &[{tags}];

/// The document that this crate was made from, as JSON.
pub const OPENAPI: &str = include_str!("openapi.json");

/// The objects, enums and unions of the API.
pub mod types {
    pub use crate::enums::*;
    pub use crate::structs::*;
    pub use crate::unions::*;
}
