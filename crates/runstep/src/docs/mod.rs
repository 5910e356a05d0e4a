//! Guides: the life of a run, polling, streaming, tools and structured answers, a human in the loop, errors and retries,
//! providers, the HTTP client, files, testing.

#[cfg(feature = "tools")]
#[doc = include_str!("approvals.md")]
pub mod approvals {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("files.md")]
pub mod files {}
#[doc = include_str!("http.md")]
pub mod http {}
#[doc = include_str!("polling.md")]
pub mod polling {}
#[doc = include_str!("providers.md")]
pub mod providers {}
#[doc = include_str!("runs.md")]
pub mod runs {}
#[doc = include_str!("streaming.md")]
pub mod streaming {}
#[cfg(feature = "test-util")]
#[doc = include_str!("testing.md")]
pub mod testing {}
#[cfg(feature = "tools")]
#[doc = include_str!("tools.md")]
pub mod tools {}
