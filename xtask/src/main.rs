//! `cargo xtask`: maintainer commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use xtask::{cluster, codegen, compat, contract, crash, diff, msrv, release, speed, ui};

/// Maintainer commands of runstep.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generate crates/runstep-api from openapi/runs.yaml, or a crate from any vendor's document
    Codegen(Codegen),
    /// Compare two documents and the code generated from them; exit status: 0 for no changes, 1 for
    /// compatible changes, 2 for breaking or unknown ones, 3 for an error
    Diff(Diff),
    /// Run the official Python and Node clients and some foreign clients against the server binary
    Compat(Compat),
    /// Test the server binary against openapi/runs.yaml with requests that schemathesis generates
    Contract(Contract),
    /// Kill the server at random moments, and check that nothing it acknowledged is lost
    Crash(Crash),
    /// Test several nodes on a private Postgres database: the tests of the store, the official
    /// clients, and the times that events and cancellations take between nodes
    Cluster(Cluster),
    /// Measure runs by each API of providers, and uploads, with a release build
    Speed,
    /// Check that the dependencies of the published crates support the minimum Rust version
    Msrv,
    /// Build the page of the server, compare it with the embedded files, and test it in a browser
    Ui(Ui),
    /// Check all gates, move the changelog, set the version, commit and tag; by default a dry run
    Release(Release),
}

#[derive(clap::Args)]
struct Codegen {
    /// Write no files; print differences from the committed files, and fail if there are any
    #[arg(long)]
    check: bool,
    /// An OpenAPI 3.0 or 3.1 document in YAML or JSON [default: openapi/runs.yaml]
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// The folder of the crate, whose name becomes the package name [default with --spec:
    /// target/codegen/FILE]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Paths to include, in order: `/threads/**`; `!` excludes, `GET /path` includes one method;
    /// `*` is one segment, `**` any number [default: runs, steps, assistants, threads, messages]
    #[arg(long, value_name = "PATTERN")]
    select: Vec<String>,
    /// Fail to decode a response that lacks a property which the document requires; by default,
    /// only `id`, `status`, discriminators and what a schema lists as `x-always-present` must be
    /// there
    #[arg(long)]
    strict_responses: bool,
    /// Fail if an operation that `--select` includes is not supported, or if the objects of a union
    /// have no discriminator; by default, the operation is skipped, and the objects are maps, each with
    /// a note
    #[arg(long)]
    deny_unsupported: bool,
    /// An operation that may respond with a stream of events, although the document lists only
    /// JSON, and the union of its events: `create_run=RunStreamEvent`
    #[arg(long, value_name = "OPERATION=EVENT", value_parser = stream)]
    stream: Vec<(String, String)>,
}

/// Parses an operation and its events.
fn stream(argument: &str) -> Result<(String, String), String> {
    let (operation, events) = argument.split_once('=').ok_or(
        "expected the name of an operation and that of a union of events, with `=` between",
    )?;
    Ok((operation.to_owned(), events.to_owned()))
}

#[derive(clap::Args)]
struct Diff {
    /// A file, or a git revision of openapi/runs.yaml
    old: String,
    /// A file, or a git revision of openapi/runs.yaml
    new: String,
    /// Print Markdown for a changelog
    #[arg(long)]
    markdown: bool,
    /// Paths to compare, as for codegen [default: runs, steps, assistants, threads, messages]
    #[arg(long, value_name = "PATTERN")]
    select: Vec<String>,
}

#[derive(clap::Args)]
struct Compat {
    /// Also run the foreign clients that take long to install, and record the results in
    /// docs/compatibility.md
    #[arg(long)]
    all: bool,
}

#[derive(clap::Args)]
struct Contract {
    /// Number of generated requests for each operation, in addition to the examples of its schema
    #[arg(long, value_name = "N", default_value_t = 20)]
    examples: u32,
}

#[derive(clap::Args)]
struct Crash {
    /// Where the servers keep their data: `postgres` starts three nodes and a private database
    #[arg(long, value_name = "STORE", value_enum, default_value_t)]
    store: crash::StoreKind,
    /// How many rounds of use, kill and check
    #[arg(long, value_name = "N", default_value_t = 100)]
    rounds: u32,
    /// The seed of the random numbers [default: a random one, which is printed]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Stop after this time, also before all rounds
    #[arg(long, value_name = "SECONDS", default_value_t = u64::MAX)]
    seconds: u64,
}

#[derive(clap::Args)]
struct Cluster {
    /// Only start this many nodes and a proxy, print their addresses, and wait
    #[arg(long, value_name = "NODES")]
    serve: Option<usize>,
    /// Only measure runs a second, the times between nodes and streams, with release builds
    #[arg(long, conflicts_with = "serve")]
    speed: bool,
}

#[derive(clap::Args)]
struct Ui {
    /// Replace the embedded files by those of the build, without tests
    #[arg(long)]
    write: bool,
}

#[derive(clap::Args)]
struct Release {
    /// The new version, such as 0.2.0
    version: String,
    /// Change the files, commit and tag. Nothing is pushed or published
    #[arg(long)]
    execute: bool,
    /// Show the changes without running the gates
    #[arg(long, conflicts_with = "execute")]
    skip_gates: bool,
}

