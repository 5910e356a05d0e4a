//! What it costs to read a stream of events through runstep, against reading the same bytes
//! without parsing, and against its peers: `cargo bench --bench stream`, from the folder of this
//! package. It fails on errors, never on speed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use runstep::RunEvent;
use runstep_benches::{Counting, EventServer, Result, Sending, allocations, held};

/// The decoder of server-sent events, which the crate does not export.
#[allow(dead_code, unreachable_pub, reason = "the benchmark includes a private module")]
#[path = "../../crates/runstep/src/streaming/sse.rs"]
mod sse;

use sse::{EventDecoder, decode_utf8};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EVENTS: usize = 20_000;
const ROUNDS: usize = 15;

fn main() -> Result<()> {
    let events = events();
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{EVENTS} deltas, {bytes} bytes\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for sending in [
            Sending::EachEvent,
            Sending::ManyEvents,
            Sending::Together(3),
            Sending::Chunks(1400),
            Sending::Chunks(64 * 1024),
        ] {
            over_loopback(&events, sending).await?;
        }
        in_memory(&events.concat())?;
        count_allocations(&events).await?;
        idle_streams(&events).await
    })
}

/// A run with one message of many small pieces, as servers send them.
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
    let deltas = words.iter().cycle().take(EVENTS).map(|word| {
        let data = format!(
            "{{\"id\":\"msg_abc123abc123abc123abc123\",\"object\":\"thread.message.delta\",\
             \"delta\":{{\"content\":[{{\"index\":0,\"type\":\"text\",\
             \"text\":{{\"value\":\"{word}\"}}}}]}}}}"
        );
        event("thread.message.delta", &data)
    });
    let begin =
        [event("thread.run.created", &run("queued")), event("thread.message.created", message)];
    let end = [event("thread.run.completed", &run("completed")), event("done", "[DONE]")];
    begin.into_iter().chain(deltas).chain(end).collect()
}

async fn over_loopback(events: &[String], sending: Sending) -> Result<()> {
    let server = EventServer::start(events, sending)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let client = runstep::Client::builder(&base_url).build()?;
    let config = async_openai::config::OpenAIConfig::new().with_api_base(&base_url);
    let peer = async_openai::Client::build(
        reqwest::Client::builder().no_proxy().build()?,
        config.with_api_key("sk-benchmark"),
    );

    let (mut raw, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(timed(read(&http, &base_url)).await?);
        ours.push(timed(runstep(&client)).await?);
        theirs.push(timed(async_openai(&peer)).await?);
    }
    let (raw, ours, theirs) = (median(raw), median(ours), median(theirs));
    println!("{sending:?}");
    for (name, time) in
        [("read, not parsed", raw), ("runstep", ours), ("async-openai 0.41.3", theirs)]
    {
        let rate = EVENTS as f64 / time.as_secs_f64() / 1e6;
        println!("  {name:<20} {:>7.1} ms  {rate:>6.2} M events/s", time.as_secs_f64() * 1e3);
    }
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!(
        "  runstep to read: {:.2}; async-openai to runstep: {:.2}\n",
        ratio(ours, raw),
        ratio(theirs, ours)
    );
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

async fn read(http: &reqwest::Client, base_url: &str) -> Result<()> {
    let request = http.post(format!("{base_url}/threads/thread_abc123/runs")).body("{}");
    let mut response = request.send().await?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await? {
        bytes += black_box(&chunk).len();
    }
    same(bytes > 1_000_000)
}

async fn runstep(client: &runstep::Client) -> Result<()> {
    let mut events = client.runs("thread_abc123").create("asst_abc123").stream().await?;
    let mut deltas = 0;
    while let Some(event) = events.try_next().await? {
        if let RunEvent::MessageDelta(delta) = &event {
            black_box(delta.text());
            deltas += 1;
        }
    }
    same(deltas == EVENTS && events.end() == Some(runstep::StreamEnd::Completed))
}

async fn async_openai(
    client: &async_openai::Client<async_openai::config::OpenAIConfig>,
) -> Result<()> {
    use async_openai::types::assistants::{AssistantStreamEvent, CreateRunRequest};
    let request = CreateRunRequest { assistant_id: "asst_abc123".into(), ..Default::default() };
    #[allow(deprecated, reason = "the API is; its replacement is another one")]
    let mut events = client.threads().runs("thread_abc123").create_stream(request).await?;
    let mut deltas = 0;
    while let Some(event) = events.next().await {
        if let AssistantStreamEvent::ThreadMessageDelta(delta) = &event? {
            black_box(delta);
            deltas += 1;
        }
    }
    same(deltas == EVENTS)
}

fn same(is: bool) -> Result<()> {
    if is { Ok(()) } else { Err("the stream is another one".into()) }
}

/// The decoders alone, fed with one event at a time and with 64 KiB at a time.
fn in_memory(text: &str) -> Result<()> {
    for (name, size) in [("an event at a time", 0), ("64 KiB at a time", 64 * 1024)] {
        let chunks: Vec<bytes::Bytes> = match size {
            0 => text
                .split_inclusive("\n\n")
                .map(|event| bytes::Bytes::copy_from_slice(event.as_bytes()))
                .collect(),
            size => text.as_bytes().chunks(size).map(bytes::Bytes::copy_from_slice).collect(),
        };
        println!("decoders, {name}");
        let each = |time: Duration| time.as_secs_f64() * 1e9 / EVENTS as f64;
        let mut times = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut decoder = EventDecoder::new();
            let mut count = 0;
            for chunk in &chunks {
                decoder.push(chunk.clone());
                while let Some(event) = decoder.next_event() {
                    black_box(event?);
                    count += 1;
                }
            }
            same(count == EVENTS + 4)?;
            times[0].push(start.elapsed());

            let start = Instant::now();
            use eventsource_stream::Eventsource as _;
            let stream =
                futures_util::stream::iter(chunks.iter().cloned().map(Ok::<_, std::io::Error>));
            let mut stream = stream.eventsource();
            let mut count = 0;
            while let Some(event) = futures_executor(stream.next()) {
                black_box(event?);
                count += 1;
            }
            same(count == EVENTS + 4)?;
            times[1].push(start.elapsed());

            let start = Instant::now();
            let stream =
                futures_util::stream::iter(chunks.iter().cloned().map(Ok::<_, std::io::Error>));
            let mut stream = sse_stream::SseStream::from_bytes_stream(stream);
            let mut count = 0;
            while let Some(event) = futures_executor(stream.next()) {
                black_box(event?);
                count += 1;
            }
            same(count == EVENTS + 4)?;
            times[2].push(start.elapsed());

            let start = Instant::now();
            let mut decoder = EventDecoder::new();
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
            println!("  {name:<20} {:>7.0} ns an event", each(median(times)));
        }
        println!();
    }
    Ok(())
}

