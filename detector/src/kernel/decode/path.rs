//! Paths: walks from the leaf up become text, and names below directories are resolved afterwards.

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use hashbrown::HashMap;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, Statx, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::mounts::{self, Mounts, Place};
use crate::event::text;

/// What stands for the components that a truncated path lacks.
const MISSING: &str = "\u{2026}";
/// Most directories that are remembered within a batch.
const REMEMBERED: usize = 64;
/// Most parents of a process that is gone that are asked in its stead.
const PARENTS: usize = 8;
/// Most links into `/proc/PID` that are followed in one name.
const LINKS: usize = 4;

/// The path of a walk: components from the leaf up, each with its NUL.
pub(super) fn walked(bytes: &[u8], truncated: bool) -> Box<str> {
    let mut path = String::with_capacity(bytes.len() + 4);
    if truncated {
        path.push_str(MISSING);
    }
    for component in components(bytes) {
        path.push('/');
        match std::str::from_utf8(component) {
            Ok(component) => path.push_str(component),
            Err(_) => path.push_str(&text(component)),
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path.into()
}

fn components(walk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let walk = walk.strip_suffix(&[0]).unwrap_or(walk);
    walk.rsplit(|byte| *byte == 0).filter(|component| !component.is_empty())
}

/// A name that a syscall was given.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    /// Walk of the directory that it is relative to; of the root of the process, for one that begins with a slash.
    pub(super) directory: &'a [u8],
    /// That walk lacks its first components.
    pub(super) truncated: bool,
    /// The name, as bytes.
    pub(super) text: &'a [u8],
    /// The syscall follows a link that the name itself is.
    pub(super) follow: bool,
}

/// Whose name it is.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) pid: u32,
    /// Its mount namespace; 0 where unknown.
    pub(super) mntns: u32,
}

/// What a name turned out to be.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Path in the mount namespace of the process.
    pub(super) path: Box<str>,
    /// Where that is on its file system.
    pub(super) place: Option<Place>,
    /// What was there when it was looked up.
    pub(super) facts: Option<Statx>,
}

/// Resolves names that a syscall was given, after the fact: the directory part is followed as the process sees
/// it, symbolic links included. Where the process is gone, its parents are asked, as long as they live in the
/// same mount namespace. A directory that nobody can find leaves the path as it was written, without `.` and `..`.
#[derive(Default)]
pub(super) struct Resolver {
    directories: HashMap<(u32, Vec<u8>), Option<Directory>>,
}

/// A directory that was found. It is not held open: that would keep its mount busy.
struct Directory {
    /// How this program reaches it.
    here: Vec<u8>,
    path: Box<str>,
    place: Option<Place>,
}

/// The root directory to look from.
struct Root {
    open: OwnedFd,
    /// Its own path in its mount namespace.
    path: Vec<u8>,
    /// It is that of the process itself, not of one that stands in.
    own: bool,
    pid: u32,
    /// How this program reaches it.
    here: String,
}

