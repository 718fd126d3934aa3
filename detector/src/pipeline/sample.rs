//! A few plain rules for the tests of the rooms around them, whatever the built-in ones say.

use crate::rules::{Builtin, RuleSet};

const RULES: &str = "\
title: Miner executed
id: 00000000-0000-4000-8000-000000000001
status: stable
level: critical
tags: [attack.t1496.001]
logsource: { category: process_creation, product: linux }
detection:
    selection:
        Image|endswith: /xmrig
    condition: selection
---
title: Sensor lost events
id: 00000000-0000-4000-8000-000000000002
status: stable
level: medium
logsource: { category: sensor, service: detector }
detection:
    selection:
        LostEvents|gte: 1
    condition: selection
---
title: Process left its maker
id: 00000000-0000-4000-8000-000000000003
status: stable
level: low
logsource: { category: observation, service: detector }
detection:
    selection:
        Observation: daemonised
    condition: selection
";

pub(crate) fn rules() -> RuleSet {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sample.yml");
    std::fs::write(&path, RULES).unwrap();
    RuleSet::load(&[path], Builtin::Without).unwrap()
}
