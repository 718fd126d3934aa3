//! Tight loops whose time per turn `cargo xtask bench` compares.

use std::env;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::net::TcpStream;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{spawn, wait};
use crate::net::listener;
use crate::report::{parsed, path};

/// Spawns a program and waits for it, again and again.
pub(crate) fn exec(words: Words<'_>) -> Result<Value> {
    timed(words, || {
        wait(spawn_true()?)?;
        Ok(())
    })
}

/// Connects to itself by TCP on loopback, accepts, and closes both ends.
pub(crate) fn connect(words: Words<'_>) -> Result<Value> {
    let listener = listener()?;
    let address = listener.local_addr()?;
    timed(words, || {
        let near = TcpStream::connect(address)?;
        // Reset instead of TIME_WAIT, or a long loop runs out of ports.
        rustix::net::sockopt::set_socket_linger(&near, Some(Duration::ZERO))?;
        let (far, _) = listener.accept()?;
        drop(near);
        drop(far);
        Ok(())
    })
}

/// Opens a file for reading and closes it.
pub(crate) fn open(words: Words<'_>) -> Result<Value> {
    let file = env::current_exe()?;
    timed(words, || {
        File::open(&file)?;
        Ok(())
    })
}

/// Opens a file for writing and closes it.
pub(crate) fn open_write(words: Words<'_>) -> Result<Value> {
    let file = path(words, 1)?;
    timed(words, || {
        OpenOptions::new().write(true).create(true).truncate(false).open(file)?;
        Ok(())
    })
}

/// Writes small files, a hundred to a directory, as an archive is unpacked.
pub(crate) fn files(words: Words<'_>) -> Result<Value> {
    let count: u32 = parsed(words, 0)?;
    let place = tempfile::tempdir().context("cannot make a temporary directory")?;
    let began = Instant::now();
    let mut directory = place.path().to_owned();
    for number in 0..count {
        if number % 100 == 0 {
            directory = place.path().join(format!("d{}", number / 100));
            fs::create_dir(&directory)?;
        }
        fs::write(directory.join(format!("file{number}")), b"some bytes of a file\n")?;
    }
    Ok(took(began, count))
}

/// Runs a whole program to its good end; not warmed up, for it may take seconds.
pub(crate) fn command(words: Words<'_>) -> Result<Value> {
    let count: u32 = parsed(words, 0)?;
    let (program, arguments) = words.get(1..).and_then(<[_]>::split_first).context("no program named")?;
    let began = Instant::now();
    for _ in 0..count {
        crate::exec::run(Command::new(program).args(arguments))?;
    }
    let mut said = took(began, count);
    // Of the children that were waited for, in clock ticks.
    let stat = procfs::process::Process::myself()?.stat()?;
    let ticks = u32::try_from(stat.cutime.saturating_add(stat.cstime)).context("impossible times")?;
    let per_second = u32::try_from(procfs::ticks_per_second()).context("impossible ticks")?;
    let cpu = f64::from(ticks) * 1e9 / f64::from(per_second) / f64::from(count.max(1));
    if let Some(fields) = said.as_object_mut() {
        fields.insert("cpu_nanoseconds".to_owned(), json!(cpu));
    }
    Ok(said)
}

/// Spawns at a rate for some seconds; says how many it came to. What it spawns is the smallest program
/// there is, since the dynamic loader alone takes longer than many processors have time for.
pub(crate) fn exec_rate(words: Words<'_>) -> Result<Value> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let program = directory.path().join("smallest");
    fs::write(&program, smallest_program())?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let program = CString::new(program.into_os_string().into_vec())?;
    let (rate, seconds): (u32, u32) = (parsed(words, 0)?, parsed(words, 1)?);
    let (began, total) = (Instant::now(), rate.saturating_mul(seconds));
    let gap = Duration::from_secs(1) / rate.max(1);
    let mut running: Vec<Pid> = vec![];
    let mut done = 0;
    while done < total && began.elapsed() < Duration::from_secs(u64::from(seconds)) {
        running.push(spawn(&program, &[c"smallest"])?);
        done += 1;
        // A few at once, so that both processors have something to do.
        if running.len() >= 4 {
            wait(running.remove(0))?;
        }
        let due = began + gap * done;
        while let Some(early) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(early);
        }
    }
    for child in running {
        wait(child)?;
    }
    let took = began.elapsed();
    Ok(json!({ "execs": done, "per_second": f64::from(done) / took.as_secs_f64() }))
}

/// An x86-64 ELF file of 132 bytes that exits with status 0.
fn smallest_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // mov eax, 60 (exit); xor edi, edi; syscall
    const CODE: [u8; 9] = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
    let size = HEADERS + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    put(&2_u16.to_le_bytes()); // executable
    put(&62_u16.to_le_bytes()); // x86-64
    put(&1_u32.to_le_bytes());
    put(&(BASE + HEADERS).to_le_bytes()); // entry point
    put(&64_u64.to_le_bytes()); // program headers
    put(&0_u64.to_le_bytes()); // no section headers
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        put(&half.to_le_bytes());
    }
    put(&1_u32.to_le_bytes()); // load
    put(&5_u32.to_le_bytes()); // readable, executable
    for long in [0, BASE, BASE, size, size, 0x1000] {
        put(&long.to_le_bytes());
    }
    put(&CODE);
    file
}

fn spawn_true() -> Result<Pid> {
    spawn(c"/bin/true", &[c"true"])
}

/// Repeats a turn; says how many nanoseconds one took.
pub(crate) fn timed(words: Words<'_>, mut turn: impl FnMut() -> Result<()>) -> Result<Value> {
    let count: u32 = parsed(words, 0)?;
    // Caches and lazily bound symbols are warm before the clock starts.
    for _ in 0..count.min(20) {
        turn().context("a turn failed")?;
    }
    let began = Instant::now();
    for _ in 0..count {
        turn().context("a turn failed")?;
    }
    Ok(took(began, count))
}

pub(crate) fn took(began: Instant, count: u32) -> Value {
    let nanoseconds = began.elapsed().as_secs_f64() * 1e9 / f64::from(count.max(1));
    json!({ "count": count, "nanoseconds": nanoseconds })
}
