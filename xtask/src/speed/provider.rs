//! A provider that responds without delay: with the same four words by each API, and to uploads, whose
//! content it discards.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use crate::programs::{Error, file};

const WORDS: [&str; 4] = ["It ", "is ", "sunny ", "today."];
/// How much of an upload is read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A running provider. Its threads end with the process.
pub(super) struct Provider {
    pub(super) url: String,
    pub(super) address: SocketAddr,
}

/// The responses, as bytes on the wire.
struct Responses {
    chat_completions: Vec<u8>,
    responses: Vec<u8>,
    file: Vec<u8>,
}

impl Provider {
    pub(super) fn start() -> Result<Self, Error> {
        let start = || -> io::Result<Self> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            let responses = Arc::new(Responses {
                chat_completions: with_head("text/event-stream", &chat_completions()),
                responses: with_head("text/event-stream", &responses()),
                file: with_head("application/json", &uploaded().to_string()),
            });
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let responses = Arc::clone(&responses);
                    thread::spawn(move || serve(client, &responses));
                }
            });
            Ok(Self { url: format!("http://{address}/v1"), address })
        };
        start().map_err(file(Path::new("provider")))
    }
}

fn with_head(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Serves the requests of a connection.
fn serve(mut client: TcpStream, responses: &Responses) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(READ_BYTES, client.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let (mut length, mut is_chunked) = (0, false);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let (name, value) = line.trim().split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or_default();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                is_chunked = true;
            } else if line.trim().is_empty() {
                break;
            }
        }
        if is_chunked {
            skip_chunks(&mut reader)?;
        } else {
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        }
        client.write_all(if first.contains("/chat/completions") {
            &responses.chat_completions
        } else if first.contains("/responses") {
            &responses.responses
        } else {
            &responses.file
        })?;
    }
}

fn skip_chunks(reader: &mut BufReader<TcpStream>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        io::copy(&mut reader.by_ref().take(size), &mut io::sink())?;
        // The end of the chunk.
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn chat_completions() -> String {
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let words = WORDS.map(|word| chunk(json!({"content": word}), Value::Null));
    let first = chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    let last = chunk(json!({}), json!("stop"));
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14});
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
        "model": "mock", "choices": [], "usage": usage});
    let chunks = [first].into_iter().chain(words).chain([last, usage]);
    let events: String = chunks.map(|chunk| format!("data: {chunk}\n\n")).collect();
    events + "data: [DONE]\n\n"
}

fn responses() -> String {
    let text = WORDS.concat();
    let response = |status: &str, output: Value, usage: Value| {
        json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status,
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
            "model": "mock", "output": output, "parallel_tool_calls": true, "temperature": 1.0,
            "top_p": 1.0, "tool_choice": "auto", "tools": [], "usage": usage})
    };
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let item = |status: &str, content: Value| {
        json!({"type": "message", "id": "msg_1", "role": "assistant", "status": status,
            "content": content})
    };
    let of_part = |kind: &str, field: &str, value: Value| {
        json!({"type": format!("response.{kind}"), "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "logprobs": [], field: value})
    };
    let of_item = |kind: &str, item: Value| json!({"type": format!("response.output_item.{kind}"), "output_index": 0, "item": item});
    let started = response("in_progress", json!([]), Value::Null);
    let complete = item("completed", json!([part(&text)]));
    let usage = json!({"input_tokens": 10, "output_tokens": 4, "total_tokens": 14});
    let mut events = vec![
        json!({"type": "response.created", "response": started}),
        json!({"type": "response.in_progress", "response": started}),
        of_item("added", item("in_progress", json!([]))),
        of_part("content_part.added", "part", part("")),
    ];
    events.extend(WORDS.map(|word| of_part("output_text.delta", "delta", json!(word))));
    events.extend([
        of_part("output_text.done", "text", json!(text)),
        of_part("content_part.done", "part", part(&text)),
        of_item("done", complete.clone()),
    ]);
    let response = response("completed", json!([complete]), usage);
    events.push(json!({"type": "response.completed", "response": response}));
    let numbered = events.iter_mut().enumerate().map(|(number, event)| {
        if let Some(event) = event.as_object_mut() {
            event.insert("sequence_number".to_owned(), number.into());
        }
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        format!("event: {kind}\ndata: {event}\n\n")
    });
    numbered.collect()
}

fn uploaded() -> Value {
    json!({"id": "file-1", "object": "file", "bytes": 1, "created_at": 1, "filename": "data",
        "purpose": "assistants", "status": "processed"})
}
