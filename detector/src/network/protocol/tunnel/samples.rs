//! What tunnel tools send first.

use super::super::{Application, Sample};
use crate::network::Role;

const fn sample(name: &'static str, from: Role, bytes: &'static [u8], decisive: usize) -> Sample {
    Sample { name, from, bytes, decisive, application: Application::Tunnel }
}

/// Over TCP.
pub(in super::super) const SAMPLES: &[Sample] = &[
    sample(
        "frp logs in",
        Role::Client,
        b"o\0\0\0\0\0\0\x00\x78{\"version\":\"0.52.3\",\"hostname\":\"h\",\"os\":\"linux\",\"arch\":\"amd64\"}",
        20,
    ),
    sample("frp answers", Role::Server, b"1\0\0\0\0\0\0\x00\x2e{\"version\":\"0.52.3\",\"run_id\":\"6bd8\"}", 20),
    sample("frp opens a work connection", Role::Client, b"w\0\0\0\0\0\0\x00\x20{\"run_id\":\"6bd8\"}", 19),
    sample(
        "frp logs in, multiplexed",
        Role::Client,
        b"\0\x01\0\x01\0\0\0\x01\0\x5c\0\0\0\0\0\0\0\0\0\x01\0\0\0\x50o\0\0\0\0\0\0\x00\x78{\"version\":\"0.52.3\"}",
        44,
    ),
    sample("frp before its TLS", Role::Client, b"\x17\x16\x03\x01\x01\x24\x01\x00\x01\x20", 7),
    sample("bore asks for a port", Role::Client, b"{\"Hello\":0}\0", 12),
    sample(
        "bore takes a connection",
        Role::Client,
        b"{\"Accept\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\"}\0",
        51,
    ),
    sample("bore proves itself", Role::Client, b"{\"Authenticate\":\"00ffa7\"}\0", 26),
    sample(
        "bore asks for a proof",
        Role::Server,
        b"{\"Challenge\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\"}\0",
        54,
    ),
    sample(
        "rathole opens its control channel",
        Role::Client,
        b"\0\0\0\0\x01\x37\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\xd1\x64\xe2\xc4\x95\x8b\xa1\x41\xd5\xf4\x13\x3a\x33\xf0\x68\x8f",
        37,
    ),
    sample(
        "ngrok 1 logs in",
        Role::Client,
        b"\x5a\0\0\0\0\0\0\0{\"Type\":\"Auth\",\"Payload\":{\"Version\":\"2\"}}",
        22,
    ),
    sample("chisel's server inside a WebSocket", Role::Server, b"\x82\x16SSH-chisel-v3-server\r\n", 13),
    // SSH-chisel-v3-client under the mask 37 fa 21 3d.
    sample(
        "chisel's client inside a WebSocket",
        Role::Client,
        b"\x82\x96\x37\xfa\x21\x3d\x64\xa9\x69\x10\x54\x92\x48\x4e\x52\x96\x0c\x4b\x04\xd7\x42\x51\x5e\x9f\x4f\x49\x3a\xf0",
        17,
    ),
    sample("OpenSSH inside a WebSocket", Role::Server, b"\x82\x15SSH-2.0-OpenSSH_9.2\r\n", 10),
];

/// Over UDP.
pub(in super::super) const DATAGRAMS: &[Sample] = &[sample(
    "WireGuard opens a session",
    Role::Client,
    b"\x01\0\0\0\x9a\x11\x43\xd2\
\x37\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\xd1\x64\xe2\xc4\x95\x8b\xa1\x41\xd5\xf4\x13\x3a\x33\xf0\x68\x8f\
\x01\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\xd1\x64\xe2\xc4\x95\x8b\xa1\x41\xd5\xf4\x13\x3a\x33\xf0\x68\x8f\
\x02\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\
\x03\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\xd1\x64\xe2\xc4\x95\x8b\xa1\x41\xd5\xf4\x13\x3a\
\x04\xa8\xee\xc1\xce\x19\x68\x7d\x13\x2f\xe2\x90\x51\xdc\xa6\x29\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    148,
)];
