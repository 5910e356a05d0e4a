//! A server of the Run and Run Step API for tests and for hosting. Official clients of the API work
//! with it unmodified.
//!
//! ```
//! use runstep_server::Server;
//! use runstep_server::model::{Scripted, Turn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), runstep_server::StartError> {
//! let model = Scripted::new([Turn::text("It is sunny.")]);
//! let server = Server::builder().model(model).spawn().await?;
//! let base_url = server.base_url(); // pass this to a client
//! # Ok(())
//! # }
//! ```
//!
//! The server implements the whole API: the nine operations on runs and run steps, and the
//! operations that create, list, retrieve, update and delete assistants, threads and messages.
//! All paths are available under `/` and under `/v1`. Objects are in memory, or with
//! [`ServerBuilder::data_file`] in a file.
//!
//! Operations that the original API lacks list all threads (`GET /threads`) and the runs of all
//! threads (`GET /runs`), count runs by status (`GET /runs/counts`), stream changes of runs (`GET
//! /runs/events`), and return the configuration (`GET /server`). `openapi/console.yaml` in the
//! repository specifies them.
//!
//! With [`model::Responses`], runs can use the tools `code_interpreter` and `file_search`, and clients
//! the provider's files, uploads, vector stores and models. With other models these features get a
//! 400 that names them, and so does content that the model does not support.
//!
//! # In tests
//!
//! - [`Server::builder`] with a [`model::Scripted`] defines what the model generates, a
//!   [`ManualClock`] when runs expire, and [`Faults`] which errors to inject.
//! - [`ServerBuilder::spawn`] serves on a free port; [`ServerBuilder::app`] returns an
//!   [`axum::Router`] that needs no socket.
//!
//! # In operation
//!
//! - `GET /healthz` returns 200 while the process runs, `GET /readyz` until the server shuts down,
//!   and `GET /metrics` the metrics in the Prometheus text format. The first two need no key.
//! - With [`ServerBuilder::ui`], `GET /ui/` is a page that shows threads and runs in a browser.
//! - During a [shutdown](RunningServer::shutdown) the server handles requests until its runs have
//!   ended, except for those that create runs. They get a 503 with `Retry-After`.
//! - Request bodies can be compressed with gzip. Those above 64 KiB share the memory that
//!   [`ServerBuilder::max_buffered_body_bytes`] sets, and are parsed outside of the async workers.
//!   Bodies with so many values that these would need more memory than the longest text get a 400.
//! - A request that is refused before its body was read is answered at once. The server then
//!   discards up to 64 MiB of the body, for up to 10 s, so that clients that send the whole body
//!   first receive the response.
//! - Each response has an `x-request-id`: the client's if the request had one of at most 128
//!   letters, digits and `-_.:/+=@`, else a generated one.
//! - Logs use `tracing`: the target `runstep_server::http` has one event per request, in a span
//!   with its id and operation, and `runstep_server::run` one per ended run. Keys and the content
//!   of messages are never logged.
//!
//! # Streams
//!
//! Each event has an `id:`, its number within its run. To resume a broken stream, send a `GET` of
//! the run with `Accept: text/event-stream` and the last number as `Last-Event-ID`, which is 0 to read
//! all events, also those of a run that was created without a stream. The server retains the events
//! of active runs, and of ended runs for a day ([`ServerBuilder::retain_events`]); if they
//! are gone, the response is the run, as without these headers. A stream without events gets a
//! comment every 15 s. A run continues without readers; while it executes it waits for slow
//! readers, up to half a minute in total.

#![cfg_attr(docsrs, feature(doc_cfg))]

/// Maintenance of data files: backup, check, export and import.
pub mod data {
    pub use crate::error::MaintenanceError;
    pub use crate::store::{backup, check, export, import};
}

mod clock;
mod engine;
mod error;
mod events;
mod http;
mod ids;
mod json_text;
mod limits;
mod metrics;
pub mod model;
mod operation;
mod schema;
mod server;
mod shutdown;
mod store;
mod text;

pub use clock::ManualClock;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use error::DatabaseError;
pub use error::{DataFileError, StartError};
pub use http::{Fault, Faults};
pub use limits::History;
pub use operation::Operation;
pub use server::{RunningServer, Server, ServerBuilder};
pub use store::Durability;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use store::{PostgresAddress, PostgresAddressError};
