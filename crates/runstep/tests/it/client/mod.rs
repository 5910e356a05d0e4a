//! The client itself: configuration, authentication, errors and traces.

mod authentication;
mod configuration;
mod environment;
mod errors;
mod futures;
mod http_client;
mod malformed_responses;
mod public_types;
mod redirects;
mod secrets;
mod tenants;
mod traces;
