//! Memory of the sizes that RandomX takes.

use detector::event::{EventKind, OperationCode};
use detector_tests::needs_root;
use serde_json::Value;

use crate::watch::{Watch, small};

const DATASET: u64 = 0x8200_0000;
const DATASET_OF_LIBRANDOMX: u64 = 0x81ff_ffc0;
const CACHE: u64 = 0x1000_0000;

/// What was reported of each length that a trigger asked for: length, whether in huge pages, errno.
fn asked(watch: &mut Watch, kind: &str, lengths: &[u64]) -> (Value, Vec<(u64, bool, u32)>) {
    let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
    let words: Vec<&str> = ["memory", kind].into_iter().chain(lengths.iter().map(String::as_str)).collect();
    let said = watch.run(&words);
    let pid = small(&said, "pid");
    let seen = watch.until_exit(pid).iter().filter(|event| event.process.pid == pid);
    let found = seen.filter_map(|event| match &event.kind {
        EventKind::Operation(one) if one.code == OperationCode::RandomxMemory => {
            assert!(one.program_type.is_none() && one.path.is_none() && one.target.is_none(), "{one:?}");
            Some((one.number, one.huge, one.errno))
        }
        _ => None,
    });
    (said, found.collect())
}

#[test]
fn memory_of_randomx_is_reported_with_its_length() {
    needs_root!();
    let mut watch = Watch::new("randomx");
    let malloc = DATASET + 4096;
    let lengths = [DATASET, DATASET_OF_LIBRANDOMX, malloc];
    let (said, found) = asked(&mut watch, "plain", &lengths);
    assert_eq!(said["errnos"], serde_json::json!([0, 0, 0]));
    assert_eq!(found, lengths.map(|length| (length, false, 0)));
}

#[test]
fn huge_pages_are_told_and_make_the_cache_one_of_its_sizes() {
    needs_root!();
    let mut watch = Watch::new("randomx-huge");
    let lengths = [DATASET, DATASET_OF_LIBRANDOMX, CACHE];
    let (said, found) = asked(&mut watch, "huge", &lengths);
    let errnos: Vec<u32> = serde_json::from_value(said["errnos"].clone()).unwrap();
    assert_eq!(errnos, [0, 0, 0], "nothing is reserved, so nothing is refused");
    assert_eq!(found, lengths.map(|length| (length, true, 0)));
}

#[test]
fn a_refusal_counts_and_hides_no_second_attempt() {
    needs_root!();
    let mut watch = Watch::new("randomx-refused");
    let (said, found) = asked(&mut watch, "huge-reserved", &[DATASET, CACHE]);
    let errnos: Vec<u32> = serde_json::from_value(said["errnos"].clone()).unwrap();
    assert_eq!(found, [(DATASET, true, errnos[0]), (CACHE, true, errnos[1])]);
    let pages = std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap();
    if pages.trim() == "0" {
        assert_eq!(errnos, [12, 12], "ENOMEM");
    }
}

#[test]
fn memory_of_other_sizes_is_silent() {
    needs_root!();
    let mut watch = Watch::new("randomx-other");
    let others = [DATASET - 4096, DATASET + 8192, CACHE, CACHE + 4096, 2 << 20, 4096];
    assert_eq!(asked(&mut watch, "plain", &others).1, []);
    assert_eq!(asked(&mut watch, "huge", &[DATASET + (2 << 20), CACHE / 2, 2 << 20]).1, []);
}

#[test]
fn the_same_again_is_one_event() {
    needs_root!();
    let mut watch = Watch::new("randomx-again");
    let (_, found) = asked(&mut watch, "plain", &[DATASET; 100]);
    assert_eq!(found, [(DATASET, false, 0)]);
}
