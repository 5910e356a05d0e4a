//! `cargo xtask speed`: what a run through `Responses` costs beside one through `ChatCompletions`, and
//! what the server adds to an upload.

mod provider;
mod relay;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use ureq::Agent;

use crate::crash::client::field;
use crate::programs::{Error, RunningServer, file, output, release_binary, target_directory};
use provider::Provider;

/// Pairs of runs that are measured, and those before them.
const PAIRS: usize = 2000;
const WARM_UP: usize = 200;
/// The length of the uploaded file, and how often it is uploaded each way.
const UPLOAD_BYTES: u64 = 512 * 1024 * 1024;
const UPLOADS: usize = 5;

/// Measures with a release build, and returns what it has found. Slowness is not an error.
///
/// # Errors
///
/// Returns an error if a program or a request fails.
pub fn run(root: &Path) -> Result<String, Error> {
    let binary = release_binary(root)?;
    let provider = Provider::start()?;
    let server = |api: &str| {
        RunningServer::start(
            Command::new(&binary)
                .args(["--listen", "127.0.0.1:0", "--log-level", "warn", "--data", ":memory:"])
                .args(["--upstream", &provider.url, "--upstream-api", api]),
        )
    };
    let runs = runs(&server("chat-completions")?, &server("responses")?)?;
    let folder = target_directory(root)?.join("speed");
    fs::create_dir_all(&folder).map_err(file(&folder))?;
    let uploads = uploads(&provider, &server("responses")?, &folder)?;
    Ok(format!("{runs}\n{uploads}"))
}

/// Compares runs by the two APIs, in pairs.
fn runs(chat: &RunningServer, responses: &RunningServer) -> Result<String, Error> {
    let client = Agent::new_with_defaults();
    let mut bodies = Vec::new();
    for server in [chat, responses] {
        let assistant = post(&client, &server.url, "/assistants", &json!({"model": "mock"}))?;
        let assistant: Value = serde_json::from_str(&assistant).unwrap_or_default();
        bodies.push((&server.url, body(&assistant)));
    }
    let mut times = [Vec::new(), Vec::new()];
    for pair in 0..WARM_UP + PAIRS {
        // In every second pair the other API is first.
        let order = if pair % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let (Some((url, body)), Some(times)) = (bodies.get(index), times.get_mut(index)) else {
                continue;
            };
            let started = Instant::now();
            let events = post(&client, url, "/threads/runs", body)?;
            if pair >= WARM_UP {
                times.push(started.elapsed().as_secs_f64() * 1000.0);
            }
            if !events.contains("event: thread.run.completed") {
                return Err(Error::Measured(format!("the run has not completed: {events}")));
            }
        }
    }
    let [chat, responses] = times.map(median);
    Ok(format!(
        "a run by chat completions: {chat:.3} ms; by responses: {responses:.3} ms; ratio {:.2}",
        responses / chat
    ))
}

/// Sends a request, and returns the whole response.
fn post(client: &Agent, url: &str, path: &str, body: &Value) -> Result<String, Error> {
    let failed = |error: ureq::Error| Error::Measured(format!("{path}: {error}"));
    let request = client.post(format!("{url}{path}")).header("content-type", "application/json");
    let mut response = request.send(body.to_string()).map_err(failed)?;
    response.body_mut().read_to_string().map_err(failed)
}

/// A request that creates a thread and a run, whose response is the event stream.
fn body(assistant: &Value) -> Value {
    json!({"assistant_id": field(assistant, "id"), "stream": true,
        "thread": {"messages": [{"role": "user", "content": "Hi"}]}})
}

/// Compares uploads to the provider with those through the server, and through a relay.
fn uploads(provider: &Provider, server: &RunningServer, folder: &Path) -> Result<String, Error> {
    let path = folder.join("upload.bin");
    let created = File::create(&path).and_then(|file| file.set_len(UPLOAD_BYTES));
    created.map_err(file(&path))?;
    let small = folder.join("small.bin");
    fs::write(&small, vec![b'x'; 1024 * 1024]).map_err(file(&small))?;
    let relay = relay::start(provider.address)?;
    // The memory of the first request is not that of a long one.
    upload(&server.url, &small)?;
    let before = peak_memory(server)?;
    let cpu_before = cpu_time(server)?;
    let (mut direct, mut relayed, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..UPLOADS {
        direct.push(upload(&provider.url, &path)?);
        relayed.push(upload(&relay, &path)?);
        through.push(upload(&server.url, &path)?);
    }
    let megabytes = (UPLOAD_BYTES / 1024 / 1024) as f64;
    let cpu = (cpu_time(server)? - cpu_before) * 1000.0 / (UPLOADS as f64 * megabytes);
    let memory = peak_memory(server)?.saturating_sub(before);
    fs::remove_file(&path).map_err(file(&path))?;
    let [direct, relayed, through] =
        [direct, relayed, through].map(|times| megabytes / median(times));
    let percent = |rate: f64, whole: f64| rate / whole * 100.0;
    Ok(format!(
        "an upload of {megabytes} MiB with curl: {direct:.0} MiB/s; through a relay that only copies: \
         {relayed:.0} MiB/s, {:.0} %; through the server: {through:.0} MiB/s, {:.0} %, which is {:.0} % \
         of the relay; the server uses {cpu:.2} ms of CPU time for a MiB, and {memory} KiB more memory",
        percent(relayed, direct),
        percent(through, direct),
        percent(through, relayed),
    ))
}

/// Uploads a file with curl. Returns the seconds it has taken.
fn upload(url: &str, path: &Path) -> Result<f64, Error> {
    let form = format!("file=@{}", path.display());
    let taken = output(
        Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--output", "/dev/null"])
            // The provider does not ask for the body, which curl would wait for.
            .args(["--header", "Expect:", "--write-out", "%{time_total}"])
            .args(["--form", "purpose=assistants", "--form", &form])
            .arg(format!("{url}/files")),
    )?;
    taken.trim().parse().map_err(|_| Error::MissingOutput("time of curl"))
}

/// Returns the CPU time of a server so far, of user and system, in seconds.
fn cpu_time(server: &RunningServer) -> Result<f64, Error> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let path = Path::new("/proc").join(server.id().to_string()).join("stat");
    let status = fs::read_to_string(&path).map_err(file(&path))?;
    // The name of the program is the second field, and may contain spaces.
    let fields = status.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks.as_slice() {
        [user, system] => Ok((user + system) / TICKS_PER_SECOND),
        _ => Err(Error::MissingOutput("CPU time of the server")),
    }
}

/// Returns the largest resident memory of a server so far, in KiB.
fn peak_memory(server: &RunningServer) -> Result<u64, Error> {
    let path = Path::new("/proc").join(server.id().to_string()).join("status");
    let status = fs::read_to_string(&path).map_err(file(&path))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kibibytes.ok_or(Error::MissingOutput("peak memory of the server"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
