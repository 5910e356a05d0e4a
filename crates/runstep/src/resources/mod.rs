//! The operations of the API as request builders, by resource.

mod assistants;
pub(crate) mod macros;
mod messages;
mod request;
mod runs;
#[rustfmt::skip]
mod setters;
mod steps;
mod threads;

pub use assistants::{
    Assistants, CreateAssistant, DeleteAssistant, ListAssistants, RetrieveAssistant,
    UpdateAssistant,
};
pub use messages::{
    CreateMessage, DeleteMessage, ListMessages, Messages, RetrieveMessage, UpdateMessage,
};
pub use request::{BodyStream, Form, Request};
pub use runs::{
    CancelRun, CreateRun, CreateThreadAndRun, ListRuns, RetrieveRun, Runs, SubmitToolOutputs,
    UpdateRun,
};
pub use steps::{ListSteps, RetrieveStep, Steps};
pub use threads::{CreateThread, DeleteThread, RetrieveThread, Threads, UpdateThread};
