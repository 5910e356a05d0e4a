//! What the API does: objects are made and changed here, and runs are driven from status to status.

mod answer;
mod assistants;
mod deltas;
mod ending;
mod leg;
mod lifecycle;
mod lists;
mod messages;
mod objects;
mod outputs;
mod prompt;
mod refusal;
mod runs;
mod shared;
mod slots;
mod steps;
mod support;
mod threads;

use std::sync::Arc;

use crate::store::Store;
pub(crate) use lifecycle::is_terminal;
pub(crate) use refusal::Refusal;
use shared::Shared;
pub(crate) use shared::{Engines, Options};

/// The API over a store.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    store: Store,
}
