//! What it costs to retrieve a run through runstep, against the same request by bare reqwest.
//!
//! Each line is a way to retrieve, timed in turns with the bare one: `cargo bench --bench retrieve`,
//! from the folder of this package. It fails on errors, never on speed.

use std::hint::black_box;

use runstep_benches::{Comparison, Counting, Result, Server, compare};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A pair takes a tenth of a millisecond, or two.
const PAIRS: usize = 20_000;
const KEY: &str = "sk-benchmark-0123456789abcdef0123456789abcdef0123456789abcdef";
const THREAD: &str = "thread_abc123";
const RUN: &str = "run_abc123";
const BODY: &str = include_str!("run.json");
/// What a host sends along with a reply.
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
    // One thread for the client and the server: see `Server`.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(all())
}

async fn all() -> Result<()> {
    let server = Server::start(HEADERS, BODY).await?;
    let base_url = server.base_url();
    let http = http()?;
    let bare = async || {
        let run = bare(&http, &base_url).await?;
        same(&run.id)
    };

    println!("{PAIRS} pairs each; allocations are the client's, per retrieve\n");
    println!(
        "{:<24} {:>8} {:>8}   {:>6}   {:>6}  {:<15} {:<13}  allocations",
        "", "bare", "this", "ratio", "paired", "95 %", "quartiles",
    );

    let again = self::http()?;
    let control = async || {
        let run = self::bare(&again, &base_url).await?;
        same(&run.id)
    };
    show("bare reqwest again", &compare(PAIRS, bare, control).await?);

    let limited = http_like_runstep()?;
    let settings = async || {
        let run = self::bare(&limited, &base_url).await?;
        same(&run.id)
    };
    show("bare, same settings", &compare(PAIRS, bare, settings).await?);

    let client = runstep::Client::builder(&base_url).api_key(KEY).build()?;
    let facade = async || {
        let run = client.runs(THREAD).retrieve(RUN).await?;
        same(&run.id)
    };
    show("runstep", &compare(PAIRS, bare, facade).await?);

    let generated = generated(&base_url)?;
    let low_level = async || {
        let run = generated.retrieve_run(THREAD, RUN).await?.into_inner();
        same(&run.id)
    };
    show("runstep-api", &compare(PAIRS, bare, low_level).await?);

    let config = async_openai::config::OpenAIConfig::new().with_api_base(&base_url);
    let peer = async_openai::Client::build(self::http()?, config.with_api_key(KEY));
    let async_openai = async || {
        #[allow(deprecated, reason = "the API is; its replacement is another one")]
        let run = peer.threads().runs(THREAD).retrieve(RUN).await?;
        same(&run.id)
    };
    show("async-openai 0.41.3", &compare(PAIRS, bare, async_openai).await?);
    Ok(())
}

/// A client with a pool of its own. No proxy comes between, whatever the environment says.
fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// The same with what runstep sets besides: its name as user agent, and a time limit.
fn http_like_runstep() -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder().no_proxy();
    Ok(builder.user_agent("runstep/0.1.0").timeout(runstep::DEFAULT_TIMEOUT).build()?)
}

/// What one would write without an SDK.
async fn bare(http: &reqwest::Client, base_url: &str) -> Result<runstep::types::Run> {
    let response = http
        .get(format!("{base_url}/threads/{THREAD}/runs/{RUN}"))
        .bearer_auth(KEY)
        .header("OpenAI-Beta", "assistants=v2")
        .send()
        .await?
        .error_for_status()?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

/// The generated client, with the headers that runstep sends.
fn generated(base_url: &str) -> Result<runstep_api::Client> {
    let mut options = runstep_api::CallOptions::default();
    options.headers.insert("authorization", format!("Bearer {KEY}").parse()?);
    options.headers.insert("openai-beta", "assistants=v2".parse()?);
    Ok(runstep_api::Client::new_with_client(base_url, http()?, options))
}

/// Fails unless it is the run that the server has.
fn same(id: &str) -> Result<()> {
    if black_box(id) != RUN {
        return Err(format!("the reply is of another run: {id}").into());
    }
    Ok(())
}

fn show(name: &str, comparison: &Comparison) {
    let [low, high] = comparison.interval;
    let [first, paired, third] = comparison.quartiles;
    let microseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e6;
    println!(
        "{name:<24} {:>5.1} µs {:>5.1} µs   {:>6.3}   {paired:>6.3}  {low:.3} … {high:.3}  \
         {first:.2} … {third:.2}  {} in {} bytes (bare: {} in {})",
        microseconds(comparison.base),
        microseconds(comparison.other),
        comparison.ratio(),
        comparison.allocations.count,
        comparison.allocations.bytes,
        comparison.base_allocations.count,
        comparison.base_allocations.bytes,
    );
}
