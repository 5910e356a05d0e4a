//! The operations of the API.

pub use runstep_api::Operation;
