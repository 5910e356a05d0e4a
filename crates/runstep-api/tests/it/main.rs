//! Tests of the generated crate.

mod decoding;
mod examples;
mod fields;
mod limits;
mod methods;
mod objects;
mod odd_values;
mod operations;
mod requests;
mod tolerance;
