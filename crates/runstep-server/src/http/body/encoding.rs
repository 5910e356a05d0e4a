//! The encoding of request bodies.

use std::io::Read as _;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use flate2::bufread::MultiGzDecoder;

use crate::http::error::ApiError;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// Returns the encoding that the headers declare.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut encoding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let value = String::from_utf8_lossy(value.as_bytes());
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let is = |known: &str| name.eq_ignore_ascii_case(known);
                match encoding {
                    _ if is("identity") => {}
                    Self::Identity if is("gzip") || is("x-gzip") => encoding = Self::Gzip,
                    _ => return Err(ApiError::UnsupportedEncoding(value.into_owned())),
                }
            }
        }
        Ok(encoding)
    }

    /// Decompresses a body. Stops when the result exceeds the limit.
    pub(super) fn decompress(self, bytes: Bytes, limit: usize) -> Result<Bytes, ApiError> {
        match self {
            Self::Identity => Ok(bytes),
            Self::Gzip => {
                let mut decompressed = Vec::new();
                let mut decoder = MultiGzDecoder::new(&*bytes).take(limit as u64 + 1);
                decoder
                    .read_to_end(&mut decompressed)
                    .map_err(|error| ApiError::InvalidEncoding(error.to_string()))?;
                if decompressed.len() > limit {
                    return Err(ApiError::TooLarge(limit));
                }
                Ok(decompressed.into())
            }
        }
    }
}
