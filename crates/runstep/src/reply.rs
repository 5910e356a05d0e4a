//! From what the generated client gives back to a value or an error that says what happened.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::{CallOptions, ReadError, ResponseValue};
use serde::de::DeserializeOwned;

use crate::response::Response;

use crate::error::{Error, ErrorKind, MAX_BODY, Result, Source};

pub(crate) async fn receive<T: DeserializeOwned>(
    options: &CallOptions,
    result: std::result::Result<ResponseValue<T>, runstep_api::Error<()>>,
) -> Result<Response<T>> {
    use runstep_api::Error as Api;
    let none = HeaderMap::new();
    let headers = options.reply_headers.get().unwrap_or(&none);
    let mut status = StatusCode::OK;
    let result = match result {
        // The document lists 200 only, but a run that was made with 201 has been made.
        Err(Api::UnexpectedResponse(response)) if response.status().is_success() => {
            status = response.status();
            Box::pin(read(response)).await
        }
        result => result,
    };
    Err(match result {
        Ok(reply) => {
            let (status, headers) = (reply.status(), reply.headers().clone());
            return Ok(Response::new(reply.into_inner(), status, headers));
        }
        // What is seldom is boxed, so that every request need not have room for it.
        Err(Api::UnexpectedResponse(response)) => Box::pin(refused(response)).await,
        Err(Api::InvalidResponsePayload(body, error)) => {
            Error::new(ErrorKind::Decode, format!("the reply cannot be decoded: {error}"))
                .with_status(status)
                .with_source(Source::Json(error))
                .with_reply(headers, &body)
        }
        Err(Api::ResponseBodyError(error)) => match too_long(&error) {
            Some(message) => Error::new(ErrorKind::Decode, message).with_reply(headers, b""),
            None => Error::http(error).with_headers(headers),
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

/// A reply of success.
async fn read<T: DeserializeOwned>(
    response: reqwest::Response,
) -> std::result::Result<ResponseValue<T>, runstep_api::Error<()>> {
    use runstep_api::Error as Api;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Api::ResponseBodyError)?;
    match runstep_api::decode(&body) {
        Ok(value) => Ok(ResponseValue::new(value, status, headers)),
        Err(error) => Err(Api::InvalidResponsePayload(body, error)),
    }
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
