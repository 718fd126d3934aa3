//! The decoder of records from the kernel's rings.

use std::mem::offset_of;

use detector_common::wire::{Header, Kind};

use crate::Target;
use crate::event::Nanos;
use crate::kernel::decode::Decoder;

/// Records one after the other, each behind two bytes of length, so that records that belong together meet
/// in one decoder.
pub fn target() -> Target {
    let seeds = Kind::ALL.iter().map(|kind| framed(&record(*kind))).collect();
    Target { name: "decode".to_owned(), run: Box::new(run), seeds }
}

fn run(mut bytes: &[u8]) {
    let mut decoder = Decoder::new(1 << 60);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (record, rest) = rest.split_at(length);
        if let Some(event) = decoder.decode(record, Nanos(1)) {
            assert!(format!("{event:?}").len() < 1 << 20);
        }
        bytes = rest;
    }
    decoder.end_of_batch();
}

/// A record of a kind, all else zero, with a tail of text.
fn record(kind: Kind) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<Header>() + 400];
    let at = offset_of!(Header, kind);
    bytes[at..at + 2].copy_from_slice(&(kind as u16).to_ne_bytes());
    bytes.extend_from_slice(b"file\0directory\0");
    bytes
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = u16::try_from(record.len()).expect("records are short").to_le_bytes();
    [&length, record].concat()
}
