//! The API over HTTP: routes, authentication, validation, responses and middleware.

mod access;
mod api_path;
mod body;
mod browser_guard;
mod caller;
mod console_routes;
mod cors;
mod error;
mod event_stream;
mod faults;
mod head_errors;
mod health;
mod query;
mod request_context;
mod response;
mod router;
mod routes;
mod server_info;
mod state;
mod ui;
mod upstream_ownership;
mod upstream_routes;

pub(crate) use access::Access;
pub(crate) use cors::AllowedOrigins;
pub use faults::{Fault, Faults};
pub(crate) use head_errors::HeadErrors;
pub(crate) use router::router;
pub(crate) use server_info::{DataInfo, LimitInfo, ModelInfo, RunInfo, ServerInfo};
pub(crate) use state::ServerState;
