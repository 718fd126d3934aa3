//! Records from the kernel's rings: their decoder alone, and with what puts flows together behind it.
//!
//! An input is records one after the other, each behind two bytes of length, so that those that belong
//! together meet.

use std::mem::offset_of;

use detector_common::wire::{self, Header, Kind, flag};

use crate::Target;
use crate::event::{Event, Nanos};
use crate::kernel::decode::Decoder;
use crate::network::Network;
use crate::network::protocol::{datagrams, samples};

pub fn targets() -> [Target; 2] {
    let decode = Target {
        name: "decode".to_owned(),
        run: Box::new(|bytes| {
            decode(bytes, |event| assert!(format!("{event:?}").len() < 1 << 20));
        }),
        seeds: Kind::ALL.iter().map(|kind| framed(&record(*kind, 0, &[0; 300]))).collect(),
    };
    let tcp = samples().map(|sample| payload(6, sample.bytes));
    let udp = datagrams().map(|sample| payload(17, sample.bytes));
    let flows = Target { name: "flows".to_owned(), run: Box::new(flows), seeds: tcp.chain(udp).collect() };
    [decode, flows]
}

fn decode(mut bytes: &[u8], mut each: impl FnMut(Event)) {
    let mut decoder = Decoder::new(1 << 60);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (record, rest) = rest.split_at(length);
        if let Some(event) = decoder.decode(record, Nanos(1)) {
            each(event);
        }
        bytes = rest;
    }
    decoder.end_of_batch();
}

/// What is said of flows is at most what was sent, and a question without an answer.
fn flows(bytes: &[u8]) {
    let (mut network, mut said) = (Network::default(), Vec::new());
    let mut events = 0;
    decode(bytes, |event| {
        events += 1;
        network.event(&event, &mut said);
    });
    network.tick(Nanos(u64::MAX), &mut said);
    assert!(said.len() <= events, "{} of {events} events", said.len());
    assert!(network.len() <= events);
}

/// A record of a kind, all else zero, with a body or tail.
fn record(kind: Kind, flags: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<Header>()];
    put(&mut bytes, offset_of!(Header, kind), &(kind as u16).to_ne_bytes());
    put(&mut bytes, offset_of!(Header, flags), &flags.to_ne_bytes());
    bytes.extend_from_slice(rest);
    bytes
}

/// Records of a message that comes in two segments.
fn payload(protocol: u16, message: &[u8]) -> Vec<u8> {
    let (first, second) = message.split_at(message.len() / 2);
    let segment = |flags: u16, bytes: &[u8]| {
        let mut body = vec![0; size_of::<wire::Payload>()];
        put(&mut body, offset_of!(wire::Payload, socket.protocol), &protocol.to_ne_bytes());
        put(&mut body, offset_of!(wire::Payload, len), &(bytes.len() as u32).to_ne_bytes());
        body.extend_from_slice(bytes);
        framed(&record(Kind::Payload, flags, &body))
    };
    [segment(flag::BEGINS, first), segment(0, second)].concat()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = u16::try_from(record.len()).expect("records are short").to_le_bytes();
    [&length, record].concat()
}
