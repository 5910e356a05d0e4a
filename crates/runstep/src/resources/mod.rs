//! The operations of the API by resource.
//!
//! The request builders in `requests` are generated from the specification. The other modules have
//! the methods that create them, and setters that are more convenient than those of single
//! properties.

mod actions;
mod assistants;
mod custom;
mod messages;
#[rustfmt::skip]
mod requests;
mod runs;
mod steps;
mod threads;

pub(crate) use actions::ExistingRun;
pub use assistants::Assistants;
pub use custom::{BodyStream, Form, Request};
pub use messages::Messages;
pub use requests::*;
pub use runs::Runs;
pub use steps::Steps;
pub use threads::Threads;
