//! The model that uses a chat completions endpoint, against a scripted provider on loopback.

mod failures;
mod malformed_responses;
mod request_bodies;
mod responses;
mod retries;
mod runs;
mod tool_calls;
