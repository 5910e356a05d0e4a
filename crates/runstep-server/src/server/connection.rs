//! One connection of a client.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot::error::TryRecvError;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::socket::Socket;
use super::unread_body::{DISCARD_TIMEOUT, MAX_DISCARDED_BYTES, observe};
use crate::http::HeadErrors;

/// Serves the requests of a connection until it ends. After `close`, the current one is the last.
pub(super) async fn serve(
    socket: Socket,
    http: http1::Builder,
    app: Router,
    head_errors: Arc<HeadErrors>,
    close: CancellationToken,
) {
    let service = service_fn(move |request| {
        let app = app.clone();
        Box::pin(respond(app, request))
    });
    let mut connection = http.serve_connection(TokioIo::new(socket), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        () = close.cancelled() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let parts = connection.into_parts();
    let mut socket = parts.io.into_inner();
    let mut status = socket.refused();
    if let Err(error) = ended {
        tracing::debug!(%error, "connection failed");
        // A connection without a part of a request is idle, and needs no response.
        if !parts.read_buf.is_empty() && status.is_none() {
            let is_incomplete = error.is_incomplete_message();
            status = (error.is_timeout().then_some(StatusCode::REQUEST_TIMEOUT))
                .or(is_incomplete.then_some(StatusCode::BAD_REQUEST));
        }
    }
    if let Some(status) = status {
        refuse(&mut socket, &head_errors.response(status)).await;
    }
    // The connection may have failed already.
    let _ = socket.shutdown().await;
}

/// Sends a last response, and discards what the client still sends, so that it is not lost.
async fn refuse(socket: &mut Socket, response: &[u8]) {
    if socket.write_all(response).await.is_err() || socket.shutdown().await.is_err() {
        return;
    }
    let mut rest = socket.take(MAX_DISCARDED_BYTES);
    let mut sink = tokio::io::sink();
    let discard = tokio::io::copy(&mut rest, &mut sink);
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard).await;
}

/// Responds to a request, and discards what is left of its body.
async fn respond(app: Router, request: Request<Incoming>) -> Result<Response, Infallible> {
    if request.body().is_end_stream() {
        return app.oneshot(request.map(Body::new)).await;
    }
    let expects_continue = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let (body, mut rest) = observe(body);
    let mut response = app.oneshot(Request::from_parts(parts, body)).await?;
    match rest.try_recv() {
        Ok(rest) => {
            // A client that waits for `100 Continue` may leave out the body, and the next request
            // would be taken for it.
            let is_omitted = expects_continue && !rest.is_started();
            let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
            if is_omitted || is_late || rest.is_too_long() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            // Not awaited, so that hyper writes the head of the response first. It does not send
            // `100 Continue` after that.
            tokio::spawn(rest.discard());
        }
        // The response needs the body.
        Err(TryRecvError::Empty) => {
            tokio::spawn(async move {
                if let Ok(rest) = rest.await {
                    rest.discard().await;
                }
            });
        }
        // The body was read to its end.
        Err(TryRecvError::Closed) => {}
    }
    Ok(response)
}
