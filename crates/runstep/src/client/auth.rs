//! Authentication: an API key, or bearer tokens that expire.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, Result, TokenError};

/// How long before its expiry a token is renewed, but at most a tenth of its lifetime.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// A bearer token and its lifetime.
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: SecretString,
    /// When to renew the token, and when it expires.
    times: Option<(Instant, Instant)>,
}

impl AccessToken {
    /// Creates a token that is valid until the server rejects it.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into(), times: None }
    }

    /// Sets the remaining lifetime. The token is renewed one minute before it expires, or when a tenth
    /// of its lifetime is left if that is less.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        let renew = duration - RENEWAL_MARGIN.min(duration / 10);
        let now = Instant::now();
        self.times = now.checked_add(renew).zip(now.checked_add(duration));
        self
    }

    fn is_current(&self) -> bool {
        self.times.is_none_or(|(renew, _)| Instant::now() < renew)
    }

    fn is_valid(&self) -> bool {
        self.times.is_none_or(|(_, end)| Instant::now() < end)
    }
}

type TokenFuture =
    Pin<Box<dyn Future<Output = std::result::Result<AccessToken, TokenError>> + Send>>;

/// Expiring tokens. A trait, so that programs without a provider do not contain the code of the cache.
pub(crate) trait Tokens: Send + Sync {
    /// Returns the header of one request. Waits for a token until `deadline`.
    fn header(&self, deadline: Instant) -> HeaderFuture<'_>;

    /// Discards a rejected token, unless another request has renewed it already.
    fn discard<'a>(
        &'a self,
        sent: Option<&'a HeaderValue>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

type HeaderFuture<'a> = Pin<Box<dyn Future<Output = Result<HeaderValue>> + Send + 'a>>;

/// How requests are authenticated.
#[derive(Clone, Default)]
pub(crate) enum Auth {
    #[default]
    None,
    Bearer(SecretString),
    ApiKeyHeader(SecretString),
    Provider(Arc<dyn Tokens>),
}

/// Tokens from a provider. The latest token is cached until it expires.
struct TokenCache {
    provider: Box<dyn Fn() -> TokenFuture + Send + Sync>,
    latest: Mutex<LatestToken>,
    /// How many calls of the provider have failed.
    failures: AtomicUsize,
}

#[derive(Default)]
struct LatestToken {
    token: Option<AccessToken>,
    /// Why the last call of the provider failed, for the requests that waited for it.
    error: Option<TokenError>,
}

impl Auth {
    pub(crate) fn with_provider<F, Fut, E>(provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<AccessToken, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let provider = Box::new(move || {
            let token = provider();
            Box::pin(async move { token.await.map_err(|error| Arc::from(error.into())) })
                as TokenFuture
        });
        let (latest, failures) = (Mutex::default(), AtomicUsize::new(0));
        Self::Provider(Arc::new(TokenCache { provider, latest, failures }))
    }

    /// Returns the same kind of credentials with another key; a bearer key if there were none.
    pub(crate) fn with_key(&self, key: SecretString) -> Self {
        match self {
            Self::ApiKeyHeader(_) => Self::ApiKeyHeader(key),
            Self::None | Self::Bearer(_) | Self::Provider(_) => Self::Bearer(key),
        }
    }