/// A future that is ready at once.
fn futures_executor<T>(future: impl Future<Output = T>) -> Option<T::Item>
where
    T: IntoIterator,
{
    use futures_util::FutureExt as _;
    future.now_or_never()?.into_iter().next()
}

/// What the client asks for, per delta.
async fn count_allocations(events: &[String]) -> Result<()> {
    let server = EventServer::start(events, Sending::ManyEvents)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    read(&http, &base_url).await?;
    let before = allocations();
    read(&http, &base_url).await?;
    let raw = allocations() - before;
    let client = runstep::Client::builder(&base_url).build()?;
    runstep(&client).await?;
    let before = allocations();
    runstep(&client).await?;
    let ours = allocations() - before;
    println!(
        "allocations per delta: {:.2} (reading without parsing: {:.2})",
        ours.count as f64 / EVENTS as f64,
        raw.count as f64 / EVENTS as f64
    );
    Ok(())
}

/// What a stream holds that has told its beginning and is silent now.
async fn idle_streams(events: &[String]) -> Result<()> {
    const STREAMS: i64 = 200;
    const TOLD: usize = 12;
    let server = EventServer::start(events.get(..TOLD).unwrap_or_default(), Sending::Held)?;
    let base_url = server.base_url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    let request = || http.post(format!("{base_url}/threads/thread_abc123/runs")).body("{}");
    let read = async || {
        let mut response = request().send().await?;
        let mut bytes = 0;
        while bytes < events.iter().take(TOLD).map(String::len).sum() {
            bytes += response.chunk().await?.map_or(0, |chunk| chunk.len());
        }
        Ok(response)
    };
    let client = runstep::Client::builder(&base_url).build()?;
    let open = async || {
        let mut events = client.runs("thread_abc123").create("asst_abc123").stream().await?;
        for _ in 0..TOLD {
            events.try_next().await?;
        }
        // It waits, and so its timer is there too.
        let waiting = tokio::time::timeout(Duration::from_millis(1), events.try_next()).await;
        same(waiting.is_err())?;
        Ok(events)
    };
    let (bare, _) = held_by(STREAMS, read).await?;
    let (ours, own) = held_by(STREAMS, open).await?;
    println!("an idle stream holds {ours} bytes with its connection, {own} without it");
    println!("a response of reqwest's, read as far, holds {bare} with its connection");
    Ok(())
}

/// What each of so many holds, once the first is there: with its connection, and what is given back
/// when it is dropped, before the connection has a chance to notice.
async fn held_by<T>(count: i64, open: impl AsyncFn() -> Result<T>) -> Result<(i64, i64)> {
    let _first = open().await?;
    let before = held();
    let mut all = Vec::with_capacity(count as usize);
    for _ in 0..count {
        all.push(open().await?);
    }
    let whole = held() - before;
    drop(all);
    Ok((whole / count, (before + whole - held()) / count))
}
