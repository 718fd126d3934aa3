//! Reads sockets, as typed BTF pointers and as plain ones.

use super::cgroup::Cgroup;

/// Linux's number of Unix sockets.
pub const AF_UNIX: u16 = 1;
/// Linux's number of IPv4.
pub const AF_INET: u16 = 2;
/// Linux's number of IPv6.
pub const AF_INET6: u16 = 10;

/// A socket, as a typed BTF pointer: its fields are read without helper calls.
#[derive(Clone, Copy)]
pub struct Sock(pub *const u8);

impl Sock {
    /// Address family.
    #[inline(always)]
    pub fn family(self) -> u16 {
        field!(self.0, sock_family)
    }

    /// Transport protocol.
    #[inline(always)]
    pub fn protocol(self) -> u16 {
        field!(self.0, sock_protocol)
    }

    /// Remote port, host order.
    #[inline(always)]
    pub fn remote_port(self) -> u16 {
        let port: u16 = field!(self.0, sock_dport);
        u16::from_be(port)
    }

    /// Local port, host order.
    #[inline(always)]
    pub fn local_port(self) -> u16 {
        field!(self.0, sock_num)
    }

    /// Remote address; IPv4 in the first four bytes.
    #[inline(always)]
    pub fn remote(self) -> [u8; 16] {
        if self.family() == AF_INET6 { at!(self.0, sock_daddr6) } else { widen(field!(self.0, sock_daddr)) }
    }

    /// Local address; IPv4 in the first four bytes.
    #[inline(always)]
    pub fn local(self) -> [u8; 16] {
        if self.family() == AF_INET6 { at!(self.0, sock_saddr6) } else { widen(field!(self.0, sock_saddr)) }
    }

    /// Cookie; 0 until somebody asked for it.
    #[inline(always)]
    pub fn cookie(self) -> u64 {
        at!(self.0, sock_cookie)
    }

    /// Pending error.
    #[inline(always)]
    pub fn error(self) -> u32 {
        field!(self.0, sock_err)
    }

    /// Id of the control group that it was made in.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        Cgroup(at!(self.0, sock_cgroup)).id()
    }
}

/// The ends of a socket that is no typed BTF pointer, as [`Stdio`](detector_common::wire::Stdio) has them.
#[derive(Clone, Copy)]
pub struct Ends(pub *const u8);

impl Ends {
    /// Address family.
    #[inline(always)]
    pub fn family(self) -> u16 {
        at!(self.0, sock_family)
    }

    /// Remote address; IPv4 in the first four bytes.
    #[inline(always)]
    pub fn remote(self) -> [u8; 16] {
        if self.family() == AF_INET6 { at!(self.0, sock_daddr6) } else { widen(at!(self.0, sock_daddr)) }
    }

    /// Local address, likewise.
    #[inline(always)]
    pub fn local(self) -> [u8; 16] {
        if self.family() == AF_INET6 { at!(self.0, sock_saddr6) } else { widen(at!(self.0, sock_saddr)) }
    }

    /// Remote port, host order.
    #[inline(always)]
    pub fn remote_port(self) -> u16 {
        let port: u16 = at!(self.0, sock_dport);
        u16::from_be(port)
    }

    /// Local port, host order.
    #[inline(always)]
    pub fn local_port(self) -> u16 {
        at!(self.0, sock_num)
    }
}

/// An IPv4 address as the kernel keeps it, in the first four of sixteen bytes.
#[inline(always)]
pub fn widen(address: u32) -> [u8; 16] {
    let [a, b, c, d] = address.to_ne_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
