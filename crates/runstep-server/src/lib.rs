//! A server of the Run and Run Step API, for tests and for hosting: official clients talk to it
//! unmodified.
//!
//! ```
//! use runstep_server::Server;
//! use runstep_server::model::{Scripted, Turn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), runstep_server::StartError> {
//! let model = Scripted::new([Turn::say("It is sunny.")]);
//! let server = Server::builder().model(model).spawn().await?;
//! let base_url = server.base_url(); // give this to a client
//! # Ok(())
//! # }
//! ```
//!
//! It serves the whole API: the nine operations on runs and their steps, and their companions, which
//! create, list, retrieve, update and delete assistants, threads and messages (threads have no list).
//! Paths are the same under `/` and under `/v1`. Objects are kept in memory until they are deleted.
//!
//! What it cannot honour is refused with a 400 that names it: the tools `code_interpreter` and
//! `file_search`, tool resources, attachments, and content other than text.

mod clock;
mod engine;
mod events;
mod faults;
mod http;
mod ids;
mod metrics;
pub mod model;
mod schema;
mod server;
mod store;
mod text;

pub use clock::ManualClock;
pub use faults::{Fault, Faults};
pub use http::Operation;
pub use server::{RunningServer, Server, ServerBuilder, StartError};
