//! The ways to a syslog receiver.
//!
//! None of them acknowledges anything. Over UDP whatever is lost is lost. Over TCP and TLS a connection that the
//! receiver closed is seen before the next message is written, and a message whose write failed is written again to a
//! new connection; what the receiver's kernel took and its program never read is lost, and nobody can tell.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::address::{Address, Target};
use crate::sinks::Problem;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a write may take.
const WRITE: Duration = Duration::from_secs(10);

/// What is needed to encrypt.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(
        name: &str,
        ca_file: Option<&Path>,
        cert_file: Option<&Path>,
        key_file: Option<&Path>,
    ) -> Result<Self, Problem> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Problem::new("server_name", format!("\"{name}\" is no name or address of a host"))
        })?;
        let mut roots = RootCertStore::empty();
        match ca_file {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                for certificate in certificates("ca_file", path)? {
                    roots.add(certificate).map_err(|error| {
                        let message = format!("{}: {error}; write authorities as PEM", path.display());
                        Problem::new("ca_file", message)
                    })?;
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::new("address", error))?
            .with_root_certificates(roots);
        let config = match (cert_file, key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert_file), Some(key_file)) => {
                let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| {
                    let message =
                        format!("{}: {error}; name a readable PEM file with the key", key_file.display());
                    Problem::new("key_file", message)
                })?;
                builder
                    .with_client_auth_cert(certificates("cert_file", cert_file)?, key)
                    .map_err(|error| Problem::new("cert_file", format!("{}: {error}", cert_file.display())))?
            }
            (Some(_), None) => {
                return Err(Problem::new("key_file", "cert_file needs its key; name the file"));
            }
            (None, Some(_)) => {
                return Err(Problem::new("cert_file", "key_file needs its certificate; name the file"));
            }
        };
        Ok(Self { config: Arc::new(config), name })
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let wrong = |what: String| Problem::new(key, format!("{}: {what}", path.display()));
    let pem = fs::read(path).map_err(|error| wrong(format!("{error}; name a readable PEM file")))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = read.map_err(|error| wrong(format!("{error}; write certificates as PEM")))?;
    if found.is_empty() {
        return Err(wrong("holds no certificate; write certificates as PEM".to_owned()));
    }
    Ok(found)
}

/// A way to a receiver, opened when it is needed.
pub(super) struct Link {
    address: Address,
    tls: Option<Tls>,
    open: Option<Way>,
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl Link {
    pub(super) fn new(address: Address, tls: Option<Tls>) -> Self {
        Self { address, tls, open: None }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a message, over a new connection where the old one is gone.
    pub(super) fn send(&mut self, text: &str) -> io::Result<()> {
        if let Some(mut way) = self.open.take()
            && way.is_alive()
            && way.send(text).is_ok()
        {
            self.open = Some(way);
            return Ok(());
        }
        let mut way = self.connect()?;
        way.send(text)?;
        self.open = Some(way);
        Ok(())
    }

    fn connect(&self) -> io::Result<Way> {
        match &self.address {
            Address::Udp(target) => udp(target).map(Way::Udp),
            Address::Tcp(target) => tcp(target).map(Way::Tcp),
            Address::Tls(target) => {
                let Tls { config, name } = self.tls.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
                let mut stream = tcp(target)?;
                let mut session =
                    ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
                while session.is_handshaking() {
                    session.complete_io(&mut stream)?;
                }
                Ok(Way::Tls(Box::new(StreamOwned::new(session, stream))))
            }
            Address::Unix(path) => unix(path),
        }
    }
}

/// A stream that is closed with something left to read is reset, and the receiver may lose what it has not read yet.
impl Drop for Way {
    fn drop(&mut self) {
        match self {
            Self::Udp(_) | Self::Datagram(_) | Self::Stream(_) => {}
            Self::Tcp(stream) => {
                let _ = stream.shutdown(Shutdown::Write);
                is_quiet(&*stream);
            }
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
                let _ = stream.sock.shutdown(Shutdown::Write);
                is_quiet(&stream.sock);
            }
        }
    }
}

impl Way {
    fn send(&mut self, text: &str) -> io::Result<()> {
        let counted = || format!("{} {text}", text.len());
        match self {
            Self::Udp(socket) => {
                socket.send(text.as_bytes())?;
                // On this machine a port where nobody listens answers at once.
                socket.take_error()?.map_or(Ok(()), Err)
            }
            Self::Datagram(socket) => socket.send(text.as_bytes()).map(drop),
            Self::Tcp(stream) => stream.write_all(counted().as_bytes()),
            Self::Tls(stream) => stream.write_all(counted().as_bytes()).and_then(|()| stream.flush()),
            // As syslog(3) does it.
            Self::Stream(stream) => stream.write_all(format!("{text}\0").as_bytes()),
        }
    }

    /// Whether the other side has not closed the connection, as far as this one knows.
    fn is_alive(&mut self) -> bool {
        match self {
            Self::Udp(_) | Self::Datagram(_) => true,
            Self::Tcp(stream) => is_quiet(&*stream),
            Self::Stream(stream) => is_quiet(&*stream),
            Self::Tls(stream) => {
                let StreamOwned { conn, sock } = &mut **stream;
                sock.set_nonblocking(true).is_ok() && drain(conn, sock) && sock.set_nonblocking(false).is_ok()
            }
        }
    }
}

/// Whether a stream from which nothing is expected is open: it has nothing to read, or something that we ignore.
fn is_quiet(stream: impl std::os::fd::AsFd) -> bool {
    let mut buffer = [0; 512];
    loop {
        match recv(&stream, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => return false,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return error == rustix::io::Errno::AGAIN,
        }
    }
}

/// Takes in what a TLS server sends of its own accord (session tickets, the end).
fn drain(session: &mut ClientConnection, stream: &mut TcpStream) -> bool {
    loop {
        match session.read_tls(stream) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
        let Ok(state) = session.process_new_packets() else { return false };
        if state.peer_has_closed() {
            return false;
        }
        // What it says is not for us, and must not fill up.
        if io::copy(&mut session.reader().take(state.plaintext_bytes_to_read() as u64), &mut io::sink())
            .is_err()
        {
            return false;
        }
    }
}

fn udp(target: &Target) -> io::Result<UdpSocket> {
    attempt(target, |address| {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        socket.set_write_timeout(Some(WRITE))?;
        Ok(socket)
    })
}

fn tcp(target: &Target) -> io::Result<TcpStream> {
    attempt(target, |address| {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_write_timeout(Some(WRITE))?;
        stream.set_read_timeout(Some(WRITE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

/// Tries every address of a host.
fn attempt<T>(target: &Target, mut open: impl FnMut(std::net::SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (&*target.host, target.port).to_socket_addrs()? {
        match open(address) {
            Ok(opened) => return Ok(opened),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A datagram socket, which /dev/log nearly always is, or else a stream.
fn unix(path: &Path) -> io::Result<Way> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => {
            socket.set_write_timeout(Some(WRITE))?;
            Ok(Way::Datagram(socket))
        }
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            let stream = UnixStream::connect(path)?;
            stream.set_write_timeout(Some(WRITE))?;
            Ok(Way::Stream(stream))
        }
        Err(error) => Err(error),
    }
}
