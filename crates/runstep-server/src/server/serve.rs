//! Connections: accepted up to a limit, served, and ended when their time is up, whatever their
//! clients do.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Limits, Shutdown};

/// How long to wait when there is nothing left to accept a connection with, such as file handles.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);
/// How long streams have to say why they end, once their runs were stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server on its socket.
pub(super) struct Serving {
    listener: TcpListener,
    app: Router,
    http: http1::Builder,
    room: Arc<Semaphore>,
    request_time: Duration,
    shutdown: Shutdown,
    grace: Duration,
    connections: JoinSet<()>,
}

impl Serving {
    pub(super) fn new(
        listener: TcpListener,
        app: Router,
        limits: &Limits,
        shutdown: Shutdown,
        grace: Duration,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.request_time);
        let room = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let request_time = limits.request_time;
        let connections = JoinSet::new();
        Self { listener, app, http, room, request_time, shutdown, grace, connections }
    }

    /// Serves until it is told to stop, and then until all connections have ended.
    pub(super) async fn run(mut self) {
        let draining = self.shutdown.draining.clone();
        let _ = draining.run_until_cancelled(self.accept()).await;
        drop(self.listener);

        let mut connections = self.connections;
        let ended = async { while connections.join_next().await.is_some() {} };
        let mut ended = pin!(ended);
        if tokio::time::timeout(self.grace, &mut ended).await.is_err() {
            self.shutdown.closing.cancel();
            // Those that still do not end are dropped with the set.
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        }
        self.shutdown.closing.cancel();
    }

    async fn accept(&mut self) {
        loop {
            // The semaphore is never closed.
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
            let socket = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) => {
                        if !is_of_one_connection(&error) {
                            tracing::warn!(%error, "cannot accept connections");
                            tokio::time::sleep(RETRY_ACCEPT).await;
                        }
                        continue;
                    }
                },
                // Keeps the set small while nobody connects.
                Some(_) = self.connections.join_next() => continue,
            };
            self.serve(socket, room);
        }
    }

    fn serve(&mut self, socket: TcpStream, room: OwnedSemaphorePermit) {
        // An event must not wait until the one before it is acknowledged.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection goes on with delays");
        }
        let app = self.app.clone();
        let app = app.map_request(|request: Request<Incoming>| request.map(Body::new));
        let service = TowerToHyperService::new(app);
        // While a client takes nothing, hyper does not look at the reply, and so would never end it.
        let mut socket = TimeoutWriter::new(socket);
        socket.set_timeout(Some(self.request_time));
        let socket = TokioIo::new(Box::pin(socket));
        let connection = self.http.serve_connection(socket, service);
        // One of its own, so that connections do not wait for each other's locks.
        let draining: CancellationToken = self.shutdown.draining.child_token();
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = draining.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(room);
        });
    }
}

/// Whether it was only this connection that could not be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
