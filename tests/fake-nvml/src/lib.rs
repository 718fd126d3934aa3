//! A library that answers like NVIDIA's `libnvidia-ml.so.1` and has no GPU: what it says stands in the JSON file that
//! `FAKE_NVML` names ([`scenario`]), which is read again when it changes.
//!
//! It exports what `nvml-wrapper` asks the detector's questions with, under NVML's names and with NVML's layouts
//! (nvml.h of CUDA 12); each function answers as the documentation of NVML says, errors included.

#![expect(unreachable_pub, reason = "what is exported is found by its name, not by its path")]

mod code;
mod device;
mod entry;
mod field;
mod instance;
mod memory;
mod process;
mod scenario;
mod system;