/// Stack size. Documents may nest schemas thousands of levels deep, and stages recurse through
/// them. Only the used part of the stack takes memory.
const STACK_SIZE: usize = 256 << 20;

fn main() -> ExitCode {
    let thread = std::thread::Builder::new().stack_size(STACK_SIZE).spawn(run);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(status)) => status,
        // The panic hook has printed the message.
        Ok(Err(_)) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Codegen(arguments) => generate(arguments).map_err(|error| error.to_string()),
        Command::Diff(arguments) => return diff(arguments),
        Command::Compat(Compat { all }) => {
            compat::run(&root(), all).map_err(|error| error.to_string())
        }
        Command::Contract(Contract { examples }) => {
            contract::run(&root(), examples).map_err(|error| error.to_string())
        }
        Command::Crash(Crash { store, rounds, seed, seconds }) => {
            let seed = seed.unwrap_or_else(|| fastrand::u64(..));
            let limit = Duration::from_secs(seconds);
            let report = crash::run(&root(), store, rounds, seed, limit);
            report.map(|report| report.to_string()).map_err(|error| error.to_string())
        }
        Command::Cluster(Cluster { speed: true, .. }) => {
            cluster::speed(&root()).map_err(|error| error.to_string())
        }
        Command::Cluster(Cluster { serve: Some(nodes), .. }) => {
            cluster::serve(&root(), nodes).map_err(|error| error.to_string())
        }
        Command::Cluster(Cluster { serve: None, .. }) => {
            cluster::run(&root()).map_err(|error| error.to_string())
        }
        Command::Speed => speed::run(&root()).map_err(|error| error.to_string()),
        Command::Msrv => msrv::run(&root()).map_err(|error| error.to_string()),
        Command::Ui(Ui { write }) => ui::run(&root(), write).map_err(|error| error.to_string()),
        Command::Release(arguments) => {
            release::run(&root(), &options(arguments)).map_err(|error| error.to_string())
        }
    };
    match result {
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

fn generate(arguments: Codegen) -> Result<String, codegen::Error> {
    let selection = codegen::Selection {
        patterns: arguments.select,
        strict_responses: arguments.strict_responses,
        streams: arguments.stream.into_iter().collect(),
        allow_untyped: arguments.spec.is_some() && !arguments.deny_unsupported,
        ..codegen::Selection::default()
    };
    let (files, folder) = match (arguments.spec, arguments.out) {
        (None, None) => {
            let files = codegen::generate(&root().join("openapi/runs.yaml"), &selection)?;
            (files, root().join("crates/runstep-api"))
        }
        (specification, out) => {
            let specification = specification.unwrap_or_else(|| root().join("openapi/runs.yaml"));
            let name = crate_name(out.as_deref().unwrap_or(&specification));
            let folder = out.unwrap_or_else(|| root().join("target/codegen").join(&name));
            let document = codegen::read::read(&specification)?;
            // The default selection is an API that is useful only as a whole.
            let generated = if arguments.deny_unsupported || selection.patterns.is_empty() {
                codegen::build_document(document, &selection)?
            } else {
                codegen::build_supported(document, &selection)?
            };
            for note in generated.notes() {
                eprintln!("note: {note}");
            }
            (codegen::render_crate(&specification, &generated, &name)?, folder)
        }
    };
    if arguments.check {
        codegen::check(&files, &folder, &mut |difference| print!("{difference}"))?;
        return Ok(format!("{} generated files are up to date", files.len()));
    }
    let changed = codegen::write(&files, &folder)?;
    Ok(format!("{} files generated in {}, {changed} changed", files.len(), folder.display()))
}

fn diff(arguments: Diff) -> ExitCode {
    let selection =
        codegen::Selection { patterns: arguments.select, ..codegen::Selection::default() };
    let open = |source: &str| diff::open(&root(), source, &selection);
    match open(&arguments.old).and_then(|old| Ok((old, open(&arguments.new)?))) {
        Ok((old, new)) => {
            for (source, version) in [(&arguments.old, &old), (&arguments.new, &new)] {
                if let Some(error) = version.generation_error() {
                    eprintln!(
                        "note: the effects on callers are unknown: {source} does not generate: {error}"
                    );
                }
            }
            let changes = diff::compare(&old, &new);
            let report = if arguments.markdown {
                diff::report::markdown(&changes)
            } else {
                diff::report::text(&changes)
            };
            println!("{report}");
            ExitCode::from(diff::exit_status(&changes))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn options(Release { version, execute, skip_gates }: Release) -> release::Options {
    let date = time::OffsetDateTime::now_utc().date().to_string();
    let gates = if skip_gates { &[][..] } else { &release::GATES };
    release::Options {
        version,
        date,
        execute,
        gates: gates.iter().map(ToString::to_string).collect(),
    }
}

/// Returns a valid package name, from the name of a file or folder.
fn crate_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let name: String = stem
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name.to_owned()
    } else {
        format!("api-{name}")
    }
}

/// Returns the root of the repository.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
