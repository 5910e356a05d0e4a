//! Clients that share a connection pool and differ in key, headers or query.

use std::sync::Arc;

use secrecy::SecretString;

use super::builder::header;
use super::{Client, Inner};
use crate::error::Result;

impl Client {
    /// Returns a client with another API key that shares the connection pool and all other settings.
    /// The key is sent in the same way as that of this client: in the `api-key` header if the client
    /// was built with [`api_key_header`](crate::ClientBuilder::api_key_header), and otherwise as a
    /// bearer token.
    ///
    /// If the key is not valid in a header, every request of the new client returns
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
    ///
    /// ```
    /// # fn example() -> runstep::Result<()> {
    /// let client = runstep::Client::builder("https://api.example.com/v1").build()?;
    /// let tenant = client.with_api_key("key-of-a-tenant").with_header("x-tenant", "7");
    /// # let _ = tenant;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the client itself is unchanged"]
    pub fn with_api_key(&self, key: impl Into<SecretString>) -> Self {
        self.changed(|inner| {
            if let Ok(Some((name, _))) = inner.auth.header() {
                inner.headers.remove(name);
            }
            inner.auth = inner.auth.with_key(key.into());
            if let Some((name, value)) = inner.auth.header()? {
                inner.headers.insert(name, value);
            }
            Ok(())
        })
    }

    /// Returns a client with another header in every request that shares the connection pool and all
    /// other settings. Replaces a header of this client with the same name.
    ///
    /// If the name or the value is not valid, every request of the new client returns
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
    #[must_use = "the client itself is unchanged"]
    pub fn with_header(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.changed(|inner| {
            let (name, value) = header(&name.into(), &value.into())?;
            inner.headers.insert(name, value);
            Ok(())
        })
    }

    /// Returns a client with another query parameter in every request that shares the connection pool
    /// and all other settings.
    #[must_use = "the client itself is unchanged"]
    pub fn with_query(&self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.changed(|inner| {
            inner.query.push((name.into(), value.into()));
            Ok(())
        })
    }

    fn changed(&self, change: impl FnOnce(&mut Inner) -> Result<()>) -> Self {
        let mut inner = (*self.0).clone();
        if let Err(error) = change(&mut inner) {
            inner.invalid = Some(format!("{}; nothing was sent", error.message()));
        }
        Self(Arc::new(inner))
    }
}