impl Resolver {
    /// What a name is; `parents` gives the parent of a process that may be gone.
    pub(super) fn resolve(
        &mut self,
        who: Who,
        name: Name<'_>,
        mounts: &mut Mounts,
        parents: &dyn Fn(u32) -> Option<u32>,
    ) -> Found {
        let base = walked(name.directory, name.truncated);
        if name.text.is_empty() {
            // The descriptor itself was meant.
            return Found { path: base, ..Found::default() };
        }
        let (parent, leaf) = split(name.text);
        let written = || Found { path: normalised(&base, &text(name.text)), ..Found::default() };
        if name.truncated {
            return written();
        }
        if name.follow
            && let Some(root) = root(who, mounts, parents)
        {
            let whole = whole(&name, name.text, &root);
            if let Some(found) = whole.and_then(|path| open(who, &root, &name, &path, mounts)) {
                let facts = mounts::facts(CWD, &found.here);
                return Found { path: found.path, place: found.place, facts };
            }
        }
        if self.directories.len() >= REMEMBERED {
            self.directories.clear();
        }
        let is_absolute = name.text.starts_with(b"/");
        let mut key = name.directory.to_vec();
        key.extend([u8::from(is_absolute), 0]);
        key.extend_from_slice(parent);
        let directory = self.directories.entry((who.pid, key)).or_insert_with(|| {
            let root = root(who, mounts, parents)?;
            let path = whole(&name, parent, &root)?;
            open(who, &root, &name, &path, mounts)
        });
        let Some(directory) = directory else { return written() };
        if leaf.is_empty() {
            let Directory { path, place, .. } = directory;
            return Found { path: path.clone(), place: place.clone(), facts: None };
        }
        let leaf_text = text(leaf);
        let join = |path: &str| format!("{}/{leaf_text}", path.trim_end_matches('/')).into();
        Found {
            path: join(&directory.path),
            place: directory.place.as_ref().map(|place| Place { dev: place.dev, path: join(&place.path) }),
            facts: mounts::facts(CWD, &[&*directory.here, b"/", leaf].concat()),
        }
    }

    /// Forgets what was resolved: directories change.
    pub(super) fn forget(&mut self) {
        self.directories.clear();
    }
}

/// The directory part of a name and what is in it; nothing of the latter where the name is a directory for sure.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let end = name.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let name = name.get(..end).unwrap_or_default();
    let from = name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    match name.split_at_checked(from) {
        Some((_, b"." | b"..")) | None => (name, b""),
        Some((parent, leaf)) => (parent, leaf),
    }
}

/// What to look for below a root for `part` of a name; `None` where that root has no path to it.
fn whole(name: &Name<'_>, part: &[u8], root: &Root) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    let is_absolute = name.text.starts_with(b"/");
    if !is_absolute || !root.own {
        let mut directory = Vec::new();
        for component in components(name.directory) {
            directory.push(b'/');
            directory.extend_from_slice(component);
        }
        let below = if root.path == b"/" { &*directory } else { directory.strip_prefix(&*root.path)? };
        path.extend_from_slice(below);
    }
    path.push(b'/');
    path.extend_from_slice(part);
    Some(path)
}

/// The root directory of a process; of a parent in the same mount namespace, or this one, where it is gone.
fn root(who: Who, mounts: &Mounts, parents: &dyn Fn(u32) -> Option<u32>) -> Option<Root> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let of = |pid: u32, own: bool| {
        let open = openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty()).ok()?;
        let path = link(&open)?;
        Some(Root { open, path, own, pid, here: format!("/proc/{pid}/root") })
    };
    if let Some(root) = of(who.pid, true) {
        return Some(root);
    }
    let above = std::iter::successors(parents(who.pid), |pid| parents(*pid)).take(PARENTS);
    for pid in above {
        let namespace = readlinkat(CWD, format!("/proc/{pid}/ns/mnt"), Vec::new()).ok();
        let namespace = namespace.as_deref().and_then(|link| mounts::number(link.to_str().ok()?));
        if (who.mntns == 0 || namespace == Some(who.mntns))
            && let Some(root) = of(pid, false).filter(|root| root.path == b"/")
        {
            return Some(root);
        }
    }
    if !mounts.is_own(who.mntns) {
        return None;
    }
    let open = openat(CWD, "/", flags, Mode::empty()).ok()?;
    Some(Root { open, path: b"/".to_vec(), own: false, pid: std::process::id(), here: String::new() })
}

