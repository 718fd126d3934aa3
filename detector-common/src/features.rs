//! What the running kernel allows tracing programs beyond what every supported kernel does.
//!
//! Userspace looks, and hands over the bits as a frozen global: the verifier sees a constant and never looks at
//! calls that its kernel does not know.

/// Socket storage (5.11).
pub const SOCKET_STORAGE: u32 = 1;
/// Making a socket's cookie (5.12).
pub const SOCKET_COOKIE: u32 = 2;
/// Mounts may map ids, and hooks of an inode's attributes are told how in their first argument (5.12).
pub const MAPPED_IDS: u32 = 4;

/// The kernel's own function behind each; its BTF names those that are there, backported ones too.
pub const FUNCTIONS: &[(u32, &str)] = &[
    (SOCKET_STORAGE, "bpf_sk_storage_get_tracing"),
    (SOCKET_COOKIE, "bpf_get_socket_ptr_cookie"),
    (MAPPED_IDS, "__x64_sys_mount_setattr"),
];
