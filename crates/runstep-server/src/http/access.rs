//! Authentication, and the objects that each key has access to.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::error::ApiError;
use crate::engine::{Engine, EngineFactory};
use crate::error::StartError;
use crate::store::Namespace;

/// The accepted keys, each with its engine.
pub(crate) enum Access {
    /// No key is required, and all clients share one engine.
    Open(Arc<Engine>),
    /// An engine that no key has, and those of all keys.
    Keys(Arc<Engine>, Vec<(Fingerprint, Arc<Engine>)>),
}

/// The hash of a key. All are equally long, so comparing them takes constant time.
type Fingerprint = [u8; 32];

impl Access {
    pub(crate) fn new(keys: &[SecretString], engines: &EngineFactory) -> Result<Self, StartError> {
        if keys.is_empty() {
            return Ok(Self::Open(engines.engine(Namespace::new(""))));
        }
        let mut accepted: Vec<(Fingerprint, Arc<Engine>)> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let key = key.expose_secret();
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(StartError::ApiKey { position: index + 1 });
            }
            let fingerprint = fingerprint(key);
            if !accepted.iter().any(|(other, _)| *other == fingerprint) {
                accepted.push((fingerprint, engines.engine(namespace(&fingerprint))));
            }
        }
        let none = engines.engine(Namespace::new(""));
        Ok(Self::Keys(none, accepted))
    }

    /// Returns the engine of any key, for what concerns all of them.
    pub(super) fn any_engine(&self) -> &Arc<Engine> {
        let (Self::Open(engine) | Self::Keys(engine, _)) = self;
        engine
    }

    /// Returns whether no key is required.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Returns the engine of the key in these headers.
    pub(super) fn engine(&self, headers: &HeaderMap) -> Result<&Arc<Engine>, ApiError> {
        let engine = match self {
            Self::Open(engine) => engine,
            Self::Keys(_, accepted) => {
                let key = request_key(headers).ok_or(ApiError::MissingKey)?;
                find(accepted, &fingerprint(key)).ok_or(ApiError::WrongKey)?
            }
        };
        engine.start_background_tasks();
        Ok(engine)
    }
}

/// Finds the entry of a fingerprint in a time that does not depend on which one it is.
fn find<'a, T>(accepted: &'a [(Fingerprint, T)], wanted: &Fingerprint) -> Option<&'a T> {
    let mut position = u64::MAX;
    for (index, (fingerprint, _)) in (0..).zip(accepted) {
        position.conditional_assign(&index, fingerprint.ct_eq(wanted));
    }
    accepted.get(usize::try_from(position).ok()?).map(|(_, entry)| entry)
}

fn fingerprint(key: &str) -> Fingerprint {
    Sha256::digest(key).into()
}

/// Returns the namespace of a key. Stored data has only this part of a second hash, from which
/// neither the key nor its fingerprint can be computed.
fn namespace(fingerprint: &Fingerprint) -> Namespace {
    let hash = Sha256::new().chain_update("namespace").chain_update(fingerprint).finalize();
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Namespace::new(hex)
}

/// Returns the key of a request: a bearer token, or the `api-key` header of Azure's clients.
fn request_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer.or_else(|| headers.get("api-key")?.to_str().ok())
}
