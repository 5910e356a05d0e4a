//! Accepts connections up to a limit, serves them, and ends them at a shutdown.

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

use crate::limits::Limits;
use crate::shutdown::Shutdown;

/// Delay after an error such as an exhausted table of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Time for streams to send their final `error` event after their runs were stopped.
const TRAILER_TIMEOUT: Duration = Duration::from_secs(1);

/// The listener of a server and its open connections.
pub(super) struct Connections {
    listener: TcpListener,
    app: Router,
    http: http1::Builder,
    permits: Arc<Semaphore>,
    write_timeout: Duration,
    shutdown: Shutdown,
    grace_period: Duration,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(super) fn new(
        listener: TcpListener,
        app: Router,
        limits: &Limits,
        shutdown: Shutdown,
        grace_period: Duration,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.request_time);
        let permits = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            listener,
            app,
            http,
            permits: Arc::new(Semaphore::new(permits)),
            write_timeout: limits.request_time,
            shutdown,
            grace_period,
            tasks: JoinSet::new(),
        }
    }

    /// Serves until the server drains, then waits until all connections have ended.
    pub(super) async fn serve(mut self) {
        let draining = self.shutdown.draining.clone();
        let _ = draining.run_until_cancelled(self.accept()).await;
        drop(self.listener);

        let mut tasks = self.tasks;
        let ended = async { while tasks.join_next().await.is_some() {} };
        let mut ended = pin!(ended);
        if tokio::time::timeout(self.grace_period, &mut ended).await.is_err() {
            self.shutdown.closing.cancel();
            // The set aborts the connections that are still open when it is dropped.
            let _ = tokio::time::timeout(TRAILER_TIMEOUT, ended).await;
        }
        self.shutdown.closing.cancel();
    }

    async fn accept(&mut self) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let socket = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => socket,
                    Err(error) => {
                        if !is_connection_error(&error) {
                            tracing::warn!(%error, "cannot accept connections");
                            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                        }
                        continue;
                    }
                },
                // Removes ended connections from the set while no client connects.
                Some(_) = self.tasks.join_next() => continue,
            };
            self.spawn(socket, permit);
        }
    }

    fn spawn(&mut self, socket: TcpStream, permit: OwnedSemaphorePermit) {
        // An event must not wait until the client acknowledges the previous one.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let app = self.app.clone();
        let app = app.map_request(|request: Request<Incoming>| request.map(Body::new));
        let service = TowerToHyperService::new(app);
        // While a client does not read, hyper does not poll the body, which so could not time out.
        let mut socket = TimeoutWriter::new(socket);
        socket.set_timeout(Some(self.write_timeout));
        let socket = TokioIo::new(Box::pin(socket));
        let connection = self.http.serve_connection(socket, service);
        // A child token per connection avoids contention on the parent's lock.
        let draining: CancellationToken = self.shutdown.draining.child_token();
        self.tasks.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = draining.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection failed");
            }
            drop(permit);
        });
    }
}

/// Returns whether an error of `accept` concerns one connection and not the listener.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
