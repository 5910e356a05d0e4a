//! What shows the server who asks: a key, or a token that is renewed.

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

/// A token is renewed this long before it ends, but no longer than a tenth of its life.
const MARGIN: Duration = Duration::from_secs(60);

/// A bearer token, and for how long it is good.
#[derive(Clone, Debug)]
pub struct Token {
    secret: SecretString,
    /// When to renew it, and when it ends.
    times: Option<(Instant, Instant)>,
}

impl Token {
    /// A token that is good until the server refuses it.
    pub fn new(secret: impl Into<SecretString>) -> Self {
        Self { secret: secret.into(), times: None }
    }

    /// How long it is good for from now. It is renewed a minute before, or when a tenth of the time
    /// is left if that is less.
    #[must_use]
    pub fn expires_in(mut self, duration: Duration) -> Self {
        let renew = duration - MARGIN.min(duration / 10);
        let now = Instant::now();
        self.times = now.checked_add(renew).zip(now.checked_add(duration));
        self
    }

    fn is_fresh(&self) -> bool {
        self.times.is_none_or(|(renew, _)| Instant::now() < renew)
    }

    fn is_good(&self) -> bool {
        self.times.is_none_or(|(_, end)| Instant::now() < end)
    }
}

type TokenFuture = Pin<Box<dyn Future<Output = std::result::Result<Token, TokenError>> + Send>>;

/// Who asks.
#[derive(Clone, Default)]
pub(crate) enum Auth {
    #[default]
    None,
    Bearer(SecretString),
    ApiKeyHeader(SecretString),
    Token(Arc<Tokens>),
}

/// Tokens from a callback; the last one is kept while it is good.
pub(crate) struct Tokens {
    next: Box<dyn Fn() -> TokenFuture + Send + Sync>,
    last: Mutex<Last>,
    /// How often there was none.
    failures: AtomicUsize,
}

#[derive(Default)]
struct Last {
    token: Option<Token>,
    /// Why there was none the last time, for those who waited meanwhile.
    failure: Option<TokenError>,
}

impl Auth {
    pub(crate) fn tokens<F, Fut, E>(next: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<Token, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let next = Box::new(move || {
            let token = next();
            Box::pin(async move { token.await.map_err(|error| Arc::from(error.into())) })
                as TokenFuture
        });
        let (last, failures) = (Mutex::default(), AtomicUsize::new(0));
        Self::Token(Arc::new(Tokens { next, last, failures }))
    }

    /// The header that goes with every request, unless it changes.
    ///
    /// # Errors
    ///
    /// The key cannot stand in a header.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        Ok(match self {
            Self::None | Self::Token(_) => None,
            Self::Bearer(key) => Some((AUTHORIZATION, bearer(key)?)),
            Self::ApiKeyHeader(key) => {
                Some((HeaderName::from_static("api-key"), secret(key.clone())?))
            }
        })
    }

    /// The header that goes with one request, where it changes.
    pub(crate) async fn token(&self, until: Instant) -> Result<Option<HeaderValue>> {
        let Self::Token(tokens) = self else { return Ok(None) };
        // Boxed, for those who have none.
        let Ok(token) = Box::pin(timeout_at(until, tokens.current())).await else {
            let message = "no token came before the request's timeout; nothing was sent";
            return Err(Error::new(ErrorKind::Timeout, message));
        };
        Ok(Some(bearer(&token.map_err(Error::token)?)?))
    }

    /// Whether there may be another token after one that was refused.
    pub(crate) fn may_renew(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// Forgets the token that the server refused, unless another request has renewed it already.
    pub(crate) async fn forget(&self, sent: Option<&HeaderValue>) {
        let Self::Token(tokens) = self else { return };
        let mut last = tokens.last.lock().await;
        let header = last.token.as_ref().and_then(|token| bearer(&token.secret).ok());
        if header.as_ref() == sent {
            last.token = None;
        }
    }
}

impl Tokens {
    /// One request at a time asks for a token; the others wait for it, or for why there is none.
    async fn current(&self) -> std::result::Result<SecretString, TokenError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some(token) = last.token.as_ref().filter(|token| token.is_fresh()) {
            return Ok(token.secret.clone());
        }
        // For those who waited while the callback failed it has been asked.
        let failed = self.failures.load(Ordering::Acquire) != failures;
        let error = match last.failure.clone().filter(|_| failed) {
            Some(error) => error,
            None => match (self.next)().await {
                Ok(token) => {
                    let secret = token.secret.clone();
                    last.token = Some(token);
                    return Ok(secret);
                }
                Err(error) => {
                    last.failure = Some(Arc::clone(&error));
                    self.failures.fetch_add(1, Ordering::AcqRel);
                    error
                }
            },
        };
        // A token that could not be renewed may still be good.
        match last.token.as_ref().filter(|token| token.is_good()) {
            Some(token) => Ok(token.secret.clone()),
            None => Err(error),
        }
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue> {
    secret(SecretString::from(format!("Bearer {}", key.expose_secret())))
}

/// A header whose text is wiped from memory with the last copy of it.
fn secret(text: SecretString) -> Result<HeaderValue> {
    struct Wiped(SecretString);
    impl AsRef<[u8]> for Wiped {
        fn as_ref(&self) -> &[u8] {
            self.0.expose_secret().as_bytes()
        }
    }
    let text = Bytes::from_owner(Wiped(text));
    let mut value = HeaderValue::from_maybe_shared(text).map_err(|_| {
        let message =
            "the API key has characters that a header cannot have; is there a line end in it?";
        Error::new(ErrorKind::Configuration, message)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tells the kind, and never the secret.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bearer(_) => "bearer [secret]",
            Self::ApiKeyHeader(_) => "api-key [secret]",
            Self::Token(_) => "token callback",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that whatever logs headers, or compresses them, knows that they are secret.
    #[tokio::test]
    async fn keys_and_tokens_are_marked_as_secret() -> Result<()> {
        for auth in [Auth::Bearer("a key".into()), Auth::ApiKeyHeader("a key".into())] {
            assert!(auth.header()?.is_some_and(|(_, value)| value.is_sensitive()), "{auth:?}");
        }
        let auth = Auth::tokens(|| async { Ok::<_, std::fmt::Error>(Token::new("a token")) });
        let token = auth.token(Instant::now() + MARGIN).await?;
        assert!(token.is_some_and(|value| value.is_sensitive()));
        Ok(())
    }
}
