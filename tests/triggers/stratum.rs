//! A pool and a miner that mine nothing, and speak every dialect as the real ones do.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Words;
use crate::report::{self, parsed, path};
use crate::wire;

mod dialect;
mod framing;

use dialect::{DIALECTS, Dialect, Exchange, Step};
use framing::Framing;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a miner that stays says that it is there.
const KEEPALIVE: Duration = Duration::from_millis(500);

/// Serves connections until it is killed; first says where it listens. Without dialects it knows all.
pub(crate) fn pool(words: Words<'_>) -> Result<Value> {
    let address: SocketAddr = parsed(words, 0)?;
    let known = match words.get(1..).unwrap_or_default() {
        [] => DIALECTS.iter().collect(),
        names => names
            .iter()
            .map(|name| {
                let name = name.to_string_lossy();
                dialect::named(&name).with_context(|| format!("no dialect `{name}`"))
            })
            .collect::<Result<Vec<_>>>()?,
    };
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
    report::say("pool", json!({ "address": listener.local_addr()?.to_string() }));
    for stream in listener.incoming() {
        let (stream, known) = (stream.context("accept")?, known.clone());
        thread::spawn(move || {
            if let Err(error) = serve(&stream, &known) {
                eprintln!("pool: {error:#}");
            }
        });
    }
    bail!("no more connections")
}

/// Answers one miner, until it goes.
fn serve(stream: &TcpStream, known: &[&Dialect]) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = (BufReader::new(stream), stream);
    let Some(framing) = Framing::of_peer(&mut from)? else { return Ok(()) };
    // What two dialects say in the same words means what the miner spoke before.
    let mut spoken: Option<&Dialect> = None;
    while let Some(said) = framing.read(&mut from)? {
        let dialects = spoken.into_iter().chain(known.iter().copied());
        let found = dialects
            .filter(|dialect| dialect.framing == framing)
            .find_map(|dialect| Some((dialect, dialect.talk.iter().find(|exchange| exchange.say == said)?)));
        let Some((dialect, exchange)) = found else {
            bail!("nobody says {}", String::from_utf8_lossy(&said));
        };
        spoken = Some(dialect);
        for answer in exchange.hear {
            to.write_all(&framing.answer(answer)).context("cannot answer")?;
        }
    }
    Ok(())
}

/// How a miner is to speak.
struct Manner {
    /// Most bytes in one write.
    split: usize,
    /// Whether it logs in, then waits for a line of its standard input before its first share.
    late: bool,
    hold: Duration,
    proxy: Option<wire::Proxy>,
}

impl Manner {
    fn parse(words: Words<'_>) -> Result<Self> {
        let mut manner = Self { split: usize::MAX, late: false, hold: Duration::ZERO, proxy: None };
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            match word.to_str() {
                Some("--late") => manner.late = true,
                Some("--split") => manner.split = parsed(words, at)?,
                Some("--hold") => manner.hold = Duration::from_secs(parsed(words, at)?),
                Some("--socks") => manner.proxy = Some(wire::Proxy::Socks(parsed(words, at)?)),
                Some("--connect") => manner.proxy = Some(wire::Proxy::Connect(parsed(words, at)?)),
                _ => bail!("no option `{}`", word.display()),
            }
            at += usize::from(word != "--late");
        }
        if manner.split == 0 {
            bail!("a write has at least one byte");
        }
        Ok(manner)
    }
}

/// Logs in at a pool (`HOST:PORT`, or `-` for standard input and output), submits a share, stays for a while.
pub(crate) fn miner(words: Words<'_>) -> Result<Value> {
    let address = path(words, 0)?.to_str().context("the address is no text")?;
    let name: String = parsed(words, 1)?;
    let dialect = dialect::named(&name).with_context(|| format!("no dialect `{name}`"))?;
    let manner = Manner::parse(words.get(2..).unwrap_or_default())?;
    if address == "-" {
        let mut miner = Miner { from: io::stdin().lock(), to: io::stdout(), host: address, dialect, manner };
        let shares = miner.work()?;
        // Its standard output is the pool's.
        eprintln!("miner: {shares} shares were accepted");
        return Ok(Value::Null);
    }
    let stream = match &manner.proxy {
        None => TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?,
        Some(proxy) => proxy.connect(address, manner.split)?,
    };
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let local = stream.local_addr()?.to_string();
    let mut miner = Miner { from: BufReader::new(&stream), to: &stream, host: address, dialect, manner };
    let shares = miner.work()?;
    Ok(json!({ "dialect": name, "remote": address, "local": local, "shares": shares }))
}

struct Miner<'a, R, W> {
    from: R,
    to: W,
    host: &'a str,
    dialect: &'a Dialect,
    manner: Manner,
}

impl<R: BufRead, W: Write> Miner<'_, R, W> {
    /// The whole talk; how many shares were accepted.
    fn work(&mut self) -> Result<u32> {
        let talk = self.dialect.talk;
        let of = |step: Step| talk.iter().filter(move |exchange| exchange.step == step);
        for exchange in of(Step::Login) {
            self.exchange(exchange)?;
        }
        if self.manner.late {
            report::say("miner", json!({ "waits": true }));
            io::stdin().lock().read_line(&mut String::new()).context("cannot read standard input")?;
        }
        let mut shares = 0;
        for exchange in of(Step::Submit) {
            self.exchange(exchange)?;
            shares += 1;
        }
        let until = Instant::now() + self.manner.hold;
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            // A pace, not a wait for anything.
            thread::park_timeout(KEEPALIVE.min(left));
            of(Step::Keepalive).try_for_each(|exchange| self.exchange(exchange))?;
        }
        Ok(shares)
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<()> {
        let framing = self.dialect.framing;
        let bytes = framing.ask(self.host, exchange.say);
        wire::write_split(&mut self.to, &bytes, self.manner.split)?;
        for wanted in exchange.hear {
            let heard = framing.read(&mut self.from)?.context("the pool hung up")?;
            if heard != *wanted {
                bail!("the pool said {}", String::from_utf8_lossy(&heard));
            }
        }
        Ok(())
    }
}
