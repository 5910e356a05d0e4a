//! A provider of models whose chunks are the time at which they are sent.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::programs::{Error, file};

/// How many chunks a response has, and the time between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) chunks: u32,
    pub(super) interval: Duration,
}

/// A response of one second.
pub(super) const SHORT: Pace = Pace { chunks: 40, interval: Duration::from_millis(25) };
/// A response of ten seconds.
pub(super) const LONG: Pace = Pace { chunks: 200, interval: Duration::from_millis(50) };

/// A running provider. Its threads end with the process.
pub(super) struct Provider {
    pub(super) url: String,
}

impl Provider {
    pub(super) fn start(pace: Pace) -> Result<Self, Error> {
        let start = || -> io::Result<Self> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let url = format!("http://{}/v1", listener.local_addr()?);
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    thread::spawn(move || respond(client, pace));
                }
            });
            Ok(Self { url })
        };
        start().map_err(file(Path::new("provider")))
    }

    /// Returns how long ago a chunk was sent.
    pub(super) fn age(sent: u64) -> Duration {
        start_time().elapsed().saturating_sub(Duration::from_micros(sent))
    }
}

fn start_time() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Reads a request, and responds with a stream of chunks.
fn respond(client: TcpStream, pace: Pace) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or_default();
        } else if line.trim().is_empty() {
            break;
        }
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    let mut client = client;
    client.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    )?;
    let started = Instant::now();
    for index in 0..=pace.chunks {
        thread::sleep((started + pace.interval * (index + 1)).duration_since(Instant::now()));
        let sent = start_time().elapsed().as_micros();
        let choice = if index < pace.chunks {
            json!({"index": 0, "delta": {"content": format!("{sent} ")}, "finish_reason": null})
        } else {
            json!({"index": 0, "delta": {}, "finish_reason": "stop"})
        };
        let chunk = json!({"id": "a", "object": "chat.completion.chunk", "created": 1,
            "model": "mock", "choices": [choice]});
        client.write_all(format!("data: {chunk}\n\n").as_bytes())?;
    }
    client.write_all(b"data: [DONE]\n\n")
}
