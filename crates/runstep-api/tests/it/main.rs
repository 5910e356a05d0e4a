//! Tests of the generated crate.

mod examples;
mod limits;
mod methods;
mod operations;
mod unknown_values;
