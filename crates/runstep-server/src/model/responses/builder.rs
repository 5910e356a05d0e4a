//! The builder of the model.

use super::client::Responses;
use crate::model::upstream::{UpstreamBuilder, UpstreamError};

/// The endpoint's path below a base URL.
const PATH: &str = "/responses";

impl Responses {
    /// Creates a builder for the endpoint below a base URL such as `https://api.openai.com/v1`. The
    /// URL can have a query, and can already end in `/responses`.
    pub fn builder(base_url: impl Into<String>) -> UpstreamBuilder<Self> {
        UpstreamBuilder::new(base_url.into())
    }
}

impl UpstreamBuilder<Responses> {
    /// Builds the model. This does not contact the provider.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL or the key is not valid, or if TLS cannot be set up.
    pub fn build(self) -> Result<Responses, UpstreamError> {
        let transfers = self.transfers()?;
        Ok(Responses::new(self.upstream(PATH)?, transfers))
    }
}
