//! Which container and pod a control group belongs to, read from its path alone.

/// What a control group path says about the workload inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Container id: 64 hex digits with most runtimes, a name with LXC and nspawn.
    pub id: Option<String>,
    /// Pod UID, with dashes.
    pub pod: Option<String>,
    /// Innermost systemd unit, such as `openclaw@7.service`.
    pub unit: Option<String>,
}

/// Reads a path below the cgroup2 mount (or below a v1 controller). `None` where it names no
/// container, no pod and no unit.
///
/// The innermost name wins: with kind, and with Docker inside Kubernetes, a path names several.
pub fn of(path: &str) -> Option<Container> {
    let mut found = Container::default();
    let mut parent = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if let Some(pod) = pod(part) {
            found.pod = Some(pod);
            found.id = None;
        } else if let Some(id) = container(part, parent) {
            found.id = Some(id.to_owned());
        }
        if is_unit(part) {
            found.unit = Some(part.to_owned());
        }
        parent = part;
    }
    (found != Container::default()).then_some(found)
}

/// Scope prefixes of the runtimes that use the systemd cgroup driver.
const SCOPES: [&str; 5] = ["docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"];

fn container<'a>(part: &'a str, parent: &str) -> Option<&'a str> {
    if is_hex_id(part) {
        // `/docker/ID`, `/kubepods/burstable/podUID/ID`, `/lxc/ID`, containerd's `/default/ID`.
        return (!parent.is_empty()).then_some(part);
    }
    if let Some(name) = part.strip_prefix("lxc.payload.").or_else(|| part.strip_prefix("lxc.payload/")) {
        return (!name.is_empty()).then_some(name);
    }
    if parent == "lxc" && !part.starts_with('.') {
        return Some(part);
    }
    let Some(name) = part.strip_suffix(".scope") else {
        // Podman with the cgroupfs driver.
        return part.strip_prefix("libpod-").filter(|id| is_hex_id(id));
    };
    if let Some(machine) = name.strip_prefix("machine-") {
        return (!machine.is_empty()).then_some(machine);
    }
    let id = SCOPES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    is_hex_id(id).then_some(id)
}

/// `podUID`, or `kubepods-QOS-podUID_WITH_UNDERSCORES.slice`, or static pods' 32 hex digits.
fn pod(part: &str) -> Option<String> {
    let uid = match part.strip_suffix(".slice") {
        Some(name) => name.strip_prefix("kubepods-").or_else(|| name.strip_prefix("kubelet-kubepods-"))?,
        None => part,
    };
    let uid = uid.strip_prefix("burstable-").or_else(|| uid.strip_prefix("besteffort-")).unwrap_or(uid);
    let uid = uid.strip_prefix("pod")?.replace('_', "-");
    is_pod_uid(&uid).then_some(uid)
}

fn is_pod_uid(uid: &str) -> bool {
    let digits = uid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let dashes = uid.bytes().filter(|byte| *byte == b'-').count();
    digits && ((uid.len() == 36 && dashes == 4) || (uid.len() == 32 && dashes == 0))
}

fn is_hex_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_unit(part: &str) -> bool {
    [".service", ".scope"].iter().any(|suffix| part.len() > suffix.len() && part.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::of;

    const ID: &str = "4d1c0b9b6c1f4a7e8b2d3c5e7f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70";
    const OUTER: &str = "aaaa0b9b6c1f4a7e8b2d3c5e7f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f70";
    const POD: &str = "8a4b1c2d-3e4f-5a6b-7c8d-9e0f1a2b3c4d";
    const POD_: &str = "8a4b1c2d_3e4f_5a6b_7c8d_9e0f1a2b3c4d";
    const STATIC: &str = "0123456789abcdef0123456789abcdef";

    /// `ID`, `POD` and so on in `path` stand for the constants; expectations are id, pod, unit.
    fn check(path: &str, expect: [&str; 3]) {
        let fill = |text: &str| {
            text.replace("{outer}", OUTER)
                .replace("{id}", ID)
                .replace("{pod}", POD)
                .replace("{pod_}", POD_)
                .replace("{static}", STATIC)
        };
        let found = of(&fill(path)).unwrap_or_default();
        let got = [found.id, found.pod, found.unit].map(Option::unwrap_or_default);
        assert_eq!(got, expect.map(fill), "{path}");
    }

    #[test]
    fn every_runtimes_path_is_read() {
        for (path, id, pod, unit) in [
            ("/docker/{id}", "{id}", "", ""),
            ("/docker/{id}/init", "{id}", "", ""),
            ("/system.slice/docker-{id}.scope", "{id}", "", "docker-{id}.scope"),
            ("/system.slice/docker.service", "", "", "docker.service"),
            ("/default/{id}", "{id}", "", ""),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod_}.slice/cri-containerd-{id}.scope",
                "{id}",
                "{pod}",
                "cri-containerd-{id}.scope",
            ),
            (
                "/kubepods.slice/kubepods-pod{pod_}.slice/crio-{id}.scope/container",
                "{id}",
                "{pod}",
                "crio-{id}.scope",
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{pod_}.slice/crio-conmon-{id}.scope",
                "",
                "{pod}",
                "crio-conmon-{id}.scope",
            ),
            ("/kubepods/burstable/pod{pod}/{id}", "{id}", "{pod}", ""),
            ("/kubepods/pod{pod}/{id}", "{id}", "{pod}", ""),
            ("/kubepods/besteffort/pod{pod}", "", "{pod}", ""),
            ("/kubepods/burstable/pod{static}/{id}", "{id}", "{static}", ""),
            ("/kubepods.slice/kubepods-burstable.slice", "", "", ""),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope/container",
                "{id}",
                "",
                "libpod-{id}.scope",
            ),
            ("/libpod_parent/libpod-{id}", "{id}", "", ""),
            (
                "/machine.slice/machine-libpod_pod_{outer}.slice/libpod-{id}.scope",
                "{id}",
                "",
                "libpod-{id}.scope",
            ),
            ("/machine.slice/libpod-conmon-{id}.scope", "", "", "libpod-conmon-{id}.scope"),
            // kind: a node is a Docker container, the pods are below its kubelet slice.
            (
                "/docker/{outer}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{pod_}.slice/cri-containerd-{id}.scope",
                "{id}",
                "{pod}",
                "cri-containerd-{id}.scope",
            ),
            (
                "/system.slice/docker-{outer}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{pod_}.slice",
                "",
                "{pod}",
                "docker-{outer}.scope",
            ),
            ("/docker/{outer}/kubelet/kubepods/burstable/pod{pod}/{id}", "{id}", "{pod}", ""),
            ("/lxc.payload.web", "web", "", ""),
            ("/lxc/web/init.scope", "web", "", "init.scope"),
            ("/lxc.monitor.web", "", "", ""),
            ("/machine.slice/machine-web.scope/payload", "web", "", "machine-web.scope"),
            ("/system.slice/system-openclaw.slice/openclaw@7.service", "", "", "openclaw@7.service"),
            ("/user.slice/user-0.slice/session-3.scope", "", "", "session-3.scope"),
            ("/agents/coder-1", "", "", ""),
            ("/", "", "", ""),
            ("", "", "", ""),
            ("/{id}", "", "", ""),
            ("/docker/{id}0", "", "", ""),
            ("/podagent/x", "", "", ""),
            ("/.service/.scope", "", "", ""),
        ] {
            check(path, [id, pod, unit]);
        }
    }
}
