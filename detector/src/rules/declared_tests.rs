//! What a task names, and what it does not.

use super::*;
use crate::agent::Agent;
use crate::event::{AgentId, CgroupId, Endpoint, Event, Nanos, NetnsId, ProcessId, Protocol, Ticks};
use crate::network::Role;
use crate::task::TaskChange;

fn ledger(expects: &[&str]) -> Ledger {
    let mut ledger = Ledger::default();
    let agent =
        Agent { id: AgentId(1), name: "coder".to_owned(), cgroup: CgroupId(4), path: "/agents/1".to_owned() };
    ledger.agent_added(&agent);
    ledger.change(TaskChange::Started(Task {
        id: "t".into(),
        agent: "coder".into(),
        name: "t".into(),
        expects: expects.iter().map(|text| Expect::parse(text).unwrap()).collect(),
        exe: None,
        started: Nanos(0),
        expires: None,
    }));
    ledger
}

fn event(kind: EventKind) -> Event {
    Event {
        time: Nanos(9),
        received: Nanos(9),
        agent: AgentId(1),
        process: ProcessId { pid: 7, start: Ticks(7) },
        thread: 7,
        uid: 0,
        cgroup: CgroupId(4),
        kind,
    }
}

fn flow(remote: &str) -> Flow {
    Flow {
        cookie: 1,
        protocol: Protocol::Tcp,
        remote: remote.parse().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: NetnsId(1),
    }
}

fn listen(local: &str) -> Event {
    event(EventKind::Listen(Endpoint { cookie: 1, protocol: Protocol::Tcp, local: local.parse().unwrap() }))
}

fn spoken(application: Application, remote: &str, fields: Vec<(&'static str, Value)>) -> Recognised {
    Recognised {
        time: Nanos(9),
        received: Nanos(9),
        agent: AgentId(1),
        process: ProcessId { pid: 7, start: Ticks(7) },
        uid: 0,
        cgroup: CgroupId(4),
        flow: flow(remote),
        application,
        role: Role::Client,
        fields,
    }
}

fn observed(name: &'static str, fields: Vec<(&'static str, Value)>) -> Observation {
    Observation {
        time: Nanos(9),
        received: Nanos(9),
        agent: AgentId(1),
        process: ProcessId { pid: 7, start: Ticks(7) },
        cgroup: CgroupId(4),
        name,
        text: String::new(),
        fields,
    }
}

fn exec(exe: &str, line: &str) -> Exec {
    let argv = line.split(' ').map(Into::into).collect();
    Exec { exe: exe.into(), argv, nlink: 1, ..Exec::default() }
}

fn named(ledger: &Ledger, what: What<'_>, hostname: Option<&str>, exec: Option<&Exec>) -> Option<String> {
    declared(ledger, what, hostname, exec).map(|declared| declared.expect.to_string())
}

#[test]
fn a_port_names_listens_on_it_and_no_other() {
    let tasks = ledger(&["gpu", "listen:8000"]);
    for (local, expected) in [("0.0.0.0:8000", true), ("[::]:8000", true), ("0.0.0.0:8001", false)] {
        let event = listen(local);
        assert_eq!(named(&tasks, What::Event(&event), None, None).is_some(), expected, "{local}");
    }
    let connect = event(EventKind::Connect(flow("203.0.113.9:8000")));
    assert_eq!(named(&tasks, What::Event(&connect), None, None), None);
}

#[test]
fn a_host_names_connections_by_address_or_by_what_dns_said() {
    let tasks = ledger(&["egress:example.org", "egress:203.0.113.9"]);
    let to = |remote: &str, hostname: Option<&str>| {
        let event = event(EventKind::Connect(flow(remote)));
        named(&tasks, What::Event(&event), hostname, None)
    };
    assert_eq!(to("198.51.100.1:443", Some("api.Example.org")).as_deref(), Some("egress:example.org"));
    assert_eq!(to("198.51.100.1:443", Some("example.org.")).as_deref(), Some("egress:example.org"));
    assert_eq!(to("203.0.113.9:9", None).as_deref(), Some("egress:203.0.113.9"));
    for hostname in [None, Some("notexample.org"), Some("example.org.evil.net")] {
        assert_eq!(to("198.51.100.1:443", hostname), None, "{hostname:?}");
    }
}

