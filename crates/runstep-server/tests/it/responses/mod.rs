//! The model that uses a provider's responses endpoint, and the built-in tools of such a provider.

mod built_in_tools;
mod event_table;
mod failures;
mod history;
mod objects;
mod ownership;
mod pass_through;
mod provider;
mod request_bodies;
mod streams;
mod tool_resources;
