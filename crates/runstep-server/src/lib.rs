//! A server of the Run and Run Step API.

pub mod model;
mod schema;
