//! `detector record` and `replay`: what was seen live is judged the same again, anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use detector_tests::needs_root;
use serde_json::Value;

use super::{Ended, alerts, as_nobody, by_rule, checked, detector, end, text, trigger};

fn replay(path: &Path) -> Ended {
    end(&mut detector(&["replay", text(path)]))
}

/// A recording of a program that runs from memory; later ones begin a second afterwards.
fn recording(place: &Path) -> PathBuf {
    let path = place.join("a.detrec");
    // The recorder flushes each second: what comes later is what a cut takes away.
    let script = format!("{0} exec-memfd; sleep 2.2; {0} exec-deleted {1}", trigger(), place.display());
    let ended = end(&mut detector(&["record", "-o", text(&path), "--", "sh", "-c", &script]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    path
}

#[test]
fn two_replays_are_the_same_bytes_and_need_no_root() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let path = recording(place.path());
    let (first, second) = (replay(&path), replay(&path));
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    by_rule(&checked(&first.stdout), "execution/memfd.yml");
    assert_eq!(first.stdout, second.stdout);

    let public = place.path().join("public.detrec");
    fs::copy(&path, &public).unwrap();
    rustix::fs::chmod(&public, rustix::fs::Mode::from_raw_mode(0o644)).unwrap();
    let third = end(&mut as_nobody(place.path(), &["replay", text(&public)]));
    assert_eq!((third.code, third.stdout), (Some(0), first.stdout), "{}", third.stderr);
}

#[test]
fn a_replay_gives_the_alerts_of_the_live_run() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let (path, live) = (place.path().join("a.detrec"), place.path().join("live.jsonl"));
    let script = format!(
        "{0} exec-memfd; {0} exec-deleted {1}; for i in 1 2 3; do {0} exec-memfd; done; {0} listen-tcp 0.0.0.0:0",
        trigger(),
        place.path().display()
    );
    let words =
        ["wrap", "-q", "--record", text(&path), "--alerts", text(&live), "--", "sh", "-c", script.as_str()];
    assert_eq!(end(&mut detector(&words)).code, Some(0));
    let timeless = |alerts: Vec<Value>| -> Vec<Value> {
        alerts
            .into_iter()
            .map(|mut alert| {
                alert["latency_us"].take();
                alert
            })
            .collect()
    };
    let (live, again) = (timeless(alerts(&live)), timeless(checked(&replay(&path).stdout)));
    assert!(live.len() >= 3, "{live:#?}");
    assert_eq!(live, again);
}

#[test]
fn a_cut_recording_gives_what_is_whole_and_then_an_error() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let path = recording(place.path());
    let bytes = fs::read(&path).unwrap();
    let cut = place.path().join("cut.detrec");
    for (left, whole) in [(bytes.len() - 1, 1), (bytes.len() / 2, 0), (100, 0), (40, 0), (10, 0), (0, 0)] {
        fs::write(&cut, &bytes[..left]).unwrap();
        let ended = replay(&cut);
        assert_eq!(ended.code, Some(1), "{left}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("detector: recording "), "{}", ended.stderr);
        assert!(ended.stderr.contains("cut.detrec is cut short after byte "), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
        assert!(checked(&ended.stdout).len() >= whole, "{left} of {}", bytes.len());
    }
}

#[test]
fn what_is_no_recording_of_this_version_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8], code: i32, said: &[&str]| {
        let path = place.path().join("a.detrec");
        fs::write(&path, bytes).unwrap();
        let ended = replay(&path);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for said in said {
            assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        }
    };
    let version = env!("CARGO_PKG_VERSION");
    check(b"detector-recording 9 7.7.7\nrest", 2, &["format 9", version, "reads format 4", "detector 7.7.7"]);
    check(b"detector-recording 9 \x1b[31mred\nrest", 2, &["format 9", "\\u{1b}"]);
    check(&[0xff; 4096], 2, &["is not a recording", "detector record -o FILE"]);
    check(b"{\"schema\":\"detector.alert/1\"}\n", 2, &["is not a recording"]);
    check(format!("detector-recording 4 {version}\n{}", "x".repeat(500)).as_bytes(), 1, &["corrupt"]);

    let ended = replay(&place.path().join("missing"));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("missing: No such file"), "{}", ended.stderr);
}

#[test]
fn several_recordings_are_replayed_although_one_is_bad() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("good.detrec");
    let words = ["record", "-o", text(&path), "--name", "agent", "--", &trigger(), "exec-memfd"];
    assert_eq!(end(&mut detector(&words)).code, Some(0));
    let bad = place.path().join("bad.detrec");
    fs::write(&bad, "garbage\n").unwrap();
    let ended = end(&mut detector(&["replay", text(&bad), text(&path)]));
    assert_eq!(ended.code, Some(2));
    assert_eq!(by_rule(&checked(&ended.stdout), "execution/memfd.yml")["agent"]["name"], "agent");
}
