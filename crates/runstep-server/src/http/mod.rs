//! The API over HTTP: routes, authentication, validation, responses and middleware.

mod access;
mod app;
mod browser_guard;
mod caller;
mod cors;
mod error;
mod event_stream;
mod faults;
mod health;
mod input;
mod request_context;
mod response;
mod router;
mod routes;

pub(crate) use access::Access;
pub(crate) use app::App;
pub(crate) use cors::AllowedOrigins;
pub use faults::{Fault, Faults};
pub(crate) use router::router;
