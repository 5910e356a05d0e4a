//! How errors are displayed. Long texts are truncated.

use std::fmt;

use super::body::{excerpt, join, truncate};
use super::{Error, Source};

/// Maximum length of a displayed message, in characters.
const MAX_MESSAGE: usize = 1000;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&truncate(&self.0.inner().message, MAX_MESSAGE))?;
        let mut details = Vec::new();
        if let Some(status) = self.0.inner().status {
            details.push(format!("status {}", status.as_u16()));
        }
        for (name, value) in
            [("param", self.param()), ("code", self.code()), ("request id", self.request_id())]
        {
            details.extend(value.map(|value| format!("{name} {}", excerpt(value))));
        }
        if let Some(run) = &self.0.inner().run {
            details.push(format!("run {} is {}", run.id, run.status));
        }
        if !details.is_empty() {
            write!(f, " ({})", join(&details, ", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.inner().kind)
            .field("message", &truncate(&self.0.inner().message, MAX_MESSAGE))
            .field("status", &self.status())
            .field("type", &self.0.inner().api.kind.as_deref().map(excerpt))
            .field("param", &self.0.inner().api.param.as_deref().map(excerpt))
            .field("code", &self.0.inner().api.code.as_deref().map(excerpt))
            .field("request_id", &self.0.inner().request_id)
            .field("retry_after", &self.0.inner().retry_after)
            .field("body", &self.0.inner().body.as_deref().map(excerpt))
            .field("run", &self.0.inner().run.as_ref().map(|run| (&run.id, &run.status)))
            .field("source", &self.0.inner().source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.inner().source {
            Some(Source::Http(error)) => Some(error),
            Some(Source::Json(error)) => Some(error),
            Some(Source::Token(error)) => Some(error.as_ref()),
            Some(Source::Other(error)) => Some(error.as_ref()),
            None => None,
        }
    }
}
