//! Measures reading an event stream through runstep, compared with reading the same bytes without
//! parsing and with other crates.
//!
//! Run it with `cargo bench --bench stream` in the folder of this package. The benchmark fails on
//! errors, never on slowness. With `-- profile`, only runstep reads, with three events per chunk, for a
//! profiler.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use runstep::RunEvent;
use runstep_benches::{
    Chunking, CountingAllocator, EventServer, Result, allocated_bytes, allocations,
};

/// The decoder of server-sent events, which the crate does not export.
#[allow(dead_code, unreachable_pub, reason = "the benchmark includes a private module")]
#[path = "../../crates/runstep/src/streaming/sse.rs"]
mod sse;

use sse::{EventDecoder, decode_utf8};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const DELTAS: usize = 20_000;
const ROUNDS: usize = 15;

fn main() -> Result<()> {
    let events = events();
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{DELTAS} deltas, {bytes} bytes\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::env::args().any(|argument| argument == "profile") {
        return runtime.block_on(profile(&events));
    }
    runtime.block_on(async {
        for chunking in [
            Chunking::FlushedEvents,
            Chunking::BufferedEvents,
            Chunking::EventsPerChunk(3),
            Chunking::BytesPerChunk(1400),
            Chunking::BytesPerChunk(64 * 1024),
        ] {
            measure_clients(&events, chunking).await?;
        }
        measure_decoders(&events.concat())?;
        count_allocations(&events).await?;
        measure_idle_streams(&events).await
    })
}

/// Returns the events of a run with one message in many text deltas, as servers send them.
fn events() -> Vec<String> {
    let run = |status: &str| {
        let run =
            include_str!("run.json").trim().replace("\"completed\"", &format!("\"{status}\""));
        let run: serde_json::Value = serde_json::from_str(&run).unwrap_or_default();
        run.to_string()
    };
    let message = "{\"id\":\"msg_abc123abc123abc123abc123\",\"object\":\"thread.message\",\
        \"created_at\":1699063290,\"thread_id\":\"thread_abc123\",\"status\":\"in_progress\",\
        \"incomplete_details\":null,\"completed_at\":null,\"incomplete_at\":null,\
        \"role\":\"assistant\",\"content\":[],\"assistant_id\":\"asst_abc123\",\
        \"run_id\":\"run_abc123\",\"attachments\":[],\"metadata\":{}}";
    let event = |name: &str, data: &str| format!("event: {name}\ndata: {data}\n\n");
    let words = ["The", " weather", " in", " Paris", " is", " sunny", ","];
    let deltas = words.iter().cycle().take(DELTAS).map(|word| {
        let data = format!(
            "{{\"id\":\"msg_abc123abc123abc123abc123\",\"object\":\"thread.message.delta\",\
             \"delta\":{{\"content\":[{{\"index\":0,\"type\":\"text\",\
             \"text\":{{\"value\":\"{word}\"}}}}]}}}}"
        );
        event("thread.message.delta", &data)
    });
    let start =
        [event("thread.run.created", &run("queued")), event("thread.message.created", message)];
    let end = [event("thread.run.completed", &run("completed")), event("done", "[DONE]")];
    start.into_iter().chain(deltas).chain(end).collect()
}

async fn measure_clients(events: &[String], chunking: Chunking) -> Result<()> {
    let server = EventServer::start(events, chunking)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let client = runstep::Client::builder(&base_url).build()?;
    let config = async_openai::config::OpenAIConfig::new().with_api_base(&base_url);
    let peer = async_openai::Client::build(
        reqwest::Client::builder().no_proxy().build()?,
        config.with_api_key("sk-benchmark"),
    );

    let (mut unparsed, mut runstep, mut async_openai) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        unparsed.push(timed(read_unparsed(&http, &base_url)).await?);
        runstep.push(timed(read_with_runstep(&client)).await?);
        async_openai.push(timed(read_with_async_openai(&peer)).await?);
    }
    let (unparsed, runstep, async_openai) =
        (median(unparsed), median(runstep), median(async_openai));
    println!("{chunking:?}");
    for (name, time) in
        [("unparsed", unparsed), ("runstep", runstep), ("async-openai 0.41.3", async_openai)]
    {
        let rate = DELTAS as f64 / time.as_secs_f64() / 1e6;
        println!("  {name:<20} {:>7.1} ms  {rate:>6.2} M events/s", time.as_secs_f64() * 1e3);
    }
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!(
        "  runstep to unparsed: {:.2}; async-openai to runstep: {:.2}\n",
        ratio(runstep, unparsed),
        ratio(async_openai, runstep)
    );
    Ok(())
}

