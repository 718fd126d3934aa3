//! What shells say first, and what merely looks like it.

use super::super::{Application, Role, Sample};

/// What must be recognised.
pub(super) const POSITIVE: &[Sample] = &[
    said(
        "bash -i without a terminal",
        b"bash: cannot set terminal process group (-1): Inappropriate ioctl for device\nbash: no job control in this shell\nroot@vm:/# ",
        39,
    ),
    said("bash without job control", b"bash: no job control in this shell\nbash-5.2$ ", 34),
    said("bash by its path", b"/bin/bash: no job control in this shell\n", 39),
    said("bash as sh", b"sh: cannot set terminal process group (812): Inappropriate ioctl for device\n", 37),
    said("bash with a line", b"bash: line 0: no job control in this shell\n", 42),
    said("dash -i", b"sh: 0: can't access tty; job control turned off\n$ ", 23),
    said("dash -i by its path", b"/bin/sh: 0: can't access tty; job control turned off\n# ", 28),
    said("busybox", b"/bin/sh: can't access tty; job control turned off\n/ # ", 25),
    said("ash", b"ash: can't access tty; job control turned off\n", 21),
    said("zsh", b"zsh: can't set tty pgrp: inappropriate ioctl for device\n", 23),
    said("zsh without job control", b"zsh: no job control in this shell.\n", 33),
    said("mksh", b"mksh: No controlling tty (open /dev/tty: No such device or address)\nmksh: warning: won't have full job control\n", 24),
    said("csh", b"Warning: no access to tty (Bad file descriptor).\nThus no job control in this shell.\n", 25),
    said("fish", b"warning: No TTY for interactive shell (tcgetpgrp failed)\n", 37),
    prompt("a prompt", b"$ "),
    prompt("a prompt of root", b"# "),
    prompt("a prompt of csh", b"% "),
    prompt("a prompt with a version", b"bash-5.2# "),
    prompt("a prompt of sh with a version", b"sh-5.2$ "),
    prompt("a prompt with user and host", b"root@host:/path# "),
    prompt("a prompt with user, host and home", b"agent@node-7:~/work$ "),
    prompt("a prompt in brackets", b"[root@host ~]# "),
    prompt("a prompt in an environment", b"(venv) dev@box:/srv/app$ "),
    prompt("a prompt of busybox", b"/ # "),
    prompt("a prompt of busybox at home", b"~ $ "),
    prompt("a terminal's prompt", b"\x1b[?2004hroot@host:/# "),
    prompt(
        "a terminal's prompt with a title",
        b"\x1b[?2004h\x1b]0;root@host: /\x07root@host:/# "),
    prompt(
        "a coloured prompt",
        b"\x1b]0;a@b: ~\x07\x1b[01;32ma@b\x1b[00m:\x1b[01;34m~\x1b[00m$ "),
    prompt("a prompt of two lines", "\u{250c}\u{2500}\u{2500}(root\u{327f}kali)-[/]\n\u{2514}\u{2500}# ".as_bytes()),
];

/// What must not be.
#[cfg(test)]
pub(super) const NEGATIVE: &[(&str, &[u8])] = &[
    ("a title", b"# Title\n"),
    ("a title of two words", b"# A title\n\ntext # \n"),
    ("a script", b"#!/bin/sh\necho $ \n"),
    ("a list", b"$ cargo build\n$ "),
    ("redis asks", b"*1\r\n$4\r\nPING\r\n"),
    ("redis answers", b"$5\r\nhello\r\n"),
    ("telnet", b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27login: "),
    ("SMTP", b"220 mail.example.org ESMTP Postfix\r\n"),
    ("FTP", b"220 (vsFTPd 3.0.3)\r\n"),
    ("IMAP", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    ("metrics", b"# HELP up Whether the target is up\n# TYPE up gauge\n"),
    ("an error of a missing command", b"bash: foo: command not found\n"),
    ("a log line of sh", b"sh: starting worker 7\n"),
    ("a path", b"/usr/share/doc/x\n"),
    ("an address", b"user@example.org: hello # world\n"),
    ("a price", b"costs 5$ "),
    ("a prompt of a router", b"switch-7#"),
    ("percent", b"100% "),
];

/// A prompt, which is known by its last byte.
const fn prompt(name: &'static str, bytes: &'static [u8]) -> Sample {
    said(name, bytes, bytes.len())
}

const fn said(name: &'static str, bytes: &'static [u8], decisive: usize) -> Sample {
    Sample { name, from: Role::Server, bytes, decisive, application: Application::Shell }
}
