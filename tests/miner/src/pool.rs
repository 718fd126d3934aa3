//! Stratum as Monero's miners speak it: login, jobs, shares; over TCP or TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

mod trust;

/// Donations to the Monero project: the address that its site publishes.
const WALLET: &str =
    "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H";
/// Where a block's nonce is.
const NONCE: std::ops::Range<usize> = 39..43;
/// How long a pool may take for its first job.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be hashed.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: String,
    blob: Vec<u8>,
    /// A hash below it is a share.
    target: u64,
    /// The key of RandomX.
    pub(crate) seed: Vec<u8>,
}

/// A hash that is good enough.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    job: String,
    nonce: u32,
    hash: Vec<u8>,
}

impl Job {
    /// Work without a pool: no hash is good enough.
    pub(crate) fn own() -> Self {
        Self { id: String::new(), blob: vec![0; 76], target: 0, seed: vec![7; 32] }
    }

    fn read(job: &Value) -> Result<Self> {
        let text = |key: &str| job[key].as_str().with_context(|| format!("a job without {key}"));
        let blob = from_hex(text("blob")?)?;
        if blob.len() < NONCE.end {
            bail!("a blob of {} bytes", blob.len());
        }
        let short: [u8; 4] = from_hex(text("target")?)?.try_into().ok().context("a target has four bytes")?;
        Ok(Self {
            id: text("job_id")?.to_owned(),
            blob,
            target: u64::from(u32::from_le_bytes(short)) << 32,
            seed: from_hex(text("seed_hash")?)?,
        })
    }

    /// Hashes with this nonce; the share, if it is one.
    pub(crate) fn attempt(
        &self,
        nonce: u32,
        hash: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Option<Share>> {
        let mut blob = self.blob.clone();
        blob.get_mut(NONCE).context("a short blob")?.copy_from_slice(&nonce.to_le_bytes());
        let hash = hash(&blob)?;
        let last = hash.last_chunk::<8>().context("a short hash")?;
        let is_share = u64::from_le_bytes(*last) < self.target;
        Ok(is_share.then(|| Share { job: self.id.clone(), nonce, hash }))
    }
}

/// Bytes to the pool and back, in TLS or not.
trait Carrier: Read + Write {}
impl<T: Read + Write> Carrier for T {}

/// A session with a pool.
pub(crate) struct Pool {
    carrier: Box<dyn Carrier>,
    socket: TcpStream,
    heard: Vec<u8>,
    session: String,
    job: Option<Job>,
    asked: u64,
    /// Shares that the pool took.
    pub(crate) accepted: u64,
}

impl Pool {
    /// Connects and asks for work.
    pub(crate) fn login(address: SocketAddr, tls: bool) -> Result<Self> {
        let socket = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        let stream = socket.try_clone()?;
        let carrier: Box<dyn Carrier> = if tls {
            let name = ServerName::from(address.ip());
            let session = rustls::ClientConnection::new(Arc::new(trust::anybody()?), name)?;
            Box::new(rustls::StreamOwned::new(session, stream))
        } else {
            Box::new(stream)
        };
        let mut pool =
            Self { carrier, socket, heard: vec![], session: String::new(), job: None, asked: 0, accepted: 0 };
        pool.ask("login", json!({ "login": WALLET, "pass": "x", "agent": "helper/1.0", "algo": ["rx/0"] }))?;
        Ok(pool)
    }

    /// The job that comes with the answer to the login.
    pub(crate) fn first_job(&mut self) -> Result<Job> {
        self.listen(PATIENCE)?.context("the pool has no work")
    }

    /// Hands a share over; the answer is counted when it comes.
    pub(crate) fn submit(&mut self, share: &Share) -> Result<()> {
        let Share { job, nonce, hash } = share;
        let nonce = hex(&nonce.to_le_bytes());
        let words = json!({ "id": self.session, "job_id": job, "nonce": nonce, "result": hex(hash) });
        self.ask("submit", words)
    }

    /// Listens for as long; the newest job, as soon as there is one.
    pub(crate) fn listen(&mut self, limit: Duration) -> Result<Option<Job>> {
        let deadline = Instant::now() + limit;
        while self.job.is_none() && Instant::now() < deadline {
            self.socket.set_read_timeout(Some(limit))?;
            let mut part = [0; 4096];
            match self.carrier.read(&mut part) {
                Ok(0) => bail!("the pool hung up"),
                Ok(length) => self.heard.extend(part.iter().take(length)),
                Err(error) if is_patience(&error) => {}
                Err(error) => return Err(error).context("cannot hear the pool"),
            }
            while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let said = serde_json::from_slice(&line).context("the pool says what is no JSON")?;
                self.take(&said)?;
            }
        }
        Ok(self.job.take())
    }

    fn take(&mut self, said: &Value) -> Result<()> {
        if !said["error"].is_null() {
            bail!("the pool says {}", said["error"]);
        }
        if said["method"] == "job" {
            self.job = Some(Job::read(&said["params"])?);
        } else if said["result"]["job"].is_object() {
            said["result"]["id"].as_str().context("a login without an id")?.clone_into(&mut self.session);
            self.job = Some(Job::read(&said["result"]["job"])?);
        } else if said["result"]["status"] == "OK" {
            self.accepted += 1;
        }
        Ok(())
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<()> {
        self.asked += 1;
        let asks = json!({ "id": self.asked, "jsonrpc": "2.0", "method": method, "params": params });
        self.carrier.write_all(format!("{asks}\n").as_bytes()).context("cannot speak to the pool")?;
        self.carrier.flush().context("cannot speak to the pool")
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let pair = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().with_context(|| format!("no hex: {text}"))
}
