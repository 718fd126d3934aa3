//! The root file system of the virtual machines: busybox, the tests and the detector, built statically.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::machine::ENDED;
use crate::place;
use crate::shell::{cargo, output, step, which};

/// What libtest's binary and the programs that it starts are built for: no library of the machine's is needed.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Where they lie inside.
pub(super) const PROGRAMS: &str = "/detector";

/// The programs that run inside.
#[derive(Debug)]
pub(super) struct Programs {
    live: PathBuf,
    detector: PathBuf,
    trigger: PathBuf,
}

/// Builds them.
pub(super) fn build() -> Result<Programs> {
    let mut found = Programs { live: PathBuf::new(), detector: PathBuf::new(), trigger: PathBuf::new() };
    let mut command = cargo(&["build", "--profile", "vm", "--target", TARGET])?;
    // One command for all, so that what they share is built once.
    command.args(["-p", "detector", "-p", "detector-tests", "--test", "live"]);
    command.args(["--bin", "detector", "--bin", "detector-trigger"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C target-feature=+crt-static");
    step("cargo build, for the virtual machines");
    let built = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !built.status.success() {
        bail!("cargo ended with {}", built.status);
    }
    for line in String::from_utf8_lossy(&built.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo prints no JSON")?;
        let text = |pointer| message.pointer(pointer).and_then(Value::as_str);
        let Some(program) = text("/executable").map(PathBuf::from) else { continue };
        match text("/target/name") {
            Some("live") => found.live = program,
            Some("detector") => found.detector = program,
            Some("detector-trigger") => found.trigger = program,
            _ => {}
        }
    }
    for program in [&found.live, &found.detector, &found.trigger] {
        if !program.is_file() {
            bail!("cargo did not say where a program for the virtual machines lies");
        }
    }
    Ok(found)
}

/// A root file system in one file; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Image(PathBuf);

impl Image {
    /// Makes one that runs `command` by the shell, at `PROGRAMS`, and ends. Each of `more` is a file or directory
    /// here and where it lies inside.
    pub(super) fn make(programs: &Programs, more: &[(PathBuf, PathBuf)], command: &str) -> Result<Self> {
        make(programs, more, command).map(Self)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Left behind it takes room until the next `cargo clean`, no more.
        let _ = fs::remove_file(&self.0);
    }
}

fn make(programs: &Programs, more: &[(PathBuf, PathBuf)], command: &str) -> Result<PathBuf> {
    let place = place::target()?.join("machines");
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let tree = tempfile::tempdir_in(&place).context("cannot make a directory")?;
    let root = tree.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
    for directory in ["bin", "usr", "usr/bin", "etc", "root"] {
        fs::create_dir(root.join(directory))?;
    }
    let busybox = ["busybox-static", "busybox"].into_iter().find_map(which).context("busybox is missing")?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    for applet in output(Command::new(root.join("bin/busybox")).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    let inside = root.join(PROGRAMS.trim_start_matches('/'));
    fs::create_dir(&inside)?;
    let Programs { live, detector, trigger } = programs;
    for (program, name) in [(live, "live"), (detector, "detector"), (trigger, "detector-trigger")] {
        fs::copy(program, inside.join(name))?;
    }
    python(root)?;
    for (file, place) in more {
        let target = beneath(root, place)?;
        output(Command::new("cp").arg("-RL").arg(file).arg(target))?;
    }
    script(&root.join("init"), INIT)?;
    script(
        &root.join("command"),
        &format!("#!/bin/sh\n{command}\nstatus=$?\necho\necho \"{ENDED}$status\"\n"),
    )?;
    archive(root, &place.join(format!("{}.cpio", std::process::id())))
}

/// Mounts what the detector looks at, then hands the second serial line to the command.
const INIT: &str = "#!/bin/sh
export PATH=/bin:/usr/bin:/detector HOME=/root
mkdir -p /proc /sys /dev /tmp /run /var
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs run /run
mount -t securityfs securityfs /sys/kernel/security
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
ip link set lo up
cd /detector
/command </dev/null >/dev/ttyS1 2>&1
reboot -f
";

/// Copies the Python that some tests start, as far as it is needed to use sockets: it says itself what it loads.
fn python(root: &Path) -> Result<()> {
    let text = "import os, select, socket, sys, time\n\
                socket.getaddrinfo('127.0.0.1', 1)\n\
                'a'.encode().decode('unicode_escape').encode('latin1')\n\
                print(os.path.realpath(sys.executable))\n\
                for module in list(sys.modules.values()):\n\
                \x20   for name in (getattr(module, '__file__', None), getattr(module, '__cached__', None)):\n\
                \x20       if name and os.path.exists(name): print(os.path.realpath(name))\n";
    let Ok(listed) = output(Command::new("/usr/bin/python3").args(["-c", text])) else {
        step("no /usr/bin/python3 here: tests that start it will fail in the virtual machines");
        return Ok(());
    };
    let mut files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    let program = files.first().cloned().context("python3 does not say what it is")?;
    let is_library = |file: &&PathBuf| file.extension().is_some_and(|extension| extension == "so");
    let linked: Vec<&Path> =
        files.iter().filter(is_library).chain([&program]).map(PathBuf::as_path).collect();
    let libraries = libraries(&linked)?;
    files.extend(libraries);
    files.sort();
    files.dedup();
    for file in &files {
        // It looks for its libraries beside them.
        if file.ends_with("os.py") {
            let beside = file.with_file_name("lib-dynload");
            fs::create_dir_all(root.join(beside.strip_prefix("/").unwrap_or(&beside)))?;
        }
        let target = beneath(root, file)?;
        fs::copy(file, &target)?;
        // Compiled modules hold the time of their source.
        File::options().write(true).open(&target)?.set_modified(file.metadata()?.modified()?)?;
    }
    if program != Path::new("/usr/bin/python3") {
        symlink(program, root.join("usr/bin/python3"))?;
    }
    Ok(())
}

/// The libraries that programs are linked to, as the dynamic loader finds them.
pub(super) fn libraries(programs: &[&Path]) -> Result<Vec<PathBuf>> {
    let listed = output(Command::new("ldd").args(programs))?;
    let words = listed.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    Ok(words.map(PathBuf::from).collect())
}

/// Where a full path lies beneath `root`; the directory for it is made.
fn beneath(root: &Path, path: &Path) -> Result<PathBuf> {
    let target =
        root.join(path.strip_prefix("/").with_context(|| format!("{} is no full path", path.display()))?);
    fs::create_dir_all(target.parent().context("a file has a directory")?)?;
    Ok(target)
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// Packs a tree in the form that kernels unpack at boot.
fn archive(tree: &Path, file: &Path) -> Result<PathBuf> {
    let target = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut find = Command::new("find").arg(".").current_dir(tree).stdout(Stdio::piped()).spawn()?;
    let names = find.stdout.take().context("find has no output")?;
    let mut cpio = Command::new("cpio");
    cpio.args(["-o", "-H", "newc", "--quiet", "-R", "0:0"]).current_dir(tree).stdin(names).stdout(target);
    let packed = cpio.status().context("cannot run cpio")?;
    if !find.wait()?.success() || !packed.success() {
        bail!("cannot pack {}", tree.display());
    }
    Ok(file.to_owned())
}
