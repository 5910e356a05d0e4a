//! Builds the server from its options, and starts it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use super::connections::{Connections, ShutdownSettings};
use super::{Data, RunningServer, ServerBuilder};
use crate::clock::Clock;
use crate::engine::{EngineFactory, EngineOptions};
use crate::error::StartError;
use crate::http::{self, Access, AllowedOrigins, HeadErrors, RequestSettings, ServerState};
use crate::metrics::Metrics;
use crate::schema::Schemas;
use crate::shutdown::Shutdown;
use crate::store::{MemoryQuota, MemoryStore, Retention, SharedStore, SqliteOptions, SqliteStore};
#[cfg(feature = "postgres")]
use crate::store::{PostgresOptions, PostgresStore};

/// How many polls of a client fit between the end of the last run and that of the server.
const FINAL_POLLS: u32 = 5;
const MAX_FINAL_POLL_TIME: Duration = Duration::from_secs(1);

impl ServerBuilder {
    /// Returns the routes, to call without a socket or to serve in another way. They must be called
    /// within a tokio runtime. Their address is unknown, so any `Host` is accepted. Runs of an earlier
    /// process are recovered at the first request, because only then a runtime is certain.
    ///
    /// # Errors
    ///
    /// Returns [`StartError::ApiKey`] or [`StartError::Origin`] if a key or origin is not valid,
    /// [`StartError::DataFile`] if the data file cannot be used, [`StartError::Database`] if the
    /// address of the database cannot be used, and [`StartError::Specification`] if
    /// the built-in specification is not valid, which is a bug.
    pub fn app(self) -> Result<Router, StartError> {
        let (app, ..) = self.router(Shutdown::default(), false)?;
        Ok(app)
    }

    /// Returns the routes, the responses to requests that cannot be routed, and the engines.
    fn router(
        self,
        shutdown: Shutdown,
        is_local: bool,
    ) -> Result<(Router, HeadErrors, EngineFactory), StartError> {
        let schemas =
            Schemas::embedded().map_err(|error| StartError::Specification(error.to_string()))?;
        let metrics = Arc::new(Metrics::new());
        let limit = self.limits.max_stored_bytes;
        // Without keys, all clients share the objects and the quota.
        let key_limit = match self.keys.is_empty() {
            true => usize::MAX,
            false => self.limits.max_stored_bytes_per_key,
        };
        let quota = MemoryQuota::new(limit, key_limit, metrics.stored_bytes.clone());
        let info = self.info();
        let store: SharedStore = match self.data {
            Data::Memory => Arc::new(MemoryStore::new(Arc::clone(&quota))),
            #[cfg(feature = "postgres")]
            Data::Postgres(address) => Arc::new(PostgresStore::new(PostgresOptions {
                address: *address,
                max_connections: self.max_database_connections,
                max_bytes: self.max_data_bytes,
                metrics: metrics.store.clone(),
                quota: Arc::clone(&quota),
            })?),
            Data::File(path) => Arc::new(SqliteStore::open(
                &path,
                SqliteOptions {
                    durability: self.durability,
                    max_bytes: self.max_data_bytes,
                    metrics: metrics.store.clone(),
                    quota: Arc::clone(&quota),
                },
            )?),
        };
        let engines = EngineFactory::new(EngineOptions {
            model: self.model,
            clock: self.clock.map_or_else(Clock::system, Clock::Manual),
            limits: self.limits.clone(),
            run_lifetime: self.run_lifetime,
            stop_runs: shutdown.stop_runs.clone(),
            active_runs: shutdown.active_runs.clone(),
            metrics: Arc::clone(&metrics),
            store,
            lease: seconds(self.lease).max(1),
            quota,
            retention: Retention {
                events: seconds(self.retain_events),
                runs: self.retain_runs.map(seconds),
            },
            history: self.history,
            adopted: self.adopted,
        });
        let access = Access::new(&self.keys, &engines)?;
        let origins = AllowedOrigins::new(&self.origins)?;
        let head_errors = HeadErrors::new(Arc::clone(&metrics));
        let settings = RequestSettings {
            limits: self.limits,
            poll_after: self.poll_after,
            requires_beta_header: self.strict_beta_header,
        };
        let app = ServerState::new(access, schemas, settings, shutdown, metrics, info);
        Ok((http::router(app, origins, is_local, self.ui, self.faults), head_errors, engines))
    }

    /// Serves on a free port of the loopback address.
    ///
    /// # Errors
    ///
    /// Returns [`StartError::Listen`] if no port can be bound, and the errors of
    /// [`app`](Self::app).
    pub async fn spawn(self) -> Result<RunningServer, StartError> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        self.spawn_on(address).await
    }

    /// Serves on an address. Port 0 selects a free one.
    ///
    /// # Errors
    ///
    /// Returns [`StartError::Listen`] if the address cannot be bound, [`StartError::Database`] if the
    /// database cannot be reached or upgraded, and the errors of [`app`](Self::app).
    pub async fn spawn_on(self, address: SocketAddr) -> Result<RunningServer, StartError> {
        let limits = self.limits.clone();
        let settings = ShutdownSettings {
            timeout: self.shutdown_timeout,
            final_poll_time: (FINAL_POLLS * self.poll_after).min(MAX_FINAL_POLL_TIME),
        };
        #[cfg(feature = "postgres")]
        if let Data::Postgres(address) = &self.data {
            // Reports errors early.
            PostgresStore::migrate(address).await?;
        }
        let shutdown = Shutdown::default();
        let (app, head_errors, engines) =
            self.router(shutdown.clone(), address.ip().is_loopback())?;
        let listen_error = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        // Runs of an earlier process do not wait for the first request.
        engines.start_background_tasks();
        let app = (app, head_errors);
        let connections = Connections::new(listener, app, &limits, shutdown.clone(), settings);
        Ok(RunningServer::new(address, shutdown, tokio::spawn(connections.serve())))
    }
}

pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
