//! `cargo xtask`: maintainer commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{codegen, compat};

/// Maintainer commands of runstep.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate crates/runstep-api from openapi/runs.yaml
    Codegen {
        /// Change nothing; print what differs from the committed code and fail if anything does
        #[arg(long)]
        check: bool,
    },
    /// Run the official Python client against the server binary
    Compat,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Codegen { check } => codegen(check).map_err(|error| error.to_string()),
        Command::Compat => compat::run(&root()).map_err(|error| error.to_string()),
    };
    match done {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn codegen(check: bool) -> Result<String, codegen::Error> {
    let files = codegen::generate(&root().join("openapi/runs.yaml"))?;
    let folder = root().join("crates/runstep-api");
    if check {
        codegen::check(&files, &folder, &mut |difference| print!("{difference}"))?;
        return Ok(format!("{} generated files are up to date", files.len()));
    }
    let changed = codegen::write(&files, &folder)?;
    Ok(format!("{} files generated, {changed} changed", files.len()))
}

/// The repository's top folder.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
