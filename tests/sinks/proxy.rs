//! A proxy that knows nothing but CONNECT, and keeps what it is asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, channel};
use std::time::Duration;

pub(crate) struct Proxy {
    port: u16,
    asked: Channel<String>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, sender) = (stream.unwrap(), sender.clone());
                std::thread::spawn(move || {
                    // A test that has ended listens no more.
                    let _ = sender.send(serve(&stream));
                });
            }
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first line of the next request.
    pub(crate) fn next(&self) -> String {
        self.asked.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

/// Joins the two sides; gives the first line.
fn serve(mut stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first).unwrap();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    let to = first.split_whitespace().nth(1).unwrap();
    let Ok(other) = TcpStream::connect(to) else {
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").unwrap();
        return first;
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    for (from, into) in [(stream, &other), (&other, stream)] {
        let (mut from, mut into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
        std::thread::spawn(move || {
            // A side that is gone ends it.
            let _ = std::io::copy(&mut from, &mut into);
            let _ = into.shutdown(std::net::Shutdown::Write);
        });
    }
    first
}
