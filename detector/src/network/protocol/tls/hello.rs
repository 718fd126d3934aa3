//! The ClientHello of RFC 8446 section 4.1.2, as far as it is there.

use super::super::reader::Reader;
use crate::event::text;

/// Version, random, empty session, one cipher suite, one compression method.
pub(super) const SHORTEST: usize = 2 + 32 + 1 + 4 + 2;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// What a client offers; values that only test a server's tolerance (GREASE, RFC 8701) are left out.
#[derive(Debug, Default)]
pub(super) struct Hello<'a> {
    /// Nothing is missing, down to the last extension.
    pub(super) is_whole: bool,
    /// The version field, which says no more than 1.2.
    legacy_version: u16,
    pub(super) ciphers: Vec<u16>,
    pub(super) extensions: Vec<u16>,
    pub(super) signatures: Vec<u16>,
    versions: Vec<u16>,
    sni: Option<&'a [u8]>,
    /// Offered protocols, in order.
    pub(super) alpn: Vec<&'a [u8]>,
}

impl<'a> Hello<'a> {
    /// Reads the message behind its header; `None` where it is no hello. Where it is not `whole`, what is
    /// missing is not held against it.
    pub(super) fn read(bytes: &'a [u8], whole: bool) -> Option<Self> {
        let mut hello = Self::default();
        match hello.fill(Reader(bytes)) {
            Some(()) => {
                hello.is_whole &= whole;
                Some(hello)
            }
            None if whole => None,
            None => Some(hello),
        }
    }

    fn fill(&mut self, mut rest: Reader<'a>) -> Option<()> {
        self.legacy_version = rest.u16()?;
        rest.take(32)?;
        rest.counted8().filter(|session| session.len() <= 32)?;
        let ciphers = rest.counted16().filter(|list| !list.is_empty() && list.len() % 2 == 0)?;
        self.ciphers = numbers(ciphers);
        rest.counted8().filter(|methods| !methods.is_empty())?;
        if rest.0.is_empty() {
            // TLS 1.2 and older need no extensions; of a hello that is cut nobody takes this for an end.
            self.is_whole = true;
            return Some(());
        }
        let length = rest.u16()?;
        self.is_whole = usize::from(length) == rest.0.len();
        while !rest.0.is_empty() {
            let (Some(kind), Some(body)) = (rest.u16(), rest.counted16()) else {
                self.is_whole = false;
                break;
            };
            self.extension(kind, Reader(body));
        }
        Some(())
    }

    fn extension(&mut self, kind: u16, mut body: Reader<'a>) {
        if is_grease(kind) {
            return;
        }
        self.extensions.push(kind);
        match kind {
            SERVER_NAME => self.sni = self.sni.or_else(|| server_name(body)),
            SIGNATURE_ALGORITHMS => self.signatures = numbers(body.counted16().unwrap_or_default()),
            SUPPORTED_VERSIONS => self.versions = numbers(body.counted8().unwrap_or_default()),
            ALPN if self.alpn.is_empty() => {
                let mut list = Reader(body.counted16().unwrap_or_default());
                while let Some(protocol) = list.counted8() {
                    if !matches!(protocol, [first, second] if is_grease(u16::from_be_bytes([*first, *second])))
                    {
                        self.alpn.push(protocol);
                    }
                }
            }
            _ => {}
        }
    }

    /// The server's name, lower case.
    pub(super) fn sni(&self) -> Option<String> {
        self.sni.map(|name| text(name).to_ascii_lowercase())
    }

    /// Offered protocols, as text.
    pub(super) fn alpn(&self) -> Vec<String> {
        self.alpn.iter().map(|protocol| text(protocol).into_string()).collect()
    }

    /// Highest version offered, as its number on the wire; `None` where the list of versions may be missing.
    pub(super) fn highest(&self) -> Option<u16> {
        let listed = self.versions.iter().copied().max();
        listed.or_else(|| self.is_whole.then_some(self.legacy_version))
    }

    /// Highest version offered, such as `1.3`.
    pub(super) fn version(&self) -> Option<String> {
        self.highest().map(|version| match version {
            0x0300 => "ssl3".to_owned(),
            0x0301..=0x0304 => format!("1.{}", version - 0x0301),
            other => format!("0x{other:04x}"),
        })
    }
}

/// Values of RFC 8701: both bytes alike, and each ends in `a`.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn numbers(mut list: &[u8]) -> Vec<u16> {
    let mut found = Vec::with_capacity(list.len() / 2);
    while let Some((pair, rest)) = list.split_first_chunk() {
        list = rest;
        found.push(u16::from_be_bytes(*pair));
    }
    found.retain(|value| !is_grease(*value));
    found
}

fn server_name(mut body: Reader<'_>) -> Option<&[u8]> {
    let mut list = Reader(body.counted16()?);
    loop {
        let (kind, name) = (list.u8()?, list.counted16()?);
        if kind == 0 && !name.is_empty() {
            return Some(name);
        }
    }
}
