//! Shutdown by signals.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use crate::program::process::{ProgramBuilder, wait_for};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn signal_shuts_the_server_down() {
    for name in ["INT", "TERM"] {
        let mut program = ProgramBuilder::new(&ANY_PORT).serve();
        program.signal(name);
        assert_eq!(program.exit_status().code(), Some(0), "{name}");
    }
}

#[test]
fn second_signal_exits_immediately() {
    let mut program = ProgramBuilder::new(&ANY_PORT).serve();
    // A graceful shutdown waits for this request.
    let mut socket = TcpStream::connect(program.address()).unwrap();
    socket.write_all(b"POST /v1/threads HTTP/1.1\r\nhost: local").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    program.signal("INT");
    // The server refuses connections once it has received the signal.
    wait_for("a refused connection", || {
        TcpStream::connect(program.address()).is_err().then_some(())
    });
    program.signal("INT");
    assert_eq!(program.exit_status().code(), Some(130));
}
