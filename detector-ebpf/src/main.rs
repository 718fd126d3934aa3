//! The kernel half of detector: small programs that report what agents do.
//!
//! Each file of `probes/` is one hook. [`kernel`] reads kernel structs at offsets that userspace
//! resolved, [`scope`] decides whether a task is watched, [`path`] resolves paths, [`recent`] drops what
//! repeats, [`flow`] remembers sockets, [`packet`] reads packets, [`automaton`] judges their first bytes, [`output`] writes records. These hold the unsafe code, probes call them.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod automaton;
mod flow;
mod kernel;
mod output;
mod packet;
mod path;
mod probes;
mod recent;
mod scope;

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel lets only GPL-compatible programs call its tracing helpers.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
