//! `detector doctor`: what this kernel and these privileges allow, and what is not covered.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::kernel::btf;
use crate::kernel::cgroup::{Cgroups, mounts};
use crate::kernel::hook::{self, Attach, Hook, Tier, When};
use crate::kernel::program;
use crate::kernel::sensor::Sensor;
use crate::kernel::tier::HookState;

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
    /// Events that nothing serves, each with the reason.
    missing: Vec<(&'static str, String)>,
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
    events: Vec<&'static str>,
    hook: String,
    /// Its rank, where others could serve the same events.
    tier: Option<Tier>,
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
    /// It serves these events.
    Used,
    /// It cannot be used.
    Refused(String),
    /// A better tier serves these events.
    Spared,
    /// Nothing was loaded.
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
        vec![privilege(), kernel_btf(), cgroup2(), security(), mounted("tracefs"), mounted("bpf"), gpu()];
    let mut missing = Vec::new();
    let events = match Sensor::load(&super::setup::kernel_settings(None)) {
        Ok((sensor, _)) => {
            missing = sensor.unserved().to_vec();
            sensor.states().iter().map(served).collect()
        }
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::from(error));
            checks.push(Check { name: "probes load", met: false, needed: true, detail });
            hook::hooks().map(|hook| row(hook, hook.serves.to_vec(), State::NotTried)).collect()
        }
    };
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        usable: checks.iter().all(|check| check.met || !check.needed),
        checks,
        events,
        missing,
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

/// Whether the BPF LSM is active: the best tier of file events needs it.
fn security() -> Check {
    let (met, detail) = match program::active_lsms() {
        Ok(list) => (true, format!("active: {list}")),
        Err(why) => (false, why),
    };
    Check { name: "BPF LSM", met, needed: false, detail }
}

/// Whether GPUs are measured.
fn gpu() -> Check {
    let (met, detail) = super::gpu::state();
    Check { name: "GPUs", met, needed: false, detail }
}

fn mounted(kind: &'static str) -> Check {
    let mount = mounts(kind);
    let met = mount.is_some();
    let detail = mount.unwrap_or_else(|| "not mounted; the hooks of this version do without".to_owned());
    Check { name: kind, met, needed: false, detail }
}

fn served(state: &HookState) -> Served {
    let HookState { hook, serves, refused, lacks, verified } = state;
    let row = match refused {
        Some(reason) => row(hook, hook.serves.to_vec(), State::Refused(reason.clone())),
        None if serves.is_empty() => row(hook, hook.serves.to_vec(), State::Spared),
        None => row(hook, serves.clone(), State::Used),
    };
    Served { lacks: lacks.clone(), verified_instructions: *verified, ..row }
}

fn row(hook: &Hook, events: Vec<&'static str>, state: State) -> Served {
    let name = match hook.attach {
        Attach::BtfTracepoint(name) => format!("tp_btf/{name}"),
        Attach::Lsm(name) => format!("lsm/{name}"),
        Attach::Fentry(function) => format!("fentry/{function}"),
        Attach::Fexit(function) => format!("fexit/{function}"),
        Attach::Kprobe(function) => format!("kprobe/{function}"),
        Attach::Kretprobe(function) => format!("kretprobe/{function}"),
        Attach::CgroupSkb(_) => format!("cgroup_skb/{}", hook.program),
        Attach::CgroupSockAddr | Attach::CgroupSock => format!("cgroup/{}", hook.program),
    };
    let attached = match hook.when {
        When::Always => "always",
        When::Agents => "while agents exist",
        When::Suspicion => "while a process is under suspicion",
    };
    Served {
        events,
        hook: name,
        program: hook.program,
        tier: hook.tier,
        attached,
        state,
        lacks: vec![],
        verified_instructions: None,
        not_seen: hook.blind,
    }
}

fn page(report: &Report) -> String {
    let Report { version, kernel, usable, checks, events, missing } = report;
    let mut out = format!("detector {version} on Linux {kernel}\n\n");
    for Check { name, met, needed, detail } in checks {
        let mark = match (met, needed) {
            (true, _) => "ok",
            (false, true) => "MISSING",
            (false, false) => "no",
        };
        let _ = writeln!(out, "  {mark:<8}{name:<13}{detail}");
    }
    let _ = writeln!(out, "\n  {:<40}{:<9}{:<34}state", "events", "tier", "hook");
    for Served { events, hook, tier, attached, state, .. } in events {
        let state = match state {
            State::Used => format!("used, attached {attached}"),
            // The tiers below say what comes instead.
            State::Refused(reason) if tier.is_some() => {
                format!("not possible: {}", reason.lines().next().unwrap_or_default())
            }
            State::Refused(reason) => format!("REFUSED: {reason}"),
            State::Spared => continue,
            State::NotTried => "not tried".to_owned(),
        };
        let tier = tier.map_or("-", Tier::name);
        for (row, event) in events.iter().enumerate() {
            let (tier, hook, state) =
                if row == 0 { (tier, hook.as_str(), state.as_str()) } else { ("", "", "") };
            let _ = writeln!(out, "  {event:<40}{tier:<9}{hook:<34}{state}");
        }
    }
    for (event, _) in missing {
        let _ = writeln!(out, "  {event:<40}{:<9}{:<34}MISSING: no tier can serve it here", "none", "");
    }
    let lacks: Vec<&str> = events.iter().flat_map(|served| served.lacks.iter().copied()).collect();
    if !lacks.is_empty() {
        out.push_str("\n  not on this kernel:\n");
    }
    for lack in lacks {
        let _ = writeln!(out, "    - {lack}");
    }
    out.push_str("\n  not seen by these hooks:\n");
    let used = events.iter().filter(|served| !matches!(served.state, State::Refused(_) | State::Spared));
    let gaps: BTreeSet<&str> = used.flat_map(|served| served.not_seen).copied().collect();
    for gap in gaps {
        let _ = writeln!(out, "    - {gap}");
    }
    out.push_str(if *usable {
        "\ndetector can run here.\n"
    } else {
        "\ndetector cannot run here: see MISSING above.\n"
    });
    out
}
