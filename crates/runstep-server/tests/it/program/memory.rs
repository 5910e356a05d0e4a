//! The memory of the process, whatever clients send.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::{Program, ProgramBuilder};

/// The bound of what is in memory, in bytes.
const BOUND: usize = 64 * 1024 * 1024;
/// The peak of the resident memory: twice the bound and 50 MB, in KiB.
const MAX_RESIDENT: usize = (2 * BOUND + 50_000_000) / 1024;
const ASSISTANTS: usize = 9;

/// Sends a request. Returns the status and the first part of the body, up to 100 KB.
fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).unwrap();
    // The server may refuse the request before it reads the body.
    let _ = socket.write_all(body.as_bytes());
    let mut response = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = socket.read(&mut buffer)
        && read > 0
    {
        let room = 100_000_usize.saturating_sub(response.len());
        response.extend_from_slice(&buffer[..read.min(room)]);
    }
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    (status.unwrap_or(0), body.to_owned())
}

/// Repeats a request while the memory is in use.
fn send_until_accepted(address: SocketAddr, method: &str, path: &str, body: &str) {
    for _ in 0..1000 {
        match send(address, method, path, body) {
            (200, _) => return,
            (429, _) => thread::sleep(Duration::from_millis(20)),
            (status, body) => panic!("{status}: {body:.300}"),
        }
    }
    panic!("{method} {path} is never accepted");
}

/// Returns an id of an object with long members, of which only the start was read.
fn id(body: &str) -> String {
    let (_, rest) = body.split_once("\"id\":\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Returns the peak of the resident memory in KiB.
fn peak(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Returns tools of 8 MiB, as many values as the server accepts among them.
fn tools(number: usize) -> Value {
    let parameters = json!({
        "enum": vec![0; 40_000],
        "properties": vec![json!({"a": {}}); 2000],
        "description": "x".repeat(8 * 1024 * 1024 - 150_000),
        "title": number.to_string(),
    });
    json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}])
}

/// Checks that the peak is bounded.
fn check(data: &str) {
    let bound = BOUND.to_string();
    let arguments = ["--listen", "127.0.0.1:0", "--data", data, "--max-stored-bytes", &bound];
    let program = ProgramBuilder::new(&arguments).serve();
    let address = program.address();
    let mut assistants = Vec::new();
    for number in 0..ASSISTANTS {
        let body = json!({"model": "m", "tools": tools(number)}).to_string();
        match send(address, "POST", "/v1/assistants", &body) {
            (200, body) => assistants.push(id(&body)),
            (status, body) => {
                assert_eq!(status, 429, "{body}");
                assert!(body.contains("memory quota"), "{body}");
            }
        }
    }
    assert!(assistants.len() >= 5, "{}", assistants.len());
    if data == ":memory:" {
        // Without this the assistants leave no room for runs.
        for assistant in assistants.drain(3..) {
            assert_eq!(send(address, "DELETE", &format!("/v1/assistants/{assistant}"), "").0, 200);
        }
    }
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients = (0..8).map(|client| {
            let assistants = &assistants;
            scope.spawn(move || {
                let mut statuses = Vec::new();
                for number in 0..3 {
                    let assistant = &assistants[(client + number) % assistants.len()];
                    let messages = json!([{"role": "user", "content": "Hi"}]);
                    let body = json!({
                        "assistant_id": assistant,
                        "thread": {"messages": messages},
                        "stream": client % 2 == 0,
                    });
                    let path = "/v1/threads/runs";
                    statuses.push(send(address, "POST", path, &body.to_string()).0);
                    statuses.push(send(address, "GET", "/v1/assistants?limit=100", "").0);
                    let path = format!("/v1/assistants/{assistant}");
                    statuses.push(send(address, "GET", &path, "").0);
                    statuses.push(send(address, "POST", &path, r#"{"name":"n"}"#).0);
                }
                statuses
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let accepted = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let peak = peak(&program);
    println!("{data}: {accepted} of {} requests accepted, peak {peak} KiB", statuses.len());
    assert!(peak < MAX_RESIDENT, "{data}: the peak is {peak} KiB of {MAX_RESIDENT}");
    if data == ":memory:" {
        assert!(accepted > 10, "{statuses:?}");
        return;
    }
    // When the runs have ended, nothing is counted any more, and requests one after the other are
    // accepted.
    for assistant in &assistants {
        let path = format!("/v1/assistants/{assistant}");
        send_until_accepted(address, "GET", &path, "");
        send_until_accepted(address, "POST", &path, r#"{"name":"n"}"#);
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let thread = json!({"messages": messages});
        let body = json!({"assistant_id": assistant, "thread": thread, "stream": true});
        send_until_accepted(address, "POST", "/v1/threads/runs", &body.to_string());
    }
    let last = self::peak(&program);
    assert!(last < MAX_RESIDENT, "{data}: the peak is {last} KiB of {MAX_RESIDENT}");
}

#[test]
fn memory_of_long_schemas_is_bounded_with_a_data_file() {
    check("data.db");
}

#[test]
fn memory_of_long_schemas_is_bounded_in_memory() {
    check(":memory:");
}
