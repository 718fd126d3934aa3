//! The kernel half of detector: small programs that report what agents do.
//!
//! Each file of `probes/` is one hook. [`kernel`] reads kernel structs at offsets that userspace
//! resolved, [`scope`] decides whether a task is watched, [`path`] resolves paths, [`output`] writes
//! records. Only [`kernel`], [`path`] and [`output`] contain unsafe code.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod kernel;
mod output;
mod path;
mod probes;
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