/// Opens a path below a root, as a place alone. Links into `/proc/PID` are followed for whoever meant them.
fn open(who: Who, root: &Root, name: &Name<'_>, path: &[u8], mounts: &mut Mounts) -> Option<Directory> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let in_root = |base: &dyn AsFd, path: &[u8]| {
        let path = path.iter().position(|byte| *byte != b'/').and_then(|at| path.get(at..)).unwrap_or(b".");
        openat2(base.as_fd(), path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    };
    let mut base: Option<OwnedFd> = None;
    let mut path = path.to_vec();
    for _ in 0..LINKS {
        let Some((link, rest)) = process_link(&path, who.pid) else { break };
        base = match openat(CWD, &*link, flags, Mode::empty()) {
            Ok(found) => Some(found),
            // It is gone; its root is the one that is looked from.
            Err(_) if link == format!("/proc/{}/root", who.pid).as_bytes() => None,
            Err(_) => return None,
        };
        path = rest;
    }
    let found = match &base {
        Some(base) if path.is_empty() => {
            openat2(base, ".", flags, Mode::empty(), ResolveFlags::empty()).ok()?
        }
        Some(base) => in_root(base, &path).ok()?,
        // An absolute name of a process that is gone: its own root may be further down.
        None if !root.own && name.text.starts_with(b"/") && !name.directory.is_empty() => {
            let mut directory = Vec::new();
            for component in components(name.directory) {
                directory.push(b'/');
                directory.extend_from_slice(component);
            }
            let jail = in_root(&root.open, &directory).ok()?;
            in_root(&jail, path.strip_prefix(&*directory).unwrap_or(&path)).ok()?
        }
        None => match in_root(&root.open, &path) {
            Ok(found) => found,
            // A link into /proc on the way; they are the same for everybody but for `self`.
            Err(Errno::LOOP) if root.path == b"/" && mounts.is_own(who.mntns) => {
                openat(CWD, &*path, flags, Mode::empty()).ok()?
            }
            Err(_) => return None,
        },
    };
    let raw = link(&found)?;
    let mount = mounts::facts(&found, b"")?.stx_mnt_id;
    drop(found);
    let below = if root.path == b"/" { &*raw } else { raw.strip_prefix(&*root.path).unwrap_or(&raw) };
    let here = [root.here.as_bytes(), below].concat();
    let path = text_of(&raw);
    let place = mounts.within(&path, mount, root.pid, who.mntns);
    Some(Directory { here, path, place })
}

/// What of a path goes through `/proc/PID/root`, `cwd` or `fd/N`, with `self` put right, and the rest.
fn process_link(path: &[u8], pid: u32) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut parts =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").peekable();
    (parts.next()? == b"proc").then_some(())?;
    let mut link = b"/proc/".to_vec();
    match parts.next()? {
        b"self" | b"thread-self" => link.extend_from_slice(pid.to_string().as_bytes()),
        other if other.iter().all(u8::is_ascii_digit) => link.extend_from_slice(other),
        _ => return None,
    }
    if parts.peek() == Some(&&b"task"[..]) {
        parts.next();
        parts.next()?;
    }
    match parts.next()? {
        part @ (b"root" | b"cwd") => {
            link.push(b'/');
            link.extend_from_slice(part);
        }
        b"fd" => {
            link.extend_from_slice(b"/fd");
            if let Some(number) = parts.next() {
                link.push(b'/');
                link.extend_from_slice(number);
            }
        }
        _ => return None,
    }
    let mut rest = Vec::new();
    for part in parts {
        rest.push(b'/');
        rest.extend_from_slice(part);
    }
    Some((link, rest))
}

/// The path of an open file in its mount namespace.
fn link(fd: &OwnedFd) -> Option<Vec<u8>> {
    let path = readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new()).ok()?;
    Some(path.into_bytes())
}

/// A path as text, each component for itself.
fn text_of(path: &[u8]) -> Box<str> {
    let parts: Vec<Box<str>> = path.split(|byte| *byte == b'/').map(text).collect();
    parts.join("/").into()
}

/// The path of a name below a directory without empty, `.` and `..` components.
fn normalised(directory: &str, name: &str) -> Box<str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = String::with_capacity(directory.len() + name.len() + 1);
    for part in parts {
        if part != MISSING || !out.is_empty() {
            out.push('/');
        }
        out.push_str(part);
    }
    if out.is_empty() {
        out.push('/');
    }
    out.into()
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
