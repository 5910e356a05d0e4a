//! Idempotency keys: a request that is repeated with its key gets the response of the first one.

use std::future::Future;

use axum::body::Bytes;
use runstep_api::types::RunStatus;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::context::Engine;
use super::error::{EngineError, Result};
use super::objects;
use super::outcome;
use super::runs::RunView;
use crate::events::Subscriber;
use crate::store::{Change, Committed, Idempotency, StoreError, Transaction};

/// A request with an idempotency key.
#[derive(Clone, Debug)]
pub(super) struct RequestId {
    key: String,
    /// A hash of everything in the request that determines the response.
    fingerprint: [u8; 32],
}

/// The response of an executed request.
pub(super) struct Recorded {
    /// The number of the first event of the execution that the request started.
    first_event: u64,
    pub(super) json: Bytes,
}

#[derive(Deserialize)]
struct RecordedRun {
    id: String,
    thread_id: String,
    status: RunStatus,
}

impl Engine {
    /// Returns an engine for one request with this key.
    pub(crate) fn with_idempotency_key(&self, key: String) -> Self {
        Self { idempotency_key: Some(key), ..self.clone() }
    }

    /// Returns an engine for this request, which commits at most one change.
    pub(super) fn identify(&self, operation: &str, ids: &[&str], request: &impl Serialize) -> Self {
        let mut engine = self.clone();
        if let Some(key) = engine.idempotency_key.take() {
            let identity = (operation, ids, request);
            let fingerprint = Sha256::digest(objects::json(&identity)).into();
            engine.request = Some(RequestId { key, fingerprint });
        }
        engine
    }

    /// Executes a request, or returns the response of an earlier one with the same key. Errors are
    /// not recorded: such a request can be repeated.
    pub(super) async fn once<T>(
        &self,
        execute: impl Future<Output = Result<T>>,
        replay: impl Fn(Recorded) -> Result<T>,
    ) -> Result<T> {
        if self.request.is_none() {
            return execute.await;
        }
        if let Some(recorded) = self.recorded().await? {
            return replay(recorded);
        }
        match execute.await {
            Ok(response) => Ok(response),
            // A request with the same key may have been executed at the same time.
            Err(error) => match self.recorded().await? {
                Some(recorded) => replay(recorded),
                None => Err(error),
            },
        }
    }

    async fn recorded(&self) -> Result<Option<Recorded>> {
        let Some(RequestId { key, fingerprint }) = self.request.clone() else { return Ok(None) };
        let now = self.context.clock.now();
        let recorded = self.context.store.recorded(&self.namespace, key, fingerprint, now).await?;
        recorded.map(Recorded::decode).transpose()
    }

    /// Commits the change of a request together with its response.
    pub(super) async fn commit(
        &self,
        change: Change,
        json: &Bytes,
        first_event: u64,
    ) -> Result<Committed, StoreError> {
        let idempotency = self.request.clone().map(|RequestId { key, fingerprint }| {
            let response = Recorded { first_event, json: json.clone() }.encode();
            Idempotency { key, fingerprint, response }
        });
        let committed = self.transact(change, idempotency).await?;
        // `once` reads the response.
        if committed.replayed.is_some() { Err(StoreError::Replayed) } else { Ok(committed) }
    }

    pub(super) async fn transact(
        &self,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Committed, StoreError> {
        let namespace = self.namespace.clone();
        let now = self.context.clock.now();
        let transaction = Transaction { namespace, now, idempotency, change };
        outcome::commit_run_write(&self.context, transaction).await
    }

    /// Returns the response of a request that started an execution.
    pub(super) fn replay_run(
        &self,
        recorded: Recorded,
        stream: bool,
    ) -> Result<(RunView, Option<Subscriber>)> {
        let Recorded { first_event, json } = recorded;
        let run: RecordedRun = objects::parse(&json)?;
        let key = self.run_key(&run.thread_id, &run.id);
        let subscriber = stream.then(|| {
            let live = self.context.live_runs.get(&key);
            let source = self.event_source(&key);
            Subscriber::new(source, live.as_ref().map(|live| &live.log), first_event)
        });
        let phase = objects::phase(&run.status);
        Ok((RunView::new(&run.thread_id, &run.id, json, phase), subscriber))
    }
}

impl Recorded {
    /// Encodes the response as a line with the number, and the JSON.
    fn encode(&self) -> Bytes {
        [format!("{}\n", self.first_event).as_bytes(), &self.json].concat().into()
    }

    fn decode(bytes: Bytes) -> Result<Self> {
        let invalid = || EngineError::Unavailable("a recorded response is not valid".into());
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(invalid)?;
        let number = bytes.get(..end).and_then(|number| std::str::from_utf8(number).ok());
        let first_event = number.and_then(|number| number.parse().ok()).ok_or_else(invalid)?;
        Ok(Self { first_event, json: bytes.slice(end + 1..) })
    }

    pub(super) fn into_json(self) -> Result<Bytes> {
        Ok(self.json)
    }
}
