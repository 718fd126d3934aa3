//! A sample of the GPUs for people.

use std::fmt::Write as _;

use super::{Report, User};
use crate::alert::escape::{clip, escape};
use crate::event::GpuDevice;
use crate::telemetry::gpu::Seen;

/// Most characters of a command line.
const COMMAND: usize = 60;

/// What there is, in one line.
pub(super) fn summary(seen: &Seen) -> String {
    let Seen { driver, sample, gaps } = seen;
    let boards: Vec<&GpuDevice> =
        sample.devices.iter().filter(|device| device.instance.is_none() && !is_part(device)).collect();
    let mut names: Vec<(&str, usize)> = Vec::new();
    for board in &boards {
        match names.iter_mut().find(|(name, _)| *name == &*board.name) {
            Some((_, count)) => *count += 1,
            None => names.push((&board.name, 1)),
        }
    }
    let names: Vec<String> =
        names.iter().map(|(name, count)| format!("{count} x {}", escape(name))).collect();
    let devices = if names.is_empty() { "no GPU".to_owned() } else { names.join(", ") };
    let split = boards.iter().filter(|device| device.mig).count();
    let parts = sample.devices.len() - boards.len();
    let mig = match split {
        0 => String::new(),
        _ => format!(", {split} split by MIG into {parts}"),
    };
    let gaps: String = gaps.iter().map(|gap| format!("; {gap}")).collect();
    format!("driver {}: {devices}{mig}{gaps}", escape(driver))
}

/// Whether a device is a part of another whose numbers could not be had.
fn is_part(device: &GpuDevice) -> bool {
    device.uuid.starts_with("MIG-")
}

/// A table of devices, one of processes, and what is missing.
pub(super) fn page(report: &Report) -> String {
    let Report { time, driver, devices, processes, gaps } = report;
    let mut out = format!("{time}, NVIDIA driver {}\n\n", escape(driver));
    let _ = writeln!(
        out,
        "  {:<7}{:<34}{:>5}{:>6}{:>18}{:>15}{:>14}{:>14}{:>17}{:>6}",
        "GPU", "name", "SM", "mem", "memory MiB", "power W", "SM MHz", "memory MHz", "PCIe in/out MB/s", "C"
    );
    for device in devices {
        let _ = writeln!(
            out,
            "  {:<7}{:<34}{:>5}{:>6}{:>18}{:>15}{:>14}{:>14}{:>17}{:>6}",
            place(device),
            escape(&clip(&device.name, 32)),
            percent(device.utilization),
            percent(device.memory_utilization),
            pair(device.memory_used.map(|bytes| bytes >> 20), device.memory_total.map(|bytes| bytes >> 20)),
            pair(device.power.map(|power| power / 1_000), device.power_limit.map(|limit| limit / 1_000)),
            pair(device.sm_clock, device.sm_clock_max),
            pair(device.memory_clock, device.memory_clock_max),
            pair(
                device.pcie_received.map(|rate| rate / 1_000_000),
                device.pcie_sent.map(|rate| rate / 1_000_000)
            ),
            number(device.temperature),
        );
    }
    if processes.is_empty() {
        out.push_str("\n  no process is on them\n");
    } else {
        let _ = writeln!(out, "\n  {:<7}{:>9}{:>6}{:>6}{:>12}  who", "GPU", "pid", "SM", "mem", "memory MiB");
    }
    for user in processes {
        let device = usize::try_from(user.device).ok().and_then(|place| devices.get(place));
        let _ = writeln!(
            out,
            "  {:<7}{:>9}{:>6}{:>6}{:>12}  {}",
            device.map(place).unwrap_or_default(),
            user.pid,
            percent(user.sm),
            percent(user.memory_utilization),
            number(user.memory.map(|bytes| bytes >> 20)),
            who(user),
        );
    }
    if !gaps.is_empty() {
        out.push_str("\n  cannot be told here:\n");
    }
    for gap in gaps {
        let _ = writeln!(out, "    - {}", escape(gap));
    }
    out.push('\n');
    out
}

/// `2`, or `2.1.0` for a compute instance of a GPU instance of it.
fn place(device: &GpuDevice) -> String {
    match device.instance {
        Some((gpu, compute)) => format!("{}.{gpu}.{compute}", device.index),
        None if is_part(device) => format!("{}.?", device.index),
        None => device.index.to_string(),
    }
}

fn who(user: &User) -> String {
    let User { agent, container, command, .. } = user;
    let command =
        command.as_ref().map_or("a process that is gone or not to be seen from here", String::as_str);
    let command = escape(&clip(command, COMMAND)).into_owned();
    match (agent, container) {
        (Some(agent), _) => format!("agent {}: {command}", escape(agent)),
        (None, Some(container)) => format!("container {}: {command}", escape(&clip(container, 12))),
        (None, None) => command,
    }
}

fn number<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn percent(value: Option<u32>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value}%"))
}

fn pair<T: ToString, U: ToString>(one: Option<T>, other: Option<U>) -> String {
    format!("{}/{}", number(one), number(other))
}
