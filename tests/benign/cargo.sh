# cargo: new, build with a build script, test, doc test, clippy-less check, run, release build.
command -v cargo > /dev/null || { echo "no cargo"; exit 77; }
mkdir -p crate/src crate/tests
cd crate
cat > Cargo.toml <<'TOML'
[package]
name = "tiny"
version = "0.1.0"
edition = "2021"
build = "build.rs"
[workspace]
TOML
cat > build.rs <<'RUST'
use std::{env, fs, path::Path, process::Command};
fn main() {
    let rustc = Command::new(env::var("RUSTC").unwrap()).arg("--version").output().unwrap();
    let text = format!("pub const RUSTC: &str = {:?};", String::from_utf8_lossy(&rustc.stdout).trim());
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("made.rs"), text).unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
RUST
cat > src/lib.rs <<'RUST'
include!(concat!(env!("OUT_DIR"), "/made.rs"));
pub fn product(to: u64) -> u64 { (1..=to).product() }
RUST
cat > src/main.rs <<'RUST'
fn main() { println!("{} {}", tiny::RUSTC, tiny::product(20)); }
RUST
cat > tests/process.rs <<'RUST'
#[test]
fn it_prints() {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_tiny")).output().unwrap();
    assert!(out.status.success());
}
#[test]
fn it_serves() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
}
RUST
unset CARGO_TARGET_DIR
cargo build --offline -q
cargo test --offline -q
cargo run --offline -q
touch src/lib.rs
cargo build --offline -q
cargo clean -q
