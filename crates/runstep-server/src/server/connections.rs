//! Accepts connections up to a limit, serves them, and ends them at a shutdown.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::connection;
use super::socket::Socket;
use crate::http::HeadErrors;
use crate::limits::Limits;
use crate::shutdown::Shutdown;

/// Delay after an error such as an exhausted table of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How much hyper reads at a time, and the maximum length of a head, in bytes. Several such buffers
/// are in memory while an upload is passed on. A power of two, to which hyper grows its buffer.
const MAX_BUFFER_BYTES: usize = 256 * 1024;
/// Time for runs to store their state after they were stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for streams to send their final `error` event after their runs were stopped.
const FINAL_EVENT_TIMEOUT: Duration = Duration::from_secs(1);

/// The listener of a server and its open connections.
pub(super) struct Connections {
    listener: TcpListener,
    app: Router,
    head_errors: Arc<HeadErrors>,
    http: http1::Builder,
    permits: Arc<Semaphore>,
    write_timeout: Duration,
    shutdown: Shutdown,
    settings: ShutdownSettings,
    tasks: JoinSet<()>,
}

/// How long a shutdown takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShutdownSettings {
    /// The maximum duration until all runs, requests and streams are complete.
    pub(super) timeout: Duration,
    /// How long clients can fetch runs after the last one has ended.
    pub(super) final_poll_time: Duration,
}

impl Connections {
    pub(super) fn new(
        listener: TcpListener,
        (app, head_errors): (Router, HeadErrors),
        limits: &Limits,
        shutdown: Shutdown,
        settings: ShutdownSettings,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.request_timeout);
        http.max_buf_size(MAX_BUFFER_BYTES);
        let permits = limits.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            listener,
            app,
            head_errors: Arc::new(head_errors),
            http,
            permits: Arc::new(Semaphore::new(permits)),
            write_timeout: limits.request_timeout,
            shutdown,
            settings,
            tasks: JoinSet::new(),
        }
    }

    /// Serves until the server drains. Then continues until no run is active, and waits until all
    /// connections have ended.
    pub(super) async fn serve(mut self) {
        let shutdown = self.shutdown.clone();
        let settings = self.settings;
        let _ = shutdown.drain.run_until_cancelled(self.accept()).await;

        let graceful = async {
            tokio::select! {
                () = self.accept() => {}
                () = runs_ended(&shutdown, settings.final_poll_time) => {}
            }
            shutdown.stop_accepting.cancel();
            drop(self.listener);
            while self.tasks.join_next().await.is_some() {}
        };
        let mut graceful = pin!(graceful);
        if tokio::time::timeout(settings.timeout, &mut graceful).await.is_err() {
            shutdown.stop_runs.cancel();
            shutdown.stop_accepting.cancel();
            // The set aborts the connections that are still open when it is dropped.
            let _ = tokio::time::timeout(FINAL_EVENT_TIMEOUT, graceful).await;
        }
        shutdown.stop_runs.cancel();
        // Runs that were stopped store what has to be known to continue them.
        let _ = tokio::time::timeout(STOP_TIMEOUT, shutdown.active_runs.wait()).await;
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
        let socket = Socket::new(socket, self.write_timeout);
        let (http, app) = (self.http.clone(), self.app.clone());
        let head_errors = Arc::clone(&self.head_errors);
        // A child token per connection avoids contention on the parent's lock.
        let close = self.shutdown.stop_accepting.child_token();
        self.tasks.spawn(async move {
            connection::serve(socket, http, app, head_errors, close).await;
            drop(permit);
        });
    }
}

/// Waits until no run is active, and for clients to poll the last ones.
async fn runs_ended(shutdown: &Shutdown, final_poll_time: Duration) {
    shutdown.active_runs.close();
    if !shutdown.active_runs.is_empty() {
        shutdown.active_runs.wait().await;
        let _ = shutdown.stop_runs.run_until_cancelled(tokio::time::sleep(final_poll_time)).await;
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
