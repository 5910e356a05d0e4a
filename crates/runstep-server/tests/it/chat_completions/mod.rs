//! A model behind a chat completions endpoint: what it sends, what it makes of replies, and how a
//! run ends by them. The provider is a socket of this machine that plays a script.

mod failures;
mod malformed_responses;
mod request_bodies;
mod responses;
mod retries;
mod runs;
mod tool_calls;
mod upstream;
