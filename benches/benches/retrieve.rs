//! Measures the overhead of retrieving a run through runstep, compared with the same request by
//! reqwest alone.
//!
//! Run it with `cargo bench --bench retrieve` in the folder of this package. Each line compares one
//! client with reqwest, timed alternately. The benchmark fails on errors, never on slowness.

#[path = "retrieve/plain_run.rs"]
mod plain_run;

use std::hint::black_box;

use plain_run::PlainRun;
use runstep_benches::{Comparison, CountingAllocator, FixedResponseServer, Result, compare};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A pair takes 0.1 ms to 0.2 ms.
const PAIRS: usize = 20_000;
const KEY: &str = "sk-benchmark-0123456789abcdef0123456789abcdef0123456789abcdef";
const THREAD: &str = "thread_abc123";
const RUN: &str = "run_abc123";
const BODY: &str = include_str!("run.json");
/// Response headers as a hosted API sends them.
const HEADERS: &str = "date: Sat, 04 Nov 2023 02:01:31 GMT\r\n\
    content-type: application/json\r\n\
    connection: keep-alive\r\n\
    openai-version: 2020-10-01\r\n\
    openai-organization: example\r\n\
    openai-processing-ms: 12\r\n\
    x-request-id: req_0123456789abcdef0123456789abcdef\r\n\
    strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n\
    x-content-type-options: nosniff\r\n\
    server: example\r\n";

fn main() -> Result<()> {
    // One thread for the client and the server: see `FixedResponseServer`.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(compare_clients())
}

async fn compare_clients() -> Result<()> {
    let server = FixedResponseServer::start(HEADERS, BODY).await?;
    let base_url = server.base_url();
    let http = http_client()?;
    let baseline = async || {
        let run = retrieve_with_reqwest(&http, &base_url).await?;
        check_run_id(&run.id)
    };

    println!("{PAIRS} pairs each; allocations are those of the client, per retrieve\n");
    println!(
        "{:<24} {:>8} {:>8}   {:>6}   {:>6}  {:<15} {:<13}  allocations",
        "", "reqwest", "client", "ratio", "paired", "95 %", "quartiles",
    );

    let second_http = http_client()?;
    let control = async || {
        let run = retrieve_with_reqwest(&second_http, &base_url).await?;
        check_run_id(&run.id)
    };
    print_line("reqwest again", &compare(PAIRS, baseline, control).await?);

    let http_like_runstep = http_client_like_runstep()?;
    let same_settings = async || {
        let run = retrieve_with_reqwest(&http_like_runstep, &base_url).await?;
        check_run_id(&run.id)
    };
    print_line("reqwest, same settings", &compare(PAIRS, baseline, same_settings).await?);

    let client = runstep::Client::builder(&base_url).api_key(KEY).build()?;
    let runstep = async || {
        let run = client.runs(THREAD).retrieve(RUN).await?;
        check_run_id(&run.id)
    };
    print_line("runstep", &compare(PAIRS, baseline, runstep).await?);

    let generated = generated_client(&base_url)?;
    let runstep_api = async || {
        let run = generated.retrieve_run(THREAD, RUN).await?.into_inner();
        check_run_id(&run.id)
    };
    print_line("runstep-api", &compare(PAIRS, baseline, runstep_api).await?);

    let config = async_openai::config::OpenAIConfig::new().with_api_base(&base_url);
    let peer = async_openai::Client::build(http_client()?, config.with_api_key(KEY));
    let async_openai = async || {
        #[allow(deprecated, reason = "the API itself is deprecated")]
        let run = peer.threads().runs(THREAD).retrieve(RUN).await?;
        check_run_id(&run.id)
    };
    print_line("async-openai 0.41.3", &compare(PAIRS, baseline, async_openai).await?);
    Ok(())
}

/// Creates a client with its own connection pool. Proxies of the environment are ignored.
fn http_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// Creates a client with the user agent and the timeout that runstep sets.
fn http_client_like_runstep() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy();
    Ok(builder.user_agent("runstep/0.1.0").timeout(runstep::DEFAULT_TIMEOUT).build()?)
}

/// Retrieves the run as a program without an SDK would, into a struct with the same fields.
async fn retrieve_with_reqwest(http: &reqwest::Client, base_url: &str) -> Result<PlainRun> {
    let response = http
        .get(format!("{base_url}/threads/{THREAD}/runs/{RUN}"))
        .bearer_auth(KEY)
        .header("OpenAI-Beta", "assistants=v2")
        .send()
        .await?
        .error_for_status()?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

/// Creates the generated client with the headers that runstep sends.
fn generated_client(base_url: &str) -> Result<runstep_api::Client> {
    let mut options = runstep_api::CallOptions::default();
    options.headers.insert("authorization", format!("Bearer {KEY}").parse()?);
    options.headers.insert("openai-beta", "assistants=v2".parse()?);
    Ok(runstep_api::Client::new_with_client(base_url, http_client()?, options))
}

/// Fails unless this is the id of the server's run.
fn check_run_id(id: &str) -> Result<()> {
    if black_box(id) != RUN {
        return Err(format!("unexpected run `{id}` in the response; expected `{RUN}`").into());
    }
    Ok(())
}

fn print_line(name: &str, comparison: &Comparison) {
    let [low, high] = comparison.interval;
    let [first, median, third] = comparison.quartiles;
    let microseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
    println!(
        "{name:<24} {:>5.1} µs {:>5.1} µs   {:>6.3}   {median:>6.3}  {low:.3} … {high:.3}  \
         {first:.2} … {third:.2}  {} with {} bytes (reqwest: {} with {})",
        microseconds(comparison.baseline),
        microseconds(comparison.candidate),
        comparison.ratio(),
        comparison.candidate_allocations.count,
        comparison.candidate_allocations.bytes,
        comparison.baseline_allocations.count,
        comparison.baseline_allocations.bytes,
    );
}
