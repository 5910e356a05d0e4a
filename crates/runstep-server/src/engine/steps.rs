//! Operations on run steps.

use axum::body::Bytes;

use super::context::Engine;
use super::error::Result;
use crate::store::{Collection, PageQuery};

impl Engine {
    pub(crate) async fn steps(
        &self,
        thread_id: &str,
        run_id: &str,
        query: &PageQuery,
    ) -> Result<Bytes> {
        self.list(Collection::steps(thread_id, run_id), None, query).await
    }

    pub(crate) async fn step(&self, thread_id: &str, run_id: &str, step_id: &str) -> Result<Bytes> {
        self.read(Collection::steps(thread_id, run_id), step_id).await
    }
}
