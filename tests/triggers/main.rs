//! `detector-trigger NAME ARGUMENTS…`: does one thing that the detector should see, and says what it did.
//!
//! One behaviour an entry of [`TRIGGERS`], one subject a file. Each prints one JSON line on stdout, which
//! live tests compare with the events that the kernel reported.

mod around;
mod burn;
mod cgroup;
mod compute;
mod daemon;
mod exec;
mod file;
mod fork;
mod hot;
mod memory;
mod name;
mod net;
mod operation;
mod report;
mod ring;
mod stratum;
mod transfer;
mod unnamed;
mod wire;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

/// What one trigger gets to see: the words after its name.
type Words<'a> = &'a [OsString];

/// One behaviour: its name, the words that it takes, what does it.
struct Trigger(&'static str, &'static str, fn(Words<'_>) -> Result<Value>);

const TRIGGERS: &[Trigger] = &[
    Trigger("nothing", "", nothing),
    Trigger("exec", "PROGRAM [ARGUMENT…]", exec::plain),
    Trigger("exec-argv", "BYTES", exec::long_argv),
    Trigger("exec-hostile-name", "DIRECTORY", name::hostile),
    Trigger("exec-long-path", "DIRECTORY", name::long_path),
    Trigger("exec-script", "DIRECTORY", exec::script),
    Trigger("exec-environment", "NAME VALUE", exec::environment),
    Trigger("exec-thread", "", exec::from_thread),
    Trigger("exec-failing", "DIRECTORY", exec::failing),
    Trigger("exec-memfd", "[ARGUMENT…]", unnamed::memfd),
    Trigger("exec-deleted", "DIRECTORY", unnamed::deleted),
    Trigger("fork-exit", "CODE", fork::exit),
    Trigger("fork-signal", "SIGNAL", fork::signal),
    Trigger("vfork", "", fork::vfork),
    Trigger("threads", "COUNT", fork::threads),
    Trigger("setsid", "", fork::setsid),
    Trigger("burn", "THREADS MILLISECONDS", burn::times),
    Trigger("rounding", "nearest|down|up|zero THREADS SECONDS", burn::rounding),
    Trigger("compute", "THREADS PERCENT SECONDS", compute::run),
    Trigger("daemon", "ADDRESS SECONDS", daemon::run),
    Trigger("connect-tcp", "ADDRESS", net::connect_tcp),
    Trigger("connect-tcp-nonblocking", "ADDRESS", net::connect_tcp_nonblocking),
    Trigger("connect-udp", "ADDRESS", net::connect_udp),
    Trigger("send-udp", "ADDRESS", net::send_udp),
    Trigger("send-uring", "ADDRESS", ring::send),
    Trigger("bind-tcp", "ADDRESS", net::bind_tcp),
    Trigger("bind-udp", "ADDRESS", net::bind_udp),
    Trigger("listen-tcp", "ADDRESS", net::listen_tcp),
    Trigger("pool", "ADDRESS [DIALECT…]", stratum::pool),
    Trigger(
        "miner",
        "ADDRESS DIALECT [--split BYTES] [--late] [--socks PROXY | --connect PROXY] [--hold SECONDS]",
        stratum::miner,
    ),
    Trigger("proxy", "ADDRESS [TARGET]", wire::proxy),
    Trigger("open-read", "PATH", file::open_read),
    Trigger("open-write", "PATH", file::open_write),
    Trigger("open-create", "PATH", file::open_create),
    Trigger("open-truncate", "PATH", file::open_truncate),
    Trigger("open-append", "PATH", file::open_append),
    Trigger("open-repeated", "PATH COUNT", file::open_repeated),
    Trigger("open-tmpfile", "DIRECTORY", file::open_tmpfile),
    Trigger("link-tmpfile", "DIRECTORY PATH", file::link_tmpfile),
    Trigger("map-write", "PATH", file::map_write),
    Trigger("open-at", "DIRECTORY NAME", file::open_at),
    Trigger("truncate", "PATH LENGTH", file::truncate),
    Trigger("ftruncate", "PATH LENGTH", file::ftruncate),
    Trigger("rename", "FROM TO", file::rename),
    Trigger("rename-exchange", "FROM TO", file::rename_exchange),
    Trigger("rename-noreplace", "FROM TO", file::rename_noreplace),
    Trigger("link", "FROM TO", file::link),
    Trigger("symlink", "TARGET PATH", file::symlink),
    Trigger("unlink", "PATH", file::unlink),
    Trigger("unlink-directory", "PATH", file::unlink_directory),
    Trigger("chmod", "PATH OCTAL", file::chmod),
    Trigger("fchmod", "PATH OCTAL", file::fchmod),
    Trigger("fchmodat2", "PATH OCTAL", file::fchmodat2),
    Trigger("uring-open", "PATH", around::uring_open),
    Trigger("uring-rename", "FROM TO", around::uring_rename),
    Trigger("uring-unlink", "PATH", around::uring_unlink),
    Trigger("mmap-write", "PATH", around::mmap_write),
    Trigger("copy-range", "FROM TO", around::copy_range),
    Trigger("splice", "PATH", around::splice),
    Trigger("open-by-handle", "PATH", around::open_by_handle),
    Trigger("receive-file", "PATH", around::receive),
    Trigger("map-executable", "PATH", around::map_executable),
    Trigger("protect-executable", "PATH", around::protect_executable),
    Trigger("map-library", "PATH", around::map_library),
    Trigger("move-cgroup", "DIRECTORY", cgroup::enter),
    Trigger("trace", "PID", operation::trace),
    Trigger("trace-child", "", operation::trace_child),
    Trigger("trace-me", "", operation::trace_me),
    Trigger("trace-inside", "", operation::trace_inside),
    Trigger("write-memory", "PID", operation::write_memory),
    Trigger("open-memory", "PID", operation::open_memory),
    Trigger("open-device", "PATH", operation::open_device),
    Trigger("signal", "PID NUMBER", operation::signal),
    Trigger("signal-group", "GROUP NUMBER", operation::signal_group),
    Trigger("signal-pidfd", "PID NUMBER", operation::signal_pidfd),
    Trigger("signal-refused", "PID NUMBER", operation::signal_refused),
    Trigger("bpf", "CGROUP", operation::bpf),
    Trigger("code-for-kernel", "FILE", operation::code_for_kernel),
    Trigger("mount", "FROM TO", operation::mount),
    Trigger("mount-for-all", "FROM TO", operation::mount_for_all),
    Trigger("mount-over-process", "FROM", operation::mount_over_process),
    Trigger("move-mount", "FROM TO", operation::move_mount),
    Trigger("namespaces", "", operation::namespaces),
    Trigger("chroot", "DIRECTORY", operation::chroot),
    Trigger("odd", "NAME", operation::odd),
    Trigger("memory", "plain|huge|huge-reserved LENGTH…", memory::ask),
    Trigger("born-in-cgroup", "DIRECTORY", cgroup::born),
    Trigger("bench-exec", "COUNT", hot::exec),
    Trigger("bench-connect", "COUNT", hot::connect),
    Trigger("bench-service", "", transfer::service),
    Trigger("bench-connect-to", "COUNT ADDRESS", transfer::connect_to),
    Trigger("bench-transfer", "MEBIBYTES", transfer::stream),
    Trigger("bench-exchange", "COUNT", transfer::exchange),
    Trigger("bench-stratum", "", transfer::stratum),
    Trigger("bench-open", "COUNT", hot::open),
    Trigger("bench-open-write", "COUNT PATH", hot::open_write),
    Trigger("bench-files", "COUNT", hot::files),
    Trigger("bench-command", "COUNT PROGRAM [ARGUMENT…]", hot::command),
    Trigger("bench-exec-rate", "PER_SECOND SECONDS", hot::exec_rate),
];

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let Some((name, rest)) = words.split_first() else {
        return usage("no trigger named");
    };
    // Run under another name with that program's options, it is a stand-in that does no harm.
    if name.as_encoded_bytes().starts_with(b"-") {
        return ExitCode::SUCCESS;
    }
    let Some(Trigger(name, _, act)) = TRIGGERS.iter().find(|Trigger(known, ..)| name == known) else {
        return usage(&format!("no trigger `{}`", name.display()));
    };
    match act(rest) {
        Ok(did) => {
            // Nothing, where standard output belongs to a peer.
            if !did.is_null() {
                report::say(name, did);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn nothing(_: Words<'_>) -> Result<Value> {
    Ok(json!({}))
}

fn usage(what: &str) -> ExitCode {
    eprintln!("{what}; usage: detector-trigger NAME ARGUMENTS…, where NAME is one of");
    for Trigger(name, words, _) in TRIGGERS {
        eprintln!("  {name} {words}");
    }
    ExitCode::from(2)
}