/// Reads the events several times with runstep alone.
async fn profile(events: &[String]) -> Result<()> {
    let server = EventServer::start(events, Chunking::EventsPerChunk(3))?;
    let client = runstep::Client::builder(server.base_url()).build()?;
    for _ in 0..ROUNDS {
        read_with_runstep(&client).await?;
    }
    Ok(())
}

async fn timed(work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn read_unparsed(http: &reqwest::Client, base_url: &str) -> Result<()> {
    let request = http.post(format!("{base_url}/threads/thread_abc123/runs")).body("{}");
    let mut response = request.send().await?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await? {
        bytes += black_box(&chunk).len();
    }
    check(bytes > 1_000_000)
}

async fn read_with_runstep(client: &runstep::Client) -> Result<()> {
    let mut events = client.runs("thread_abc123").create("asst_abc123").stream().await?;
    let mut deltas = 0;
    while let Some(event) = events.try_next().await? {
        if let RunEvent::MessageDelta(delta) = &event {
            black_box(delta.text());
            deltas += 1;
        }
    }
    check(deltas == DELTAS && events.end() == Some(runstep::StreamEnd::Completed))
}

async fn read_with_async_openai(
    client: &async_openai::Client<async_openai::config::OpenAIConfig>,
) -> Result<()> {
    use async_openai::types::assistants::{AssistantStreamEvent, CreateRunRequest};
    let request = CreateRunRequest { assistant_id: "asst_abc123".into(), ..Default::default() };
    #[allow(deprecated, reason = "the API itself is deprecated")]
    let mut events = client.threads().runs("thread_abc123").create_stream(request).await?;
    let mut deltas = 0;
    while let Some(event) = events.next().await {
        if let AssistantStreamEvent::ThreadMessageDelta(delta) = &event? {
            black_box(delta);
            deltas += 1;
        }
    }
    check(deltas == DELTAS)
}

/// Fails unless a stream had the expected content.
fn check(is_expected: bool) -> Result<()> {
    if is_expected { Ok(()) } else { Err("unexpected content of the stream".into()) }
}

/// Measures decoders in memory, with one event per chunk and with 64 KiB per chunk.
fn measure_decoders(text: &str) -> Result<()> {
    for (name, size) in [("one event per chunk", None), ("64 KiB per chunk", Some(64 * 1024))] {
        let chunks: Vec<bytes::Bytes> = match size {
            None => text
                .split_inclusive("\n\n")
                .map(|event| bytes::Bytes::copy_from_slice(event.as_bytes()))
                .collect(),
            Some(size) => text.as_bytes().chunks(size).map(bytes::Bytes::copy_from_slice).collect(),
        };
        println!("decoders, {name}");
        let per_event = |time: Duration| time.as_secs_f64() * 1e9 / DELTAS as f64;
        let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut decoder = EventDecoder::new(runstep::DEFAULT_MAX_EVENT_BYTES);
            let mut count = 0;
            for chunk in &chunks {
                decoder.push(chunk.clone());
                while let Some(event) = decoder.next_event() {
                    black_box(event?);
                    count += 1;
                }
            }
            check(count == DELTAS + 4)?;
            times[0].push(start.elapsed());

            let start = Instant::now();
            use eventsource_stream::Eventsource as _;
            let stream =
                futures_util::stream::iter(chunks.iter().cloned().map(Ok::<_, std::io::Error>));
            let mut stream = stream.eventsource();
            let mut count = 0;
            while let Some(event) = next_ready(stream.next()) {
                black_box(event?);
                count += 1;
            }
            check(count == DELTAS + 4)?;
            times[1].push(start.elapsed());

            let start = Instant::now();
            let stream =
                futures_util::stream::iter(chunks.iter().cloned().map(Ok::<_, std::io::Error>));
            let mut stream = sse_stream::SseStream::from_bytes_stream(stream);
            let mut count = 0;
            while let Some(event) = next_ready(stream.next()) {
                black_box(event?);
                count += 1;
            }
            check(count == DELTAS + 4)?;
            times[2].push(start.elapsed());

            let start = Instant::now();
            let mut decoder = EventDecoder::new(runstep::DEFAULT_MAX_EVENT_BYTES);
            for chunk in &chunks {
                decoder.push(chunk.clone());
                while let Some(event) = decoder.next_event() {
                    let event = event?;
                    let (name, data) = (decode_utf8(event.name), decode_utf8(&event.data));
                    black_box(RunEvent::decode(&name, &data)?);
                }
            }
            times[3].push(start.elapsed());
        }
        let names = ["runstep", "eventsource-stream", "sse-stream", "runstep, with JSON"];
        for (name, times) in names.into_iter().zip(times) {
            println!("  {name:<20} {:>7.0} ns per event", per_event(median(times)));
        }
        println!();
    }
    Ok(())
}

