//! From what the generated client gives back to a value or an error that says what happened.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::{CallOptions, ReadError, ResponseValue};
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, MAX_BODY, Result, Source};

/// A value with the headers that came with it.
pub(crate) struct Reply<T> {
    pub(crate) value: T,
    pub(crate) headers: HeaderMap,
}

pub(crate) async fn receive<T: DeserializeOwned>(
    options: &CallOptions,
    result: std::result::Result<ResponseValue<T>, runstep_api::Error<()>>,
) -> Result<Reply<T>> {
    use runstep_api::Error as Api;
    let none = HeaderMap::new();
    let headers = options.reply_headers.get().unwrap_or(&none);
    Err(match result {
        Ok(reply) => {
            let headers = reply.headers().clone();
            return Ok(Reply { value: reply.into_inner(), headers });
        }
        Err(Api::UnexpectedResponse(response)) => refused(response).await,
        Err(Api::InvalidResponsePayload(body, error)) => {
            Error::new(ErrorKind::Decode, format!("the reply cannot be decoded: {error}"))
                .with_status(StatusCode::OK)
                .with_source(Source::Json(error))
                .with_reply(headers, &body)
        }
        Err(Api::ResponseBodyError(error)) => match too_long(&error) {
            Some(message) => Error::new(ErrorKind::Decode, message).with_reply(headers, b""),
            None => Error::http(error).with_request_id(headers),
        },
        Err(Api::CommunicationError(error)) if error.is_builder() => {
            Error::new(ErrorKind::InvalidRequest, "the request cannot be built")
                .with_source(Source::Http(error.without_url()))
        }
        Err(Api::CommunicationError(error) | Api::InvalidUpgrade(error)) => Error::http(error),
        Err(other @ (Api::InvalidRequest(_) | Api::Custom(_) | Api::ErrorResponse(_))) => {
            Error::new(ErrorKind::InvalidRequest, other.to_string())
        }
    })
}

/// An error reply; its body is read as far as it is of use.
async fn refused(mut response: reqwest::Response) -> Error {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_BODY - body.len();
        body.extend(chunk.iter().take(room));
        if body.len() == MAX_BODY {
            break;
        }
    }
    let error = Error::api(response.status(), response.headers(), &body);
    if response.status().is_redirection() {
        return Error::new(
            ErrorKind::Api,
            "the server redirects where the client does not follow: to another host, or in a circle",
        )
        .with_reply(response.headers(), &body)
        .with_status(response.status());
    }
    error
}

/// Whether reading stopped because the reply is longer than the client takes.
fn too_long(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(ReadError::TooLong { .. }) = inner.downcast_ref::<ReadError>() {
            return Some(inner.to_string());
        }
        source = inner.source();
    }
    None
}
