//! The address of a database, TLS, and the connections.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, RecyclingMethod, Runtime,
};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::Verifier;
use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, NoTlsStream};
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::schema::migrate;
use crate::error::DatabaseError;

/// The default of the schema that has all tables and functions.
const SCHEMA: &str = "runstep";
/// The longest name in Postgres.
const MAX_NAME: usize = 63;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how much silence the database is asked whether it is still there, to notice a lost host.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The address of a Postgres database, such as `postgres://user:password@host:5432/database`.
///
/// `Debug` and `Display` omit the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    config: Config,
    schema: String,
    /// A file with certificates of more authorities, in PEM format.
    authorities: Option<PathBuf>,
}

/// The address of a database is not valid. The message does not contain the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address of the database is not valid: {0}; expected one such as \
     postgres://user:password@host:5432/database"
)]
pub struct PostgresAddressError(String);

impl FromStr for PostgresAddress {
    type Err = PostgresAddressError;

    /// Parses an address.
    ///
    /// The parameters are those of libpq that tokio-postgres supports, and
    ///
    /// - `schema`: the schema for the tables, `runstep` by default;
    /// - `sslmode`: `disable`, `require` or `verify-full`. With TLS, the certificate and the name of
    ///   the server are always verified. By default, TLS is required for all hosts but loopback
    ///   addresses and sockets;
    /// - `sslrootcert`: a file with certificates of authorities, in addition to those of the system.
    fn from_str(address: &str) -> Result<Self, Self::Err> {
        let (base, query) = address.split_once('?').unwrap_or((address, ""));
        let (mut authorities, mut mode, mut schema) = (None, None, SCHEMA.to_owned());
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslrootcert" => authorities = Some(PathBuf::from(&*value)),
                "schema" => schema = value.into_owned(),
                "sslmode" => {
                    mode = Some(match &*value {
                        "disable" => SslMode::Disable,
                        "require" | "verify-full" => SslMode::Require,
                        _ => {
                            let message = "sslmode is disable, require or verify-full";
                            return Err(PostgresAddressError(message.to_owned()));
                        }
                    });
                }
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !schema.bytes().all(is_name) || !(1..=MAX_NAME).contains(&schema.len()) {
            let message = "a schema has lower-case letters, digits and underscores";
            return Err(PostgresAddressError(message.to_owned()));
        }
        // A plus sign is not a space in these parameters.
        let rest = rest.finish().replace('+', "%20");
        let separator = if rest.is_empty() { "" } else { "?" };
        let config = format!("{base}{separator}{rest}").parse::<Config>();
        let mut config = config.map_err(|error| {
            // The error itself does not have the reason.
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            PostgresAddressError(reason)
        })?;
        if config.get_hosts().is_empty() {
            return Err(PostgresAddressError("it has no host".to_owned()));
        }
        config.ssl_mode(mode.unwrap_or_else(|| default_mode(&config)));
        if config.get_application_name().is_none() {
            config.application_name("runstep-server");
        }
        config.connect_timeout(CONNECT_TIMEOUT).keepalives_idle(KEEPALIVE);
        Ok(Self { config, schema, authorities })
    }
}

fn default_mode(config: &Config) -> SslMode {
    let is_local = |host: &Host| match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    if config.get_hosts().iter().all(is_local) { SslMode::Disable } else { SslMode::Require }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let port = self.config.get_ports();
            let port = port.get(index).or(port.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => write!(f, "{separator}{name}:{port}")?,
                #[cfg(unix)]
                Host::Unix(path) => write!(f, "{separator}{}:{port}", path.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

impl PostgresAddress {
    /// Returns the connector for TLS, or `None` if it is not used.
    fn tls(&self) -> Result<Option<MakeRustlsConnect>, DatabaseError> {
        if self.config.get_ssl_mode() == SslMode::Disable {
            return Ok(None);
        }
        let mut authorities = Vec::new();
        if let Some(path) = &self.authorities {
            let failure =
                |message: String| DatabaseError::Authorities { path: path.clone(), message };
            let pem = fs::read(path).map_err(|error| failure(error.to_string()))?;
            let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
            authorities = certificates.map_err(|error| failure(error.to_string()))?;
            if authorities.is_empty() {
                return Err(failure("the file has no certificates".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = |error: rustls::Error| DatabaseError::Tls(error.to_string());
        let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.map_err(tls)?))
            .with_no_client_auth();
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

/// Connections for statements.
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    schema: String,
    is_migrated: OnceCell<()>,
}

impl Pool {
    pub(super) fn new(
        address: PostgresAddress,
        max_connections: usize,
    ) -> Result<Self, DatabaseError> {
        let tls = address.tls()?;
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match tls {
            Some(tls) => Manager::from_config(address.config, tls, config),
            None => Manager::from_config(address.config, NoTls, config),
        };
        let set_path = format!("SET search_path TO \"{}\"", address.schema);
        let set_path = Hook::async_fn(move |client, _| {
            let set_path = set_path.clone();
            Box::pin(
                async move { client.batch_execute(&set_path).await.map_err(HookError::Backend) },
            )
        });
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(max_connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(super::TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .post_create(set_path)
            .build()
            .map_err(|error| DatabaseError::Connection(error.to_string()))?;
        Ok(Self { pool, schema: address.schema, is_migrated: OnceCell::new() })
    }

    /// Migrates the database, unless it was migrated.
    pub(super) async fn prepare(&self) -> Result<(), DatabaseError> {
        self.is_migrated
            .get_or_try_init(|| async {
                let mut client = self.pool.get().await.map_err(|error| message(&error))?;
                migrate(&mut client, &self.schema).await
            })
            .await
            .copied()
    }

    /// Returns a connection to a migrated database, or the error that prevents one.
    pub(super) async fn get(&self) -> Result<Object, String> {
        self.prepare().await.map_err(|error| error.to_string())?;
        self.pool.get().await.map_err(|error| message(&error).to_string())
    }
}

/// Converts an error with its source, which has the reason.
fn message(error: &deadpool_postgres::PoolError) -> DatabaseError {
    match error {
        deadpool_postgres::PoolError::Backend(error) => DatabaseError::from_error(error),
        error => DatabaseError::Connection(error.to_string()),
    }
}

/// A connection of its own, for notifications.
pub(super) enum Dedicated {
    Plain(Client, Box<Connection<Socket, NoTlsStream>>),
    Tls(Client, Box<Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>>),
}

/// Opens connections for notifications.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    /// The schema, which names the channel.
    pub(super) schema: String,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(super) fn new(address: PostgresAddress) -> Result<Self, DatabaseError> {
        Ok(Self { tls: address.tls()?, config: address.config, schema: address.schema })
    }

    pub(super) async fn connect(&self) -> Result<Dedicated, tokio_postgres::Error> {
        Ok(match self.tls.clone() {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls).await?;
                Dedicated::Tls(client, Box::new(connection))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Dedicated::Plain(client, Box::new(connection))
            }
        })
    }
}
