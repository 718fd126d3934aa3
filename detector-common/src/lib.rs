//! What crosses the boundary between detector-ebpf and detector: records, limits, offsets, settings.
//!
//! Everything here is `repr(C)`, made of integers and arrays, without padding, so that both halves
//! agree on each byte and the kernel half never leaks stack bytes through a gap. Kinds are never
//! renumbered: recordings outlive versions.
#![no_std]

pub mod features;
pub mod limits;
pub mod offsets;
pub mod wire;
