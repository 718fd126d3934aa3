//! A pool on loopback: gives work that every third hash or so completes, takes shares.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use detector_tests::server::Server;
use detector_tests::wait::{LIMIT, wait_for};
use serde_json::{Value, json};

/// A block's head without its nonce, and the key of its days.
const BLOB: &str = "1010f4c5e3b806c1b5a0a2f0f1b2a3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607182900000000\
    a3f1b2c4d5e6978812345678deadbeefcafebabe0123456789abcdef00ff11ee05";
const SEED: &str = "bbdecd2653fa2f8c3d0f7e7f6f8f5b2bfb9a4a1c1f3ce7f1e5a6a7b8c9d0e1f2";
/// Two in three hashes are above it.
const TARGET: &str = "55555555";

/// Serves miners from now on to the end of the test's process; where.
pub(super) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(&stream.unwrap()));
        }
    });
    address
}

/// TLS in front of a pool, with a certificate of its own making.
pub(super) fn behind_tls(pool: SocketAddr, place: &Path) -> (Server, SocketAddr) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-subj", "/CN=peer", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem"]);
    let made = openssl.current_dir(place).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!(
        "OPENSSL-LISTEN:{},bind=127.0.0.1,reuseaddr,fork,cert=cert.pem,key=key.pem,verify=0",
        address.port()
    );
    let mut socat = Command::new("socat");
    let server = Server::start(socat.args([&listen, &format!("TCP:{pool}")]).current_dir(place)).unwrap();
    let listens = || Ok(TcpStream::connect(address).ok().map(drop));
    wait_for("the pool's TLS", LIMIT, listens).unwrap_or_else(|error| panic!("{error:#}: {}", server.said()));
    (server, address)
}

/// Answers one miner, until it goes.
fn serve(stream: &TcpStream) {
    let mut to = stream;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let asks: Value = serde_json::from_str(&line).unwrap();
        let job = json!({ "blob": BLOB, "job_id": "7", "target": TARGET, "seed_hash": SEED, "algo": "rx/0", "height": 3_160_000 });
        let result = match asks["method"].as_str() {
            Some("login") => json!({ "id": "worker-1", "job": job, "status": "OK" }),
            Some("submit") => json!({ "status": "OK" }),
            _ => Value::Null,
        };
        let answer = json!({ "id": asks["id"], "jsonrpc": "2.0", "error": null, "result": result });
        if to.write_all(format!("{answer}\n").as_bytes()).is_err() {
            return;
        }
    }
}