/// Returns the item of a future that is ready, without a runtime.
fn next_ready<T>(future: impl Future<Output = T>) -> Option<T::Item>
where
    T: IntoIterator,
{
    use futures_util::FutureExt as _;
    future.now_or_never()?.into_iter().next()
}

/// Counts the allocations per delta.
async fn count_allocations(events: &[String]) -> Result<()> {
    let server = EventServer::start(events, Chunking::BufferedEvents)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    read_unparsed(&http, &base_url).await?;
    let before = allocations();
    read_unparsed(&http, &base_url).await?;
    let unparsed = allocations() - before;
    let client = runstep::Client::builder(&base_url).build()?;
    read_with_runstep(&client).await?;
    let before = allocations();
    read_with_runstep(&client).await?;
    let runstep = allocations() - before;
    println!(
        "allocations per delta: {:.2} (unparsed: {:.2})",
        runstep.count as f64 / DELTAS as f64,
        unparsed.count as f64 / DELTAS as f64
    );
    Ok(())
}

/// Measures the memory of a stream that waits for the next event.
async fn measure_idle_streams(events: &[String]) -> Result<()> {
    const STREAMS: i64 = 200;
    const SENT_EVENTS: usize = 12;
    let sent = events.get(..SENT_EVENTS).unwrap_or_default();
    let server = EventServer::start(sent, Chunking::Unterminated)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let request = || http.post(format!("{base_url}/threads/thread_abc123/runs")).body("{}");
    let open_response = async || {
        let mut response = request().send().await?;
        let mut bytes = 0;
        while bytes < sent.iter().map(String::len).sum() {
            bytes += response.chunk().await?.map_or(0, |chunk| chunk.len());
        }
        Ok(response)
    };
    let client = runstep::Client::builder(&base_url).build()?;
    let open_stream = async || {
        let mut events = client.runs("thread_abc123").create("asst_abc123").stream().await?;
        for _ in 0..SENT_EVENTS {
            events.try_next().await?;
        }
        // Wait for the next event, so that the stream has its idle timer.
        let next_event = tokio::time::timeout(Duration::from_millis(1), events.try_next()).await;
        check(next_event.is_err())?;
        Ok(events)
    };
    let response = memory_of(STREAMS, open_response).await?;
    let stream = memory_of(STREAMS, open_stream).await?;
    println!(
        "memory of an idle stream: {} bytes with its connection, {} without",
        stream.with_connection, stream.own
    );
    println!(
        "memory of a reqwest response after the same events: {} bytes with its connection",
        response.with_connection
    );
    Ok(())
}

/// Average memory of an object, in bytes.
struct Memory {
    with_connection: i64,
    /// The memory that is freed when the object is dropped, before the connection is closed.
    own: i64,
}

/// Measures the average memory of `count` objects. The first object is excluded, because it creates
/// shared state.
async fn memory_of<T>(count: i64, open: impl AsyncFn() -> Result<T>) -> Result<Memory> {
    let _first = open().await?;
    let before = allocated_bytes();
    let mut objects = Vec::with_capacity(count as usize);
    for _ in 0..count {
        objects.push(open().await?);
    }
    let total = allocated_bytes() - before;
    drop(objects);
    let own = before + total - allocated_bytes();
    Ok(Memory { with_connection: total / count, own: own / count })
}
