//! Signals end it.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::program::process::{Start, eventually};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn a_signal_ends_it() {
    for name in ["INT", "TERM"] {
        let mut program = Start::new(&ANY_PORT).serve();
        program.signal(name);
        assert_eq!(program.exit_status().code(), Some(0), "{name}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = Start::new(&ANY_PORT).serve();
    // This would be waited for.
    let mut socket = TcpStream::connect(program.address()).unwrap();
    socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    program.signal("INT");
    // It has heard the signal once it takes no more connections.
    eventually("a refusal", || TcpStream::connect(program.address()).is_err().then_some(()));
    program.signal("INT");
    assert_eq!(program.exit_status().code(), Some(130));
}