    /// Returns the header for static credentials, which is the same for every request.
    ///
    /// # Errors
    ///
    /// Returns an error if the key is not valid in a header.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        Ok(match self {
            Self::None | Self::Provider(_) => None,
            Self::Bearer(key) => Some((AUTHORIZATION, bearer(key)?)),
            Self::ApiKeyHeader(key) => {
                Some((HeaderName::from_static("api-key"), secret_header_value(key.clone())?))
            }
        })
    }

    /// Returns the header of one request for expiring credentials.
    pub(crate) async fn token(&self, deadline: Instant) -> Result<Option<HeaderValue>> {
        match self {
            Self::Provider(tokens) => tokens.header(deadline).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Returns whether a rejected token can be replaced by a new one.
    pub(crate) fn may_renew(&self) -> bool {
        matches!(self, Self::Provider(_))
    }

    /// Discards a rejected token, unless another request has renewed it already.
    pub(crate) async fn discard(&self, sent: Option<&HeaderValue>) {
        if let Self::Provider(tokens) = self {
            tokens.discard(sent).await;
        }
    }
}

impl Tokens for TokenCache {
    fn header(&self, deadline: Instant) -> HeaderFuture<'_> {
        Box::pin(async move {
            let Ok(token) = timeout_at(deadline, self.current_token()).await else {
                let message = "the token provider did not return before the request timeout; nothing \
                    was sent";
                return Err(Error::new(ErrorKind::Timeout, message));
            };
            bearer(&token.map_err(Error::token)?)
        })
    }

    fn discard<'a>(
        &'a self,
        sent: Option<&'a HeaderValue>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let mut latest = self.latest.lock().await;
            let header = latest.token.as_ref().and_then(|token| bearer(&token.secret).ok());
            if header.as_ref() == sent {
                latest.token = None;
            }
        })
    }
}

impl TokenCache {
    /// Returns a valid token. One request at a time calls the provider; the others wait for its
    /// result.
    async fn current_token(&self) -> std::result::Result<SecretString, TokenError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut latest = self.latest.lock().await;
        if let Some(token) = latest.token.as_ref().filter(|token| token.is_current()) {
            return Ok(token.secret.clone());
        }
        // The provider failed while this request waited: do not call it again.
        let has_failed = self.failures.load(Ordering::Acquire) != failures;
        let error = match latest.error.clone().filter(|_| has_failed) {
            Some(error) => error,
            None => match (self.provider)().await {
                Ok(token) => {
                    let secret = token.secret.clone();
                    latest.token = Some(token);
                    return Ok(secret);
                }
                Err(error) => {
                    latest.error = Some(Arc::clone(&error));
                    self.failures.fetch_add(1, Ordering::AcqRel);
                    error
                }
            },
        };
        // A token that could not be renewed may still be valid.
        match latest.token.as_ref().filter(|token| token.is_valid()) {
            Some(token) => Ok(token.secret.clone()),
            None => Err(error),
        }
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue> {
    secret_header_value(SecretString::from(format!("Bearer {}", key.expose_secret())))
}

/// Creates a header value whose memory is wiped when the last copy is dropped.
fn secret_header_value(text: SecretString) -> Result<HeaderValue> {
    struct WipedOnDrop(SecretString);
    impl AsRef<[u8]> for WipedOnDrop {
        fn as_ref(&self) -> &[u8] {
            self.0.expose_secret().as_bytes()
        }
    }
    let text = Bytes::from_owner(WipedOnDrop(text));
    let mut value = HeaderValue::from_maybe_shared(text).map_err(|_| {
        let message = "the API key is not valid in a header; check it for line breaks";
        Error::new(ErrorKind::Configuration, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Shows the kind of credentials, never the secret.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bearer(_) => "bearer [secret]",
            Self::ApiKeyHeader(_) => "api-key [secret]",
            Self::Provider(_) => "token provider",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks the value as sensitive, so that HTTP libraries neither log nor compress it.
    #[tokio::test]
    async fn keys_and_tokens_are_sensitive() -> Result<()> {
        for auth in [Auth::Bearer("a key".into()), Auth::ApiKeyHeader("a key".into())] {
            assert!(auth.header()?.is_some_and(|(_, value)| value.is_sensitive()), "{auth:?}");
        }
        let auth =
            Auth::with_provider(|| async { Ok::<_, std::fmt::Error>(AccessToken::new("a token")) });
        let token = auth.token(Instant::now() + RENEWAL_MARGIN).await?;
        assert!(token.is_some_and(|value| value.is_sensitive()));
        Ok(())
    }
}
