//! A recording gives the digest that the machine gave: what agents did is summed up by the core alone.

use detector::digest::{self, Digest};
use detector::event::FileOp;
use detector::pipeline::{Outputs, Pipeline, Settings};
use detector::recording::{Header, Reader, Recorder};
use detector::rules::{Builtin, RuleSet};
use detector::store::Store;

use super::{Nanos, story};

#[test]
fn a_recording_gives_its_digest() {
    let story = story()
        .runs("/usr/bin/python3", "python3 train.py")
        .runs("/usr/bin/python3", "python3 train.py --resume")
        .runs("/usr/bin/cargo", "cargo build")
        .connects("203.0.113.7:14444", 0)
        .connects("203.0.113.7:14444", 0)
        .listens("0.0.0.0:8000")
        .touches(FileOp::Open, "/work/xmr_Wallet.keys", None)
        .touches(FileOp::Open, "/etc/cron.d/job", None);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("story.detrec");
    let header = Header {
        host: "node-1".to_owned(),
        kernel: "6.12.0".to_owned(),
        detector: env!("CARGO_PKG_VERSION").to_owned(),
        started: Nanos(0),
    };
    let mut recorder = Recorder::create(&path, &header).unwrap();
    for input in &story.inputs {
        recorder.write(input).unwrap();
    }
    recorder.finish().unwrap();

    let judge = || {
        let rules = RuleSet::load(&[], Builtin::With).unwrap();
        let mut pipeline = Pipeline::new(rules, Settings { host: "node-1".to_owned() });
        let mut outputs = Outputs::default();
        for input in Reader::open(&path).unwrap() {
            pipeline.step_into(input.unwrap(), &mut outputs);
        }
        let last = pipeline.finish();
        outputs.activity.extend(last.activity);
        outputs.alerts.extend(last.alerts);
        outputs
    };
    let outputs = judge();
    assert_eq!(outputs.activity, judge().activity, "two replays differ");
    let store = Store::in_memory().unwrap();
    store.add_activity(&outputs.activity).unwrap();
    store.record("owner", &outputs.alerts, &mut |_, _| Vec::new()).unwrap();
    let now = i64::try_from(story.time / 1_000_000).unwrap() + 1_000;
    let digest = Digest::of(&store, "node-1", None, (now - 3_600_000, now)).unwrap();
    let sections = digest::sections(&digest, 9, 9);
    let words: Vec<String> = sections[0].lines.iter().map(|line| line.text.clone()).collect();
    assert_eq!(sections[0].name, "coder");
    for expected in [
        "2 × /usr/bin/python3 train.py",
        "1 × /usr/bin/cargo",
        "2 × 203.0.113.7 14444/tcp",
        "1 × 0.0.0.0:8000/tcp by /usr/bin/cargo",
        "/work/xmr_Wallet.keys",
    ] {
        assert!(words.iter().any(|line| line == expected), "{expected}: {words:#?}");
    }
    assert!(words.iter().any(|line| line.contains("× /etc/cron.d/job (")), "{words:#?}");
    assert!(digest.agents[0].near_misses.iter().any(|miss| miss.why == "informational"), "{words:#?}");
}
