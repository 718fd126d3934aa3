//! Command lines of managers' clients, and what they ask for.

use super::*;

fn line(line: &str) -> Option<Asked> {
    let argv: Vec<Box<str>> = line.split(' ').map(Into::into).collect();
    let exe = format!("/usr/bin/{}", argv[0]);
    asked(&Exec { exe: exe.into(), argv, ..Exec::default() })
}

fn check(text: &str, manager: &str, verb: &str, what: &str, options: &[&str]) {
    let asked = line(text).unwrap_or_else(|| panic!("{text}"));
    assert_eq!((asked.manager, &*asked.verb, &*asked.what), (manager, verb, what), "{text}");
    assert_eq!(asked.options, options, "{text}");
}

#[test]
fn systemd_is_asked_to_run() {
    check("systemd-run sleep 60", "systemd", "run", "sleep 60", &[]);
    check("systemd-run --user -u x.service -p A=b -- sh -c x", "systemd", "run", "sh -c x", &["user"]);
    check("systemd-run --on-calendar=daily --on-boot 5 /x -d", "systemd", "run", "/x -d", &["timer"]);
    assert_eq!(line("systemd-run --unit=x sleep 1").unwrap().unit.as_deref(), Some("x"));
    check("systemctl --now enable x.service", "systemd", "enable", "x.service", &["now"]);
    check("systemctl start a b --user", "systemd", "start", "a b", &["user"]);
    check(
        "busctl call org.freedesktop.systemd1 /o org.freedesktop.systemd1.Manager StartUnit ss a b",
        "systemd",
        "StartUnit",
        "call org.freedesktop.systemd1 /o org.freedesktop.systemd1.Manager StartUnit ss a b",
        &[],
    );
    check(
        "dbus-send --system --dest=org.x /p org.x.I.Do string:a",
        "dbus",
        "Do",
        "/p org.x.I.Do string:a",
        &[],
    );
    check(
        "gdbus call --system --dest org.freedesktop.systemd1 --object-path /o --method a.b.StartTransientUnit",
        "systemd",
        "StartTransientUnit",
        "call org.freedesktop.systemd1 /o a.b.StartTransientUnit",
        &[],
    );
    check("machinectl shell .host /bin/sh", "machined", "shell", ".host /bin/sh", &[]);
}

#[test]
fn containers_and_what_they_get_of_the_host() {
    check("docker run --rm -it alpine sh", "docker", "run", "alpine sh", &[]);
    check("docker run -d --name x -p 80:80 nginx", "docker", "run", "nginx", &["detached"]);
    check("docker run -itd nginx", "docker", "run", "nginx", &["detached"]);
    check(
        "docker -H unix:///x run -v /:/host -it alpine chroot /host",
        "docker",
        "run",
        "alpine chroot /host",
        &["host_root"],
    );
    check("docker run -v/:/host alpine", "docker", "run", "alpine", &["host_root"]);
    check(
        "docker run --privileged --pid=host --net host a",
        "docker",
        "run",
        "a",
        &["privileged", "host_pid", "host_network"],
    );
    check("docker run --mount type=bind,source=/etc,target=/x a b", "docker", "run", "a b", &["host_system"]);
    check("docker run -v /var/run/docker.sock:/s a", "docker", "run", "a", &["engine_socket"]);
    check("docker run -v /work/src:/src -e A=b -w /src node npm test", "docker", "run", "node npm test", &[]);
    check(
        "docker run --restart=always --cap-add SYS_ADMIN a",
        "docker",
        "run",
        "a",
        &["restart", "capabilities"],
    );
    check("docker run --privileged=false --restart no a", "docker", "run", "a", &[]);
    check("docker compose -f x.yml up -d", "docker", "up", "", &["detached"]);
    check("docker exec -it web sh", "docker", "exec", "web sh", &[]);
    check("podman container run a", "podman", "run", "a", &[]);
    check("nerdctl run -d a", "containerd", "run", "a", &["detached"]);
    check(
        "ctr -n x run --privileged --mount type=bind,src=/,dst=/h,options=rbind:rw img id sh",
        "containerd",
        "run",
        "type=bind,src=/,dst=/h,options=rbind:rw img id sh",
        &["privileged", "host_root"],
    );
    check(
        "kubectl -n x run p --image=a --overrides={\"spec\":{\"hostPID\":true}}",
        "kubernetes",
        "run",
        "p",
        &["host_pid"],
    );
}

#[test]
fn schedules_are_requests() {
    check("at now + 1 minute", "at", "run", "now + 1 minute", &[]);
    check("crontab /tmp/x", "cron", "edit", "/tmp/x", &[]);
    check("crontab -r", "cron", "remove", "-r", &[]);
}

#[test]
fn questions_are_no_requests() {
    for text in [
        "docker ps -a",
        "docker build .",
        "docker",
        "docker -v",
        "docker compose ps",
        "systemctl status x",
        "systemctl",
        "crontab -l",
        "at -l",
        "busctl list",
        "busctl",
        "dbus-send",
        "kubectl get pods",
        "machinectl list",
        "ctr images ls",
        "ls run",
    ] {
        assert_eq!(line(text), None, "{text}");
    }
}
