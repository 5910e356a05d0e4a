//! What others have changed of a run that executes.

use std::sync::Arc;

use runstep_api::types::RunStatus;

use super::super::objects;
use super::{MAX_RETRY_DELAY, MIN_RETRY_DELAY, RunWriter};
use crate::json_text::LongMembers;
use crate::store::{Collection, Phase, Result, StoreError};

impl RunWriter {
    /// Applies what others have changed: metadata, a cancellation, a deletion, another claim.
    pub(in crate::engine) async fn reload(&mut self) {
        let mut delay = MIN_RETRY_DELAY;
        loop {
            match self.try_reload().await {
                Ok(()) => return,
                Err(StoreError::Missing { .. }) => return self.apply_deletion(),
                Err(_) => tokio::time::sleep(delay).await,
            }
            delay = (delay * 2).min(MAX_RETRY_DELAY);
        }
    }

    async fn try_reload(&mut self) -> Result<()> {
        let store = Arc::clone(&self.context.store);
        let record = store.run(&self.key).await?;
        let is_waiting = self.state.run.status == RunStatus::RequiresAction;
        let is_settled = match record.phase {
            Phase::Ended => true,
            Phase::RequiresAction => !is_waiting,
            _ => false,
        };
        if is_settled || record.owner.is_some_and(|owner| owner != self.context.node) {
            self.is_lost = true;
            return Ok(());
        }
        let open = self.state.messages.iter_mut();
        for state in open.filter(|state| state.version.is_some()) {
            let collection = Collection::messages(&self.key.thread);
            let object = store.object(&self.key.namespace, collection, &state.message.id).await?;
            if state.version != Some(object.version) {
                state.message.change().metadata =
                    objects::parse_stored::<objects::Metadata>(&object.json)?.metadata;
                state.version = Some(object.version);
            }
        }
        self.state.version = record.object.version;
        if record.phase == Phase::Cancelling && self.state.run.status != RunStatus::Cancelling {
            let (_, rest) = LongMembers::split(&record.object.json);
            *self.state.run.change() = objects::decode(&rest)?;
            // The model may never pause to write again.
            self.live.cancel.cancel();
            self.emit_run();
        } else {
            self.state.run.change().metadata =
                objects::parse_stored::<objects::Metadata>(&record.object.json)?.metadata;
        }
        Ok(())
    }

    /// The thread was deleted: the run is cancelled for those who receive its events.
    fn apply_deletion(&mut self) {
        self.is_deleted = true;
        self.live.cancel.cancel();
        if self.transition(RunStatus::Cancelling) {
            self.emit_run();
        }
    }
}
