//! Runs: their statuses, what they send to the model, and how they end.

mod cancellation_and_expiry;
mod lifecycle;
mod model_requests;
mod operations_by_status;
mod state_errors;
mod tool_calls;
