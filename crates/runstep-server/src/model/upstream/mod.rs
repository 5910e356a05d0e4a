//! Calls to model providers: what the models behind an HTTP endpoint share.
//!
//! A [`call`] sends a request, with retries where that is safe, and reads the response as
//! server-sent events ([`sse`]). A [`Decoder`] turns them into model events.

mod builder;
mod call;
mod error;
mod event_queue;
mod json;
mod retry;
mod settings;
mod sse;
mod tool_choice;

pub use builder::{UpstreamBuilder, UpstreamError};
pub(super) use call::{Decoder, Response, authorize, parse, read_body, start};
pub(super) use error::CallError;
pub(super) use event_queue::{EventQueue, MAX_CALLS};
pub(super) use json::{arguments, is_cut_off, token_count, without_nulls};
pub use settings::TokenLimitField;
pub(super) use settings::Upstream;
pub(super) use tool_choice::pending_choice;
