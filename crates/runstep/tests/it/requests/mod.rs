//! Requests and responses of each operation.

mod arguments;
mod custom;
mod limits;
mod options;
mod pagination;
mod path_ids;
mod responses;
mod tolerant_responses;
mod wire_format;
