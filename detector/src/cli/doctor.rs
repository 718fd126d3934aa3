//! `detector doctor`: what this kernel and these privileges allow, and what is not covered.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::kernel::btf;
use crate::kernel::cgroup::{Cgroups, mounts};
use crate::kernel::hook::{Attach, HOOKS, Hook, When};
use crate::kernel::sensor::{self, Sensor};

/// Say what this kernel and these privileges allow, and what is not covered
///
/// It names the hook that serves each event, and what slips past it. Ends with status 1 where the
/// detector cannot run at all. As root it loads each probe to see; otherwise it says what it could not try.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What doctor found.
#[derive(Debug, Serialize)]
struct Report {
    /// detector's own version.
    version: &'static str,
    /// Kernel release.
    kernel: String,
    /// Whether the detector can run here.
    usable: bool,
    /// Conditions, each met or not.
    checks: Vec<Check>,
    /// Events and the hook that serves them.
    events: Vec<Served>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    met: bool,
    /// Whether the detector can do without.
    needed: bool,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Served {
    events: &'static [&'static str],
    hook: String,
    program: &'static str,
    attached: &'static str,
    state: State,
    /// What this kernel is too old for.
    lacks: Vec<&'static str>,
    /// How many instructions the kernel's verifier went through; kernels before 5.16 do not say.
    verified_instructions: Option<u32>,
    not_seen: &'static [&'static str],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "reason")]
enum State {
    Used,
    Refused(String),
    NotTried,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = examine();
    if args.json {
        writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        std::io::stdout().write_all(page(&report).as_bytes())?;
    }
    Ok(if report.usable { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn examine() -> Report {
    let mut checks =
        vec![privilege(), kernel_btf(), cgroup2(), security(), mounted("tracefs"), mounted("bpf")];
    let events = match Sensor::load(&sensor::Settings::default()) {
        Ok((sensor, _)) => sensor
            .states()
            .iter()
            .map(|state| Served {
                lacks: state.lacks.clone(),
                verified_instructions: state.verified,
                ..served(state.hook, state.refused.clone().map_or(State::Used, State::Refused))
            })
            .collect(),
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::from(error));
            checks.push(Check { name: "probes load", met: false, needed: true, detail });
            HOOKS.iter().map(|hook| served(hook, State::NotTried)).collect()
        }
    };
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        usable: checks.iter().all(|check| check.met || !check.needed),
        checks,
        events,
    }
}

fn privilege() -> Check {
    let met = rustix::process::geteuid().is_root();
    let detail = if met {
        "running as root".to_owned()
    } else {
        "not root; probes need root or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN: run this with sudo".to_owned()
    };
    Check { name: "privilege", met, needed: false, detail }
}

fn kernel_btf() -> Check {
    match btf::facts(Path::new(btf::VMLINUX)) {
        Ok(btf::Facts { offsets, features: _ }) => {
            let all = detector_common::offsets::Offsets::PATHS;
            let missing: Vec<&str> =
                all.iter().filter(|(name, _)| offsets.get(name).is_none()).map(|(_, path)| *path).collect();
            let detail = if missing.is_empty() {
                format!("{}: all {} fields found", btf::VMLINUX, all.len())
            } else {
                format!("{}: this kernel lacks {}", btf::VMLINUX, missing.join(", "))
            };
            Check { name: "kernel BTF", met: true, needed: true, detail }
        }
        Err(error) => Check {
            name: "kernel BTF",
            met: false,
            needed: true,
            detail: format!("{:#}", anyhow::Error::from(error)),
        },
    }
}

fn cgroup2() -> Check {
    match Cgroups::find() {
        Ok(cgroups) => {
            Check { name: "cgroup2", met: true, needed: true, detail: cgroups.mount().display().to_string() }
        }
        Err(error) => Check { name: "cgroup2", met: false, needed: true, detail: error.to_string() },
    }
}

/// Whether the BPF LSM is active: file hooks of the first tier would need it.
fn security() -> Check {
    let list =
        mounts("securityfs").and_then(|mount| std::fs::read_to_string(Path::new(&mount).join("lsm")).ok());
    let (met, detail) = match list {
        Some(list) => (list.split(',').any(|name| name.trim() == "bpf"), format!("active: {}", list.trim())),
        None => (
            false,
            "securityfs is not mounted; `mount -t securityfs none /sys/kernel/security` shows it".to_owned(),
        ),
    };
    Check { name: "BPF LSM", met, needed: false, detail: format!("{detail} (not used by this version)") }
}

fn mounted(kind: &'static str) -> Check {
    let mount = mounts(kind);
    let met = mount.is_some();
    let detail = mount.unwrap_or_else(|| "not mounted; the hooks of this version do without".to_owned());
    Check { name: kind, met, needed: false, detail }
}

fn served(hook: &Hook, state: State) -> Served {
    let name = match hook.attach {
        Attach::BtfTracepoint(name) => format!("tp_btf/{name}"),
        Attach::CgroupSkb(_) => format!("cgroup_skb/{}", hook.program),
        Attach::CgroupSockAddr | Attach::CgroupSock => format!("cgroup/{}", hook.program),
    };
    let attached = match hook.when {
        When::Always => "always",
        When::Agents => "while agents exist",
    };
    Served {
        events: hook.serves,
        hook: name,
        program: hook.program,
        attached,
        state,
        lacks: vec![],
        verified_instructions: None,
        not_seen: hook.blind,
    }
}

fn page(report: &Report) -> String {
    let Report { version, kernel, usable, checks, events } = report;
    let mut out = format!("detector {version} on Linux {kernel}\n\n");
    for Check { name, met, needed, detail } in checks {
        let mark = match (met, needed) {
            (true, _) => "ok",
            (false, true) => "MISSING",
            (false, false) => "no",
        };
        let _ = writeln!(out, "  {mark:<8}{name:<13}{detail}");
    }
    let _ = writeln!(out, "\n  {:<30}{:<31}state", "events", "hook");
    for Served { events, hook, attached, state, .. } in events {
        let state = match state {
            State::Used => format!("used, attached {attached}"),
            State::Refused(reason) => format!("REFUSED: {reason}"),
            State::NotTried => "not tried".to_owned(),
        };
        for (row, event) in events.iter().enumerate() {
            let (hook, state) = if row == 0 { (hook.as_str(), state.as_str()) } else { ("", "") };
            let _ = writeln!(out, "  {event:<30}{hook:<31}{state}");
        }
    }
    let lacks: Vec<&str> = events.iter().flat_map(|served| served.lacks.iter().copied()).collect();
    if !lacks.is_empty() {
        out.push_str("\n  not on this kernel:\n");
    }
    for lack in lacks {
        let _ = writeln!(out, "    - {lack}");
    }
    out.push_str("\n  not seen by these hooks:\n");
    for gap in events.iter().flat_map(|served| served.not_seen) {
        let _ = writeln!(out, "    - {gap}");
    }
    out.push_str(if *usable {
        "\ndetector can run here.\n"
    } else {
        "\ndetector cannot run here: see MISSING above.\n"
    });
    out
}
