//! connect and its result, datagrams, bind, listen; IPv4, IPv6 and both in one.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use detector::event::{Endpoint, EventKind, Flow, FlowResult, Protocol};
use detector_tests::needs_root;

use crate::watch::{Watch, small, text};

fn connect_of(watch: &mut Watch, pid: u32) -> Flow {
    watch.find("connect", |event| match event.kind {
        EventKind::Connect(flow) if event.process.pid == pid => Some(flow),
        _ => None,
    })
}

fn result_of(watch: &mut Watch, cookie: u64) -> FlowResult {
    watch.find("connect result", |event| match event.kind {
        EventKind::ConnectResult(result) if result.flow.cookie == cookie => Some(result),
        _ => None,
    })
}

/// Connects with `trigger` to a listener, and to the same address when nobody listens any more.
fn connects_and_is_refused(trigger: &str, listen: &str) {
    let mut watch = Watch::new("connect");
    let listener = TcpListener::bind(listen).unwrap();
    let address = listener.local_addr().unwrap();
    let said = watch.run(&[trigger, &address.to_string()]);
    let flow = connect_of(&mut watch, small(&said, "pid"));
    assert_eq!((flow.remote, flow.protocol, flow.v4_mapped), (address, Protocol::Tcp, false));
    assert_eq!(Some(flow.cookie), said["cookie"].as_u64());
    let result = result_of(&mut watch, flow.cookie);
    assert_eq!(result.errno, 0);
    assert_eq!(result.flow.remote, address);
    assert_eq!(result.flow.local.map(|local| local.to_string()).as_deref(), Some(text(&said, "local")));

    drop(listener);
    let said = watch.run(&[trigger, &address.to_string()]);
    let flow = connect_of(&mut watch, small(&said, "pid"));
    assert_eq!(said["errno"], 111);
    assert_eq!(result_of(&mut watch, flow.cookie).errno, 111);
}

#[test]
fn tcp_over_ipv4_is_reported_with_its_result() {
    needs_root!();
    connects_and_is_refused("connect-tcp", "127.0.0.1:0");
}

#[test]
fn tcp_over_ipv6_is_reported_with_its_result() {
    needs_root!();
    connects_and_is_refused("connect-tcp", "[::1]:0");
}

#[test]
fn a_nonblocking_connect_is_reported_with_its_result() {
    needs_root!();
    connects_and_is_refused("connect-tcp-nonblocking", "127.0.0.1:0");
}

#[test]
fn a_v4_mapped_connect_is_given_as_ipv4() {
    needs_root!();
    let mut watch = Watch::new("mapped");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = watch.run(&["connect-tcp", &format!("[::ffff:127.0.0.1]:{port}")]);
    let flow = connect_of(&mut watch, small(&said, "pid"));
    assert_eq!(flow.remote, listener.local_addr().unwrap());
    assert!(flow.v4_mapped);
    assert_eq!(result_of(&mut watch, flow.cookie).errno, 0);
}

#[test]
fn udp_is_reported_connected_or_not() {
    needs_root!();
    let mut watch = Watch::new("udp");
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let socket = UdpSocket::bind(address).unwrap();
        let address = socket.local_addr().unwrap();
        let said = watch.run(&["connect-udp", &address.to_string()]);
        let flow = connect_of(&mut watch, small(&said, "pid"));
        assert_eq!((flow.remote, flow.protocol), (address, Protocol::Udp));
        let pid = small(&watch.run(&["send-udp", &address.to_string()]), "pid");
        let flow = watch.find("send", |event| match event.kind {
            EventKind::Send(flow) if event.process.pid == pid => Some(flow),
            _ => None,
        });
        assert_eq!((flow.remote, flow.protocol), (address, Protocol::Udp));
    }
}

fn endpoint(watch: &mut Watch, pid: u32, pick: impl Fn(&EventKind) -> Option<Endpoint>) -> Endpoint {
    watch.find("endpoint", |event| (event.process.pid == pid).then(|| pick(&event.kind)).flatten())
}

#[test]
fn binds_tell_the_port_that_was_chosen() {
    needs_root!();
    let mut watch = Watch::new("bind");
    for (trigger, protocol) in [("bind-tcp", Protocol::Tcp), ("bind-udp", Protocol::Udp)] {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let said = watch.run(&[trigger, address]);
            let bound = endpoint(&mut watch, small(&said, "pid"), |kind| match kind {
                EventKind::Bind(bound) => Some(*bound),
                _ => None,
            });
            let local: SocketAddr = text(&said, "local").parse().unwrap();
            assert_eq!((bound.local, bound.protocol), (local, protocol));
        }
    }
}

#[test]
fn listeners_are_reported_with_their_address() {
    needs_root!();
    let mut watch = Watch::new("listen");
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"] {
        let said = watch.run(&["listen-tcp", address]);
        let listens = endpoint(&mut watch, small(&said, "pid"), |kind| match kind {
            EventKind::Listen(listens) => Some(*listens),
            _ => None,
        });
        assert_eq!(listens.local, text(&said, "local").parse().unwrap());
        assert_eq!(listens.is_loopback(), address.starts_with("127") || address.starts_with("[::1]"));
    }
}
