//! The latency of other requests while clients send large bodies that are refused.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use runstep_benches::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::connection::get;
use crate::{quantiles, resident};

const CLIENTS: usize = 4;
const BODY_BYTES: usize = 8_000_000;
const MEASUREMENT: Duration = Duration::from_secs(10);

/// Measures the program, if `RUNSTEP_SERVER` is set to its path.
pub(crate) async fn measure() -> Result<()> {
    let Ok(program) = std::env::var("RUNSTEP_SERVER") else {
        println!("RUNSTEP_SERVER is not set to the path of the program; refusals are not measured");
        return Ok(());
    };
    let mut child = std::process::Command::new(program)
        .args(["--listen", "127.0.0.1:0", "--data", ":memory:", "--log-level", "off"])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let measured = measure_program(&mut child).await;
    child.kill()?;
    child.wait()?;
    measured
}

async fn measure_program(child: &mut std::process::Child) -> Result<()> {
    let output = child.stdout.take().ok_or("the program has no output")?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
    let (_, rest) = line.split_once("http://").ok_or("the program printed no address")?;
    let address = rest.split('/').next().unwrap_or_default().parse()?;
    let id = child.id().to_string();
    let before = resident(&id)?;
    println!("\n{CLIENTS} clients send bodies of {BODY_BYTES} bytes that get a 400\n");
    for kind in ["a wrong type after a long text", "many values"] {
        // A valid start, and an error at the end.
        let body = match kind {
            "many values" => {
                format!(r#"{{"model":"m","metadata":[{}1]}}"#, "1,".repeat(BODY_BYTES / 2))
            }
            _ => format!(r#"{{"model":"m","instructions":"{}","name":1}}"#, "x".repeat(BODY_BYTES)),
        };
        let head = format!(
            "POST /v1/assistants HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let request: std::sync::Arc<[u8]> = (head + &body).into_bytes().into();
        let end = Instant::now() + MEASUREMENT;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let request = std::sync::Arc::clone(&request);
                tokio::spawn(async move { refuse(address, &request, end).await })
            })
            .collect();
        let probe = std::thread::spawn(move || probe(address, end));
        let mut refused = 0;
        for client in clients {
            refused += client.await??;
        }
        let mut durations = probe.join().map_err(|_| "the probe panicked")??;
        let [p50, p99, max] = quantiles(&mut durations);
        println!(
            "{kind}: {refused} refused; /healthz p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms; \
             aim: p99 below 10 ms"
        );
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("resident memory: {before} KiB before, {} KiB 5 s after", resident(&id)?);
    Ok(())
}

/// Requests `/healthz` until `end`, on a thread of its own, so that the other clients do not delay it.
/// Returns the durations in milliseconds.
fn probe(address: std::net::SocketAddr, end: Instant) -> Result<Vec<f64>> {
    let mut socket = std::net::TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let (health, mut buffer) = (get("/healthz"), [0; 4096]);
    let mut durations = Vec::new();
    while Instant::now() < end {
        let started = Instant::now();
        socket.write_all(&health)?;
        // The response is short, so it arrives as a whole.
        let read = socket.read(&mut buffer)?;
        if !buffer.get(..read).unwrap_or_default().starts_with(b"HTTP/1.1 200 ") {
            return Err("/healthz did not get a 200".into());
        }
        durations.push(started.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(durations)
}

/// Sends requests until `end`. Returns how many got a 400.
async fn refuse(address: std::net::SocketAddr, request: &[u8], end: Instant) -> Result<usize> {
    let mut refused = 0;
    while Instant::now() < end {
        let mut socket = TcpStream::connect(address).await?;
        socket.write_all(request).await?;
        let mut response = Vec::new();
        socket.read_to_end(&mut response).await?;
        if !response.starts_with(b"HTTP/1.1 400 ") {
            let text = String::from_utf8_lossy(&response);
            return Err(format!("expected a 400, but got {text}").into());
        }
        refused += 1;
    }
    Ok(refused)
}
