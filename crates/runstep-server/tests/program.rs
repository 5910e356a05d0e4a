//! The program: it says where it listens, and it ends when it is told to.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program, and the address where it listens.
struct Program(Child, String);

impl Program {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_runstep-server"))
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let start = "runstep-server listens on http://";
        let address = line.trim().strip_prefix(start).and_then(|url| url.strip_suffix("/v1"));
        let address = address.unwrap_or_else(|| panic!("unexpected: {line}")).to_owned();
        Self(child, address)
    }

    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it takes no more connections: until it has heard a signal.
    fn refuses(&self) {
        eventually("a refusal", || TcpStream::connect(&self.1).is_err().then_some(()));
    }

    fn exit_code(&mut self) -> Option<i32> {
        eventually("an end", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        if let Some(got) = get() {
            return got;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("there was never {what}");
}

#[test]
fn a_signal_ends_it() {
    for name in ["INT", "TERM"] {
        let mut program = Program::start();
        program.signal(name);
        assert_eq!(program.exit_code(), Some(0), "{name}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = Program::start();
    // This would be waited for.
    let mut socket = TcpStream::connect(&program.1).unwrap();
    socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    program.signal("INT");
    program.refuses();
    program.signal("INT");
    assert_eq!(program.exit_code(), Some(130));
}
