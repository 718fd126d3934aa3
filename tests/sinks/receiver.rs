//! An HTTP server that keeps what it is sent and answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// How an answer goes.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A status, headers (`Name: value`) and a body.
    With(u16, &'static [&'static str], String),
    /// The connection is reset before anything is said.
    Reset,
    /// Nothing is said until the other side is gone.
    Hang,
    /// What is said is no HTTP.
    Garbage,
}

impl Reply {
    /// 200 and this body.
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::With(200, &[], body.into())
    }

    /// A status without more.
    pub(crate) fn status(status: u16) -> Self {
        Self::With(status, &[], String::new())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The server. Every request takes the next reply; the last one stays.
pub(crate) struct Receiver {
    port: u16,
    got: Channel<Got>,
    connections: Arc<Mutex<usize>>,
    /// As PEM: what is to be trusted, where it speaks TLS.
    authority: Option<String>,
}

impl Receiver {
    pub(crate) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::listen(replies, None)
    }

    /// One that speaks TLS as `localhost`, with a certificate that nobody knows.
    pub(crate) fn start_tls(replies: impl IntoIterator<Item = Reply>) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        Self::listen(replies, Some((config, own.cert.pem())))
    }

    fn listen(replies: impl IntoIterator<Item = Reply>, tls: Option<(ServerConfig, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let replies: Arc<Mutex<VecDeque<Reply>>> = Arc::new(Mutex::new(replies.into_iter().collect()));
        let (sender, got) = channel();
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        let (config, authority) = tls.map(|(config, pem)| (Arc::new(config), pem)).unzip();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                *count.lock().unwrap() += 1;
                let (replies, sender) = (Arc::clone(&replies), sender.clone());
                let config = config.clone();
                let stream = stream.unwrap();
                std::thread::spawn(move || {
                    let socket = stream.try_clone().unwrap();
                    match config {
                        None => serve(stream, &socket, &replies, &sender),
                        Some(config) => {
                            let tls = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(tls, stream), &socket, &replies, &sender);
                        }
                    }
                });
            }
        });
        Self { port, got, connections, authority }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        match self.authority {
            None => format!("http://127.0.0.1:{}{path}", self.port),
            Some(_) => format!("https://localhost:{}{path}", self.port),
        }
    }

    /// The certificate that is to be trusted, as PEM.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_deref().unwrap()
    }

    /// The next request.
    pub(crate) fn next(&self) -> Got {
        self.got.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Whether nothing more has come.
    pub(crate) fn is_idle(&self) -> bool {
        self.got.try_recv().is_err()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn serve(stream: impl Read + Write, socket: &TcpStream, replies: &Mutex<VecDeque<Reply>>, got: &Sender<Got>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let reply = {
            let mut replies = replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
        };
        // A test that has ended listens no more.
        let _ = got.send(request);
        let stream = reader.get_mut();
        match reply {
            Reply::With(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for header in headers {
                    head.push_str(&format!("{header}\r\n"));
                }
                if stream.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Reset => {
                rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
                return;
            }
            Reply::Hang => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Reply::Garbage => {
                let _ = stream.write_all(b"\x00\xffno such protocol\r\n\r\n");
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<impl Read>) -> Option<Got> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        assert_ne!(name, "transfer-encoding", "bodies have a length");
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { method, path, headers, body })
}
