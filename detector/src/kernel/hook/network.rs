//! The hooks of sockets and packets.

use detector_common::features;

use super::needs::{SENDER, SOCK};
use super::{Attach, Hook, Piece, Vital, When};
use crate::event::Direction;

const CONNECT_BLIND: &[&str] = &["raw and packet sockets"];

/// A row a program.
pub(super) const HOOKS: &[Hook] = &[
    Hook {
        program: "socket_state",
        attach: Attach::BtfTracepoint("inet_sock_set_state"),
        when: When::Agents,
        serves: &["listen", "connect_result", "flow (TCP, at its close)"],
        needs: SOCK,
        pieces: &[
            Piece {
                feature: features::SOCKET_STORAGE,
                without: "kernel before 5.11: a TCP flow is summed up when its last descriptor closes, what \
                          the kernel sends after that is not counted",
            },
            Piece {
                feature: features::SOCKET_COOKIE,
                without: "kernel before 5.12: connects of a process that left its control group carry no cookie",
            },
        ],
        blind: &["TCP outside the kernel's own stack"],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "connect4",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["connect (IPv4)"],
        needs: &[],
        pieces: &[],
        blind: CONNECT_BLIND,
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "connect6",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["connect (IPv6)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "sendmsg4",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["send (UDP, IPv4)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "sendmsg6",
        attach: Attach::CgroupSockAddr,
        when: When::Agents,
        serves: &["send (UDP, IPv6)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "post_bind4",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["bind (IPv4)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "post_bind6",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["bind (IPv6)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "egress",
        attach: Attach::CgroupSkb(Direction::Out),
        when: When::Agents,
        serves: &["payload (sent)", "flow"],
        needs: SENDER,
        pieces: &[],
        blind: &["sockets that were made outside the agents' control groups and brought in"],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "ingress",
        attach: Attach::CgroupSkb(Direction::In),
        when: When::Agents,
        serves: &["payload (received)", "flow"],
        needs: SENDER,
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
    Hook {
        program: "flow_close",
        attach: Attach::CgroupSock,
        when: When::Agents,
        serves: &["flow (UDP, at its close)"],
        needs: &[],
        pieces: &[],
        blind: &[],
        vital: Vital::No,
        tier: None,
    },
];
