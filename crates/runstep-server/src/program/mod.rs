//! The program: reads the options, then runs a server until a signal stops it.

mod commands;
mod configuration;
mod data;
mod demo;
mod error;
mod files;
mod keys;
mod logs;
mod options;
mod settings;
mod signals;
mod upstream;

use std::io::{self, Write as _};
use std::time::Duration;

use runstep_server::{Durability, History, Server};

use self::commands::Command;
use self::configuration::Configuration;
use self::data::DataLocation;
use self::demo::Demo;
use self::error::ProgramError;
use self::keys::Keys;
pub(crate) use self::options::Arguments;
use self::signals::Signals;
use self::upstream::Upstream;

/// The exit code of a program that Ctrl-C stopped, as in shells.
const INTERRUPTED: i32 = 130;

/// Validates the options and serves until a signal.
pub(crate) async fn run(arguments: Arguments) -> Result<(), ProgramError> {
    let configuration = Configuration::new(arguments.config.as_deref(), &arguments.options)?;
    let settings = &configuration.settings;
    let address = settings.listen;
    if let Some(Command::Ready) = &arguments.command {
        return commands::check_ready(address).await;
    }
    let keys = settings.api_key_file.as_deref().map(Keys::read).transpose()?;
    if keys.is_none() && !address.ip().is_loopback() {
        return Err(ProgramError::OpenToAll { address });
    }
    let upstream = Upstream::new(settings)?;
    if arguments.check_config {
        print(&configuration.report(keys.as_ref(), upstream.as_ref()));
        return Ok(());
    }
    if let Some(Command::Data(command)) = &arguments.command {
        return match DataLocation::prepare(configuration.data.as_ref())? {
            DataLocation::File(path) => command.execute(&path),
            _ => Err(ProgramError::NoDataFile),
        };
    }
    if arguments.demo && keys.is_some() {
        return Err(ProgramError::DemoWith { option: "api-key-file" });
    }
    if arguments.demo && upstream.is_some() {
        return Err(ProgramError::DemoWith { option: "upstream" });
    }
    logs::start(settings.log_level, settings.log_format);
    if let Some(keys) = &keys {
        keys.warn_if_world_readable();
    }
    serve(&configuration, keys, upstream, arguments.demo).await
}

async fn serve(
    configuration: &Configuration,
    keys: Option<Keys>,
    upstream: Option<Upstream>,
    with_demo: bool,
) -> Result<(), ProgramError> {
    let settings = &configuration.settings;
    let data = match &configuration.data {
        None if with_demo => DataLocation::Memory,
        data => DataLocation::prepare(data.as_ref())?,
    };
    let mut server = Server::builder()
        .durability(match settings.durability {
            options::Durability::Full => Durability::Full,
            options::Durability::Normal => Durability::Normal,
        })
        .retain_events(settings.retain_events.duration)
        .lease(settings.lease.duration)
        .max_database_connections(settings.max_database_connections)
        .api_keys(keys.iter().flat_map(Keys::secrets))
        .allowed_origins(&settings.allowed_origins)
        .run_lifetime(Duration::from_secs(settings.run_lifetime_seconds))
        .poll_after(Duration::from_millis(settings.poll_after_milliseconds))
        .max_body_bytes(settings.max_body_bytes)
        .max_concurrent_runs(settings.max_concurrent_runs)
        .max_queued_runs(settings.max_queued_runs)
        .max_open_streams(settings.max_open_streams)
        .history(match settings.history {
            options::HistoryMode::Calls => History::Calls,
            options::HistoryMode::MessagesOnly => History::MessagesOnly,
        })
        .adopt_upstream_ids(&settings.adopt)
        .strict_beta_header(settings.strict_beta_header)
        .max_context_tokens(settings.max_context_tokens)
        .max_stored_bytes(settings.max_stored_bytes)
        .max_stored_bytes_per_key(settings.max_stored_bytes_per_key)
        .max_buffered_body_bytes(settings.max_buffered_body_bytes)
        .max_connections(settings.max_connections)
        .request_timeout(Duration::from_secs(settings.request_timeout_seconds))
        .shutdown_timeout(Duration::from_secs(settings.shutdown_timeout_seconds))
        .ui(!settings.no_ui);
    match &data {
        DataLocation::Memory => {}
        DataLocation::File(path) => server = server.data_file(path),
        DataLocation::Database(address) => server = server.database((**address).clone()),
    }
    if let Some(retention) = &settings.retain_runs {
        server = server.retain_runs(retention.duration);
    }
    if let Some(limit) = settings.max_data_bytes {
        server = server.max_data_bytes(limit);
    }
    if let Some(limit) = settings.max_concurrent_runs_of_all_nodes {
        server = server.max_concurrent_runs_of_all_nodes(limit);
    }
    if let Some(upstream) = upstream {
        server = server.model(upstream.model);
    }
    let mut demo = None;
    if with_demo {
        let (configured, builder) = Demo::configure(server);
        (demo, server) = (Some(configured), builder);
    }
    let mut signals = Signals::new().map_err(ProgramError::Serve)?;
    let server = server.spawn_on(settings.listen).await?;
    // The samples are created first, so that their requests are not logged after the address.
    let samples = match &demo {
        Some(demo) => Some((demo, demo.fill(server.base_url()).await?)),
        None => None,
    };
    print(&format!(
        "runstep-server listens on {}\nrunstep-server keeps its data in {data}\n",
        server.base_url()
    ));
    if !settings.no_ui {
        let page = server.base_url();
        let page = page.trim_end_matches("v1");
        print(&format!("runstep-server shows threads and runs on {page}ui/\n"));
    }
    let traffic = async {
        match samples {
            Some((demo, samples)) => demo.run(samples).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        signal = signals.next() => signal.map_err(ProgramError::Serve)?,
        () = traffic => {}
    }
    tokio::select! {
        result = server.shutdown() => result.map_err(ProgramError::Serve),
        second = signals.next() => {
            second.map_err(ProgramError::Serve)?;
            std::process::exit(INTERRUPTED);
        }
    }
}

/// Writes to standard output. Ignores errors such as a closed pipe.
fn print(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
