//! Requests to service managers: none runs here, so that the clients fail, but what they were asked for is
//! told; sockets and control groups of managers are played by the tests.

use super::*;

/// The alert of a rule file from below `rules/persistence/`.
#[track_caller]
fn of<'a>(alerts: &'a [Value], rule: &str, level: &str) -> &'a Value {
    let wanted = format!("rules/persistence/{rule}.yml");
    let found = alerts.iter().find(|alert| alert["rule"]["file"] == wanted.as_str());
    let found = found.unwrap_or_else(|| panic!("no alert of {rule} in {alerts:#?}"));
    assert_eq!(found["level"], level);
    found
}

#[test]
fn a_container_with_the_host_in_its_hands_is_high_and_another_low() {
    needs_root!();
    if !has("docker") {
        skip!("no docker client");
    }
    let none = "export DOCKER_HOST=unix://$PWD/none.sock";
    let left = leaves(&format!("{none}; docker run -d --pid=host -v /:/host alpine sh || true"));
    let alert = of(&left.alerts, "request_container_of_host", "high");
    assert!(text(alert).contains("host_root"), "{}", text(alert));
    let left = leaves(&format!("{none}; docker run -d alpine || true; docker ps || true"));
    of(&left.alerts, "request_container", "low");
    assert_eq!(
        left.alerts.iter().filter(|alert| alert["evidence"][0]["kind"] == "service_request").count(),
        1
    );
}

#[test]
fn a_command_handed_to_systemd_is_told() {
    needs_root!();
    if !has("systemd-run") {
        skip!("no systemd-run");
    }
    let left = leaves("systemd-run --on-active=60 sleep 60 || true; systemctl status x || true");
    let alert = of(&left.alerts, "request_systemd", "medium");
    assert!(text(alert).contains("asks systemd to run (timer): sleep 60"), "{}", text(alert));
    assert_eq!(left.alerts.len(), 1, "{:#?}", left.alerts);
}

#[test]
fn a_socket_of_a_container_engine_is_known_by_its_owner_whatever_the_caller_calls_it() {
    needs_root!();
    let service = Service::at("engine");
    let place = place();
    let link = place.path().join("harmless");
    std::os::unix::fs::symlink(&service.directory, &link).unwrap();
    let left = leaves_in(
        place,
        &[],
        "/usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect(\"harmless/docker.sock\")'",
    );
    let alert = of(&left.alerts, "request_socket", "medium");
    let name = service.directory.join("docker.sock");
    assert!(text(alert).contains(name.to_str().unwrap()), "{}", text(alert));
}

#[test]
fn what_a_manager_starts_is_tied_to_the_agent_that_asked() {
    needs_root!();
    if !has("systemd-run") {
        skip!("no systemd-run");
    }
    let place = place();
    let (file, done) = (place.path().join("alerts.jsonl"), place.path().join("done"));
    let unit = Unit::name(1);
    let script = format!(
        "exec > /dev/null 2>&1; systemd-run --unit={unit} sleep 60; until [ -e {} ]; do sleep 0.05; done",
        done.display()
    );
    let mut wrap = Detector::wrap("daemon", &file, &["bash", "-c", &script]).unwrap();
    let mut lines = JsonLines::follow(&file);
    let is = |rule: &'static str| move |alert: &Value| alert["rule"]["file"] == rule;
    let asked = lines.wait_for("the request", LIMIT, is("rules/persistence/request_systemd.yml")).unwrap();
    let _unit = Unit::make(&unit);
    let started = lines.wait_for("the unit", LIMIT, is("rules/persistence/service_started.yml")).unwrap();
    assert_eq!(started["process"]["pid"], asked["process"]["pid"]);
    assert_eq!(started["agent"]["name"], "daemon");
    assert!(text(&started).contains(&format!("in /{unit} (tied by name)")), "{}", text(&started));
    fs::write(done, "").unwrap();
    assert!(wrap.wait(LIMIT).unwrap().success(), "{}", wrap.log());
}
