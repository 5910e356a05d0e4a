//! Tests of the generated crate.

mod decoding;
mod examples;
mod limits;
mod methods;
mod operations;
