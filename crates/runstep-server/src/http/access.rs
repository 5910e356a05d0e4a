//! Who may ask, and whose objects they see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::App;
use super::error::ApiError;
use crate::engine::{Engine, Engines};
use crate::server::StartError;

/// The keys that are let in, each with what it can see.
pub(crate) enum Access {
    /// Everybody is let in, and sees the same.
    Open(Arc<Engine>),
    Keys(Vec<(Fingerprint, Arc<Engine>)>),
}

/// What is kept of a key. All are equally long, so that comparing them takes equally long.
type Fingerprint = [u8; 32];

impl Access {
    pub(crate) fn new(keys: &[SecretString], engines: &Engines) -> Result<Self, StartError> {
        if keys.is_empty() {
            return Ok(Self::Open(engines.engine()));
        }
        let mut known: Vec<(Fingerprint, Arc<Engine>)> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let key = key.expose_secret();
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(StartError::ApiKey { position: index + 1 });
            }
            let fingerprint = fingerprint(key);
            if !known.iter().any(|(other, _)| *other == fingerprint) {
                known.push((fingerprint, engines.engine()));
            }
        }
        Ok(Self::Keys(known))
    }

    /// Whether there are no keys.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// What the key in these headers can see.
    pub(super) fn engine(&self, headers: &HeaderMap) -> Result<&Arc<Engine>, ApiError> {
        match self {
            Self::Open(engine) => Ok(engine),
            Self::Keys(known) => {
                let key = given(headers).ok_or_else(ApiError::no_key)?;
                find(known, &fingerprint(key)).ok_or_else(ApiError::wrong_key)
            }
        }
    }
}

/// Looks at all of them, and takes as long whichever it is.
fn find<'a, T>(known: &'a [(Fingerprint, T)], given: &Fingerprint) -> Option<&'a T> {
    let mut place = u64::MAX;
    for (index, (fingerprint, _)) in (0..).zip(known) {
        place.conditional_assign(&index, fingerprint.ct_eq(given));
    }
    known.get(usize::try_from(place).ok()?).map(|(_, found)| found)
}

fn fingerprint(key: &str) -> Fingerprint {
    Sha256::digest(key).into()
}

/// The key of a request: a bearer token, or where one provider's clients have it.
fn given(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| headers.get("api-key")?.to_str().ok())
}

/// Who asks: somebody with a key, if there are keys. The objects can be had in no other way.
pub(super) struct Caller {
    pub(super) app: Arc<App>,
    pub(super) engine: Arc<Engine>,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let engine = Arc::clone(app.access.engine(&parts.headers)?);
        Ok(Self { app: Arc::clone(app), engine })
    }
}
