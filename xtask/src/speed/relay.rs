//! A relay that copies bytes between a client and the provider, and does nothing else. No program that
//! passes uploads on through its own memory does less, so it bounds what the server can reach.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use crate::programs::{Error, file};

/// How much is copied at a time. Shorter and longer buffers are slower.
const BUFFER_BYTES: usize = 256 * 1024;

/// Starts the relay, and returns its URL. Its threads end with the process.
pub(super) fn start(provider: SocketAddr) -> Result<String, Error> {
    let start = || -> io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || relay(client, provider));
            }
        });
        Ok(url)
    };
    start().map_err(file(Path::new("relay")))
}

/// Copies both ways until one side closes its connection.
fn relay(client: TcpStream, provider: SocketAddr) -> io::Result<()> {
    let provider = TcpStream::connect(provider)?;
    for socket in [&client, &provider] {
        socket.set_nodelay(true)?;
    }
    let (responses, requests) = (provider.try_clone()?, client.try_clone()?);
    thread::spawn(move || copy(responses, client));
    copy(requests, provider)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return to.shutdown(Shutdown::Write);
        }
        to.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}
