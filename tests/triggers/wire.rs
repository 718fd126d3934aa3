//! A proxy that speaks SOCKS 5 and HTTP CONNECT, and how a client speaks to one.

use std::io::{self, Read as _, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Words;
use crate::report::{self, parsed};

/// A proxy to go through.
pub(crate) enum Proxy {
    /// SOCKS 5, names resolved by the proxy.
    Socks(SocketAddr),
    /// HTTP CONNECT.
    Connect(SocketAddr),
}

impl Proxy {
    /// A connection to `HOST:PORT` through the proxy.
    pub(crate) fn connect(&self, target: &str, split: usize) -> Result<TcpStream> {
        let (Self::Socks(address) | Self::Connect(address)) = self;
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to the proxy {address}"))?;
        stream.set_nodelay(true)?;
        match self {
            Self::Socks(_) => {
                let (host, port) = target.rsplit_once(':').context("the target has no port")?;
                let port: u16 = port.parse().context("the target's port is no number")?;
                write_split(&mut stream, &[5, 1, 0], split)?;
                expect(&mut stream, &[5, 0])?;
                let mut ask = vec![5, 1, 0];
                match host.trim_matches(['[', ']']).parse() {
                    Ok(IpAddr::V4(address)) => ask.extend([&[1][..], &address.octets()].concat()),
                    Ok(IpAddr::V6(address)) => ask.extend([&[4][..], &address.octets()].concat()),
                    Err(_) => ask.extend([&[3, u8::try_from(host.len())?][..], host.as_bytes()].concat()),
                }
                ask.extend(port.to_be_bytes());
                write_split(&mut stream, &ask, split)?;
                expect(&mut stream, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            }
            Self::Connect(_) => {
                let ask = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
                write_split(&mut stream, ask.as_bytes(), split)?;
                expect(&mut stream, ESTABLISHED)?;
            }
        }
        Ok(stream)
    }
}

/// What the proxy says to a CONNECT.
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Serves connections until it is killed; first says where it listens. With a target all go there,
/// whatever was asked for.
pub(crate) fn proxy(words: Words<'_>) -> Result<Value> {
    let address: SocketAddr = parsed(words, 0)?;
    let always: Option<SocketAddr> = if words.len() > 1 { Some(parsed(words, 1)?) } else { None };
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
    report::say("proxy", json!({ "address": listener.local_addr()?.to_string() }));
    for stream in listener.incoming() {
        let stream = stream.context("accept")?;
        thread::spawn(move || {
            if let Err(error) = serve(stream, always) {
                eprintln!("proxy: {error:#}");
            }
        });
    }
    bail!("no more connections")
}

fn serve(mut client: TcpStream, always: Option<SocketAddr>) -> Result<()> {
    client.set_nodelay(true)?;
    let server = match bytes::<1>(&mut client)? {
        [5] => {
            let [methods] = bytes(&mut client)?;
            io::copy(&mut (&client).take(u64::from(methods)), &mut io::sink())?;
            client.write_all(&[5, 0])?;
            let [_, _, _, kind] = bytes(&mut client)?;
            let host = match kind {
                1 => IpAddr::from(bytes::<4>(&mut client)?).to_string(),
                4 => format!("[{}]", IpAddr::from(bytes::<16>(&mut client)?)),
                3 => {
                    let [length] = bytes(&mut client)?;
                    let mut name = String::new();
                    (&client).take(u64::from(length)).read_to_string(&mut name)?;
                    name
                }
                _ => bail!("no address of kind {kind}"),
            };
            let port = u16::from_be_bytes(bytes(&mut client)?);
            let server = dial(&format!("{host}:{port}"), always)?;
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            server
        }
        [b'C'] => {
            // A byte at a time: what follows the head is not ours to read.
            let mut head = vec![];
            while !head.ends_with(b"\r\n\r\n") {
                head.extend(bytes::<1>(&mut client)?);
                if head.len() > 4096 {
                    bail!("the head has no end");
                }
            }
            let head = String::from_utf8(head).context("the head is no text")?;
            let target = head.split(' ').nth(1).context("nothing was asked for")?;
            let server = dial(target, always)?;
            client.write_all(ESTABLISHED)?;
            server
        }
        [byte] => bail!("neither SOCKS 5 nor CONNECT begins with {byte:#04x}"),
    };
    join(client, server)
}

fn dial(asked: &str, always: Option<SocketAddr>) -> Result<TcpStream> {
    let stream = match always {
        Some(address) => TcpStream::connect(address),
        None => TcpStream::connect(asked),
    };
    stream.with_context(|| format!("cannot connect to {asked}"))
}

/// Carries bytes both ways until both sides are done.
fn join(client: TcpStream, server: TcpStream) -> Result<()> {
    server.set_nodelay(true)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || carry(&mut from, &mut to));
    let (mut from, mut to) = (server, client);
    carry(&mut from, &mut to);
    // A thread that panicked has said so.
    let _ = up.join();
    Ok(())
}

fn carry(from: &mut TcpStream, to: &mut TcpStream) {
    // That one side is gone is how a connection ends.
    let _ = io::copy(from, to);
    let _ = to.shutdown(Shutdown::Write);
}

fn bytes<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).context("the client hung up")?;
    Ok(bytes)
}

fn expect(stream: &mut TcpStream, wanted: &[u8]) -> Result<()> {
    let mut heard = vec![0; wanted.len()];
    stream.read_exact(&mut heard).context("the proxy hung up")?;
    if heard != wanted {
        bail!("the proxy said {heard:?}");
    }
    Ok(())
}

/// Writes bytes, at most so many at a time.
pub(crate) fn write_split(to: &mut impl Write, bytes: &[u8], split: usize) -> Result<()> {
    for part in bytes.chunks(split) {
        to.write_all(part).and_then(|()| to.flush()).context("cannot write to the peer")?;
    }
    Ok(())
}