#[test]
fn a_name_that_the_process_chose_itself_names_nothing() {
    let tasks = ledger(&["egress:example.org"]);
    let fronted = spoken(Application::Tls, "198.51.100.1:443", vec![("Sni", "example.org".into())]);
    assert_eq!(named(&tasks, What::Recognised(&fronted), None, None), None);
    assert!(named(&tasks, What::Recognised(&fronted), Some("example.org"), None).is_some());
    let question = |name: &str| spoken(Application::Dns, "192.0.2.53:53", vec![("QueryName", name.into())]);
    assert!(named(&tasks, What::Recognised(&question("a.example.org")), None, None).is_some());
    assert!(named(&tasks, What::Recognised(&question("pool.example.net")), None, None).is_none());
}

#[test]
fn stratum_shells_tunnels_and_canaries_are_never_declared() {
    let tasks = ledger(&["egress:example.org", "egress:203.0.113.9", "gpu", "cpu", "listen:3333"]);
    for application in [
        Application::Stratum,
        Application::Shell,
        Application::Tunnel,
        Application::Socks,
        Application::Noise,
        Application::Canary,
    ] {
        let spoken = spoken(application, "203.0.113.9:3333", vec![]);
        assert_eq!(named(&tasks, What::Recognised(&spoken), Some("example.org"), None), None);
    }
    for name in ["mining", "relayed_shell", "pool_cadence", "ssh_client_forwards", "wallet_configuration"] {
        assert_eq!(named(&tasks, What::Observation(&observed(name, vec![])), None, None), None, "{name}");
    }
}

#[test]
fn a_daemon_is_named_by_its_program_where_that_does_not_hide() {
    let tasks = ledger(&["daemon:vite", "daemon:/tmp/x/server"]);
    let stays = observed("daemonised", vec![]);
    let is = |exec: &Exec| named(&tasks, What::Observation(&stays), None, Some(exec)).is_some();
    assert!(is(&exec("/usr/local/bin/vite", "vite")));
    assert!(is(&exec("/usr/bin/node", "node node_modules/.bin/vite")));
    assert!(is(&exec("/tmp/x/server", "server")));
    assert!(!is(&exec("/usr/bin/sleep", "vite")), "what it calls itself is no name");
    assert!(!is(&exec("/tmp/vite", "vite")));
    assert!(!is(&exec("/work/.x/vite", "vite")));
    assert!(!is(&Exec { nlink: 0, ..exec("/usr/bin/vite", "vite") }));
}

#[test]
fn a_daemon_that_listens_on_declared_ports_alone_is_declared() {
    let tasks = ledger(&["listen:8000", "listen:8001"]);
    let stays = |listens: &[&str], public: bool| {
        let observed = observed(
            "daemonised",
            vec![("Listens", listens.to_vec().into()), ("ConnectsPublic", public.into())],
        );
        named(&tasks, What::Observation(&observed), None, None).is_some()
    };
    assert!(stays(&["0.0.0.0:8000/tcp"], false) && stays(&["0.0.0.0:8000/tcp", "[::]:8001/tcp"], false));
    assert!(!stays(&["0.0.0.0:8000/tcp", "0.0.0.0:9/tcp"], false));
    assert!(!stays(&["0.0.0.0:8000/tcp"], true));
    assert!(!stays(&[], false) && !stays(&["odd"], false));
}

#[test]
fn gpu_and_cpu_name_observations_of_their_own_kind() {
    let tasks = ledger(&["gpu"]);
    let is = |name| named(&tasks, What::Observation(&observed(name, vec![])), None, None).is_some();
    assert!(is("gpu_busy") && !is("cpu_busy") && !is("mining"));
    let unused = Ledger::default();
    assert_eq!(named(&unused, What::Observation(&observed("gpu_busy", vec![])), None, None), None);
}
