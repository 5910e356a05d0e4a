//! Operations on run steps.

use axum::body::Bytes;

use super::context::Engine;
use super::error::Result;
use super::hidden_step::visible;
use crate::store::{Collection, PageQuery};

impl Engine {
    /// Returns a page of steps, with the passages of file searches if they are asked for.
    pub(crate) async fn steps(
        &self,
        thread_id: &str,
        run_id: &str,
        query: &PageQuery,
        with_passages: bool,
    ) -> Result<Bytes> {
        let collection = Collection::steps(thread_id, run_id);
        self.list_with(collection, None, query, |json| visible(json, with_passages)).await
    }

    pub(crate) async fn step(
        &self,
        thread_id: &str,
        run_id: &str,
        step_id: &str,
        with_passages: bool,
    ) -> Result<Bytes> {
        let json = self.read(Collection::steps(thread_id, run_id), step_id).await?;
        visible(&json, with_passages)
    }
}
