//! Names are resolved as the process that gave them sees them.

use super::*;

/// A walk of an absolute path, from the leaf up.
fn walk(path: &str) -> Vec<u8> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.reverse();
    parts.iter().flat_map(|part| [part.as_bytes(), b"\0"].concat()).collect()
}

fn resolved(pid: u32, directory: &str, name: &[u8]) -> Found {
    let directory = walk(directory);
    let name = Name { directory: &directory, truncated: false, text: name, follow: false };
    Resolver::default().resolve(Who { pid, mntns: 0 }, name, &mut Mounts::new(), &|_| None)
}

fn temporary() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().canonicalize().unwrap().to_str().unwrap().to_owned();
    (place, path)
}

#[test]
fn a_walk_is_turned_round() {
    assert_eq!(&*walked(b"xmrig\0bin\0tmp\0", false), "/tmp/bin/xmrig");
    assert_eq!(&*walked(b"xmrig\0bin\0", true), "\u{2026}/bin/xmrig");
    assert_eq!(&*walked(b"", false), "/");
    assert_eq!(&*walked(b"a\xff\0", false), "/a\\xff");
}

#[test]
fn names_are_joined_and_normalised_where_nobody_finds_them() {
    assert_eq!(&*resolved(0, "/nowhere", b"../../nowhere/cron.d/x").path, "/nowhere/cron.d/x");
    assert_eq!(&*resolved(0, "/nowhere/b", b"c/./d").path, "/nowhere/b/c/d");
    assert_eq!(&*normalised("\u{2026}/b", "c"), "\u{2026}/b/c");
}

#[test]
fn a_symbolic_link_in_the_directory_is_followed_and_what_is_above_its_target_is_meant_by_dots() {
    let (_kept, place) = temporary();
    std::fs::create_dir_all(format!("{place}/real/below")).unwrap();
    std::os::unix::fs::symlink("real/below", format!("{place}/link")).unwrap();
    let own = std::process::id();
    for (name, expected) in [
        ("link/file", "real/below/file"),
        ("link/../file", "real/file"),
        ("link/", "link"),
        ("link/..", "real"),
        ("./real//file", "real/file"),
    ] {
        assert_eq!(*resolved(own, &place, name.as_bytes()).path, format!("{place}/{expected}"), "{name}");
        // The process is gone, and this one sees the same.
        assert_eq!(
            *resolved(u32::MAX, &place, name.as_bytes()).path,
            format!("{place}/{expected}"),
            "{name}"
        );
        let absolute = format!("{place}/{name}");
        assert_eq!(
            *resolved(own, "/", absolute.as_bytes()).path,
            format!("{place}/{expected}"),
            "{absolute}"
        );
    }
}

#[test]
fn a_name_that_is_no_text_is_followed_all_the_same() {
    use std::os::unix::ffi::OsStrExt as _;
    let (kept, place) = temporary();
    std::fs::create_dir(format!("{place}/real")).unwrap();
    let link = std::ffi::OsStr::from_bytes(b"\xff");
    std::os::unix::fs::symlink("real", kept.path().join(link)).unwrap();
    let found = resolved(std::process::id(), &place, b"\xff/file");
    assert_eq!(*found.path, format!("{place}/real/file"));
}

#[test]
fn a_way_through_proc_is_that_of_whoever_took_it() {
    let (_kept, place) = temporary();
    std::fs::create_dir(format!("{place}/real")).unwrap();
    let through = format!("/proc/self/root{place}/real/file");
    let own = std::process::id();
    assert_eq!(*resolved(own, "/", through.as_bytes()).path, format!("{place}/real/file"));
    let twice = format!("/proc/{own}/root/proc/self/root{place}/real/file");
    assert_eq!(*resolved(own, "/", twice.as_bytes()).path, format!("{place}/real/file"));
    let open = std::fs::File::open(format!("{place}/real")).unwrap();
    let by_descriptor = format!("/proc/self/fd/{}/file", std::os::fd::AsRawFd::as_raw_fd(&open));
    assert_eq!(*resolved(own, "/", by_descriptor.as_bytes()).path, format!("{place}/real/file"));
}

#[test]
fn a_link_that_the_name_itself_is_is_followed_where_the_syscall_does() {
    let (_kept, place) = temporary();
    std::fs::write(format!("{place}/file"), "").unwrap();
    std::os::unix::fs::symlink("file", format!("{place}/link")).unwrap();
    let directory = walk(&place);
    let mut name = Name { directory: &directory, truncated: false, text: b"link", follow: true };
    let who = Who { pid: std::process::id(), mntns: 0 };
    let resolve = |name| Resolver::default().resolve(who, name, &mut Mounts::new(), &|_| None);
    let found = resolve(name);
    assert_eq!(*found.path, format!("{place}/file"));
    assert_eq!(found.facts.unwrap().stx_mode & 0o170_000, 0o100_000);
    name.follow = false;
    assert_eq!(*resolve(name).path, format!("{place}/link"));
}

#[test]
fn where_a_name_is_on_its_file_system_is_known() {
    let (_kept, place) = temporary();
    let found = resolved(std::process::id(), &place, b"file");
    let mut mounts = Mounts::new();
    let on_host = mounts.on_host(&found.place.unwrap(), 0).unwrap();
    assert_eq!(*on_host, format!("{place}/file"));
}
