//! GPUs: the real `nvml-wrapper` against a library that answers like NVML, through the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use detector_tests::cgroup::Cgroup;
use detector_tests::detector::{Detector, JsonLines};
use detector_tests::needs_root;
use detector_tests::trigger::{self, program};
use detector_tests::wait::{LIMIT, wait_for};
use serde_json::{Value, json};

use crate::cli::{Ended, detector, end};

/// How long a shape takes to show, with time to spare.
const SHAPE: Duration = Duration::from_secs(60);

/// `NVML_ERROR_DRIVER_NOT_LOADED`, `NVML_ERROR_NOT_SUPPORTED`, `NVML_ERROR_GPU_IS_LOST`.
const NO_DRIVER: u32 = 9;
const NOT_SUPPORTED: u32 = 3;
const LOST: u32 = 15;

/// A scenario, a configuration that watches the groups `agent-*`, and where alerts go.
struct Stage {
    place: tempfile::TempDir,
    group: Cgroup,
}

impl Stage {
    fn new(name: &str) -> Self {
        let stage = Self { place: tempfile::tempdir().unwrap(), group: Cgroup::create(name).unwrap() };
        let text = format!(
            "[[agent]]\nname = \"coder\"\ncgroup = \"{}/agent-*\"\n\n[sinks.file]\npath = \"{}\"\n\n\
             [tasks]\nsocket = \"{}\"\n[telemetry.gpu]\ninterval = \"500ms\"\nlibrary = \"{}\"\n",
            stage.group.below_mount(),
            stage.path("alerts.jsonl").display(),
            stage.path("tasks.sock").display(),
            library().display(),
        );
        fs::write(stage.path("config.toml"), text).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// What the library says from now on.
    fn plays(&self, scenario: &Value) {
        plays(self.place.path(), scenario);
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = detector(words);
        command.arg("--config").arg(self.path("config.toml")).env("FAKE_NVML", self.path("scenario.json"));
        command
    }

    fn start(&self) -> Detector {
        let mut detector = Detector::start(self.command(&["run"])).unwrap();
        detector.wait_for_log(" watching ").unwrap();
        detector
    }

    fn alert(&self, what: &str, limit: Duration, is_it: impl Fn(&Value) -> bool) -> Value {
        JsonLines::follow(&self.path("alerts.jsonl")).wait_for(what, limit, is_it).unwrap()
    }

    /// That something is detected while telemetry has trouble; the alert.
    fn detects(&self, agent: &Cgroup) -> Value {
        let said = trigger::run(agent, &["exec-memfd"]).unwrap();
        self.alert("an alert about a program in memory", LIMIT, |alert| {
            is_of(alert, "execution/memfd.yml") && alert["process"]["pid"] == said["pid"]
        })
    }
}

/// Where the library is, as cargo built it.
fn library() -> PathBuf {
    program("libfake_nvml.so").unwrap()
}

fn plays(place: &Path, scenario: &Value) {
    let draft = place.join("draft.json");
    fs::write(&draft, scenario.to_string()).unwrap();
    fs::rename(draft, place.join("scenario.json")).unwrap();
}

fn is_of(alert: &Value, rule: &str) -> bool {
    alert["rule"]["file"] == format!("rules/{rule}")
}

/// A process that stays; dropped, it ends.
struct Stays(Child);

impl Stays {
    fn inside(group: &Cgroup) -> Self {
        Self::running(group, Path::new("sleep"))
    }

    /// A copy of `sleep`, or itself.
    fn running(group: &Cgroup, program: &Path) -> Self {
        let mut command = Command::new(program);
        command.arg("600").stdin(Stdio::null());
        Self(group.hold(&mut command).unwrap().spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn idle() -> Value {
    json!({ "name": "NVIDIA H100 80GB HBM3" })
}

/// A device that mines a coin for which memory does not matter.
fn core_bound(pid: u32) -> Value {
    json!({
        "name": "NVIDIA H100 80GB HBM3", "utilization": 100, "memory_utilization": 3, "power": [351_000, 353_000],
        "memory_clock": 810, "sm_clock": 1_900, "memory_used": 900_000_000, "pcie_received": 12, "pcie_sent": 3,
        "processes": [{ "pid": pid, "memory": 700_000_000, "sm": 100, "memory_utilization": 3 }],
    })
}

/// A device that trains: data comes, the cores work, parameters are updated.
fn training(pid: u32) -> Value {
    json!({
        "name": "NVIDIA H100 80GB HBM3", "utilization": [100, 85, 100, 100], "memory_utilization": [60, 35, 55, 70],
        "power": [640_000, 320_000, 600_000, 450_000], "memory_used": 60_000_000_000_u64, "sm_clock": 1_900,
        "pcie_received": [2_000, 900_000, 1_000, 20_000], "pcie_sent": 1_000,
        "processes": [{ "pid": pid, "memory": 59_000_000_000_u64, "sm": [100, 85, 100, 100], "memory_utilization": 50 }],
    })
}

/// A device that mines a coin which waits for memory.
fn memory_bound(pid: u32) -> Value {
    json!({
        "name": "NVIDIA H100 80GB HBM3", "utilization": 100, "memory_utilization": 99, "power": [310_000, 311_000],
        "sm_clock": 1_700, "memory_used": 6_500_000_000_u64, "pcie_received": 20, "pcie_sent": 8,
        "processes": [{ "pid": pid, "memory": 6_300_000_000_u64, "sm": 100, "memory_utilization": 99 }],
    })
}

/// A device that answers requests, as they come.
fn inference(pid: u32) -> Value {
    json!({
        "name": "NVIDIA H100 80GB HBM3", "utilization": [0, 90, 35, 0, 100], "memory_utilization": [0, 70, 30, 0, 80],
        "power": [120_000, 500_000, 300_000, 115_000, 560_000], "memory_used": 40_000_000_000_u64,
        "pcie_received": [50, 9_000, 3_000, 40, 12_000], "pcie_sent": [20, 4_000, 1_000, 20, 5_000],
        "processes": [{ "pid": pid, "memory": 39_000_000_000_u64, "sm": [0, 90, 35, 0, 100], "memory_utilization": 40 }],
    })
}

fn said(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn devices_parts_and_processes_are_shown_and_whose_they_are() {
    needs_root!();
    let stage = Stage::new("gpu-show");
    let agent = stage.group.child("agent-1").unwrap();
    let inner = agent.child("inner").unwrap();
    let (mine, other) = (Stays::inside(&inner), Stays::inside(&stage.group));
    let mut devices = vec![idle(); 8];
    devices[0] = core_bound(mine.pid());
    devices[6] = json!({
        "pcie_counters": false, "utilization": 40, "pcie_received": 7_000,
        "processes": [{ "pid": other.pid(), "memory": null, "sm": 40 }, { "pid": 4_000_000, "sm": 3 }],
    });
    devices[7] = json!({
        "mig": [
            { "gpu_instance": 1, "compute_instance": 0, "memory_used": 5_000_000, "memory_total": 10_000_000,
              "processes": [{ "pid": mine.pid(), "memory": 4_000_000 }] },
            { "gpu_instance": 2, "compute_instance": 0, "memory_total": 10_000_000 },
        ],
    });
    stage.plays(&json!({ "driver": "570.86.15", "devices": devices }));
    let report = said(&end(&mut stage.command(&["gpu", "--json"])));
    assert_eq!(report["driver"], "570.86.15");
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 10);
    assert_eq!((&devices[0]["utilization"], &devices[0]["memory_clock"]), (&json!(100), &json!(810)));
    // Two readings a second apart.
    let energy = devices[0]["energy"].as_u64().unwrap();
    assert!((300_000..3_000_000).contains(&energy), "{energy} mJ");
    assert_eq!(devices[6]["pcie_received"], 7_000_000);
    assert_eq!((&devices[7]["mig"], &devices[7]["utilization"]), (&json!(true), &Value::Null));
    assert_eq!((&devices[8]["instance"], &devices[9]["instance"]), (&json!([1, 0]), &json!([2, 0])));
    assert_eq!(devices[8]["memory_used"], 5_000_000);
    let users = report["processes"].as_array().unwrap();
    let of = |device: u32| users.iter().filter(|user| user["device"] == device).collect::<Vec<_>>();
    assert_eq!((&of(0)[0]["agent"], &of(0)[0]["sm"]), (&json!("coder"), &json!(100)));
    assert_eq!((&of(8)[0]["pid"], &of(8)[0]["sm"]), (&json!(mine.pid()), &Value::Null));
    let unknown = of(6);
    assert_eq!((&unknown[0]["agent"], &unknown[0]["command"]), (&Value::Null, &json!("sleep 600")));
    assert_eq!((&unknown[0]["memory"], &unknown[1]["command"]), (&Value::Null, &Value::Null));
    let gaps = report["gaps"].to_string();
    assert!(gaps.contains("GPU 7 is split by MIG into 2"), "{gaps}");

    let page = end(&mut stage.command(&["gpu"])).stdout;
    assert!(page.contains("agent coder: sleep 600") && page.contains("7.1.0"), "{page}");
}

#[test]
fn without_nvml_the_remedy_is_one_line_and_the_status_two() {
    let missing = end(detector(&["gpu"]).env("DETECTOR_NVML", "/nonexistent/libnvidia-ml.so.1"));
    assert_eq!((missing.code, missing.stdout.as_str()), (Some(2), ""));
    assert_eq!(missing.stderr.lines().count(), 1, "{}", missing.stderr);
    assert!(missing.stderr.contains("/nonexistent/libnvidia-ml.so.1 cannot be loaded"), "{}", missing.stderr);
    assert!(missing.stderr.contains("`[telemetry.gpu] library`"), "{}", missing.stderr);

    let place = tempfile::tempdir().unwrap();
    plays(place.path(), &json!({ "errors": { "nvmlInit_v2": NO_DRIVER } }));
    let fake = |words: &[&str]| {
        let mut command = detector(words);
        command.env("DETECTOR_NVML", library()).env("FAKE_NVML", place.path().join("scenario.json"));
        end(&mut command)
    };
    let refused = fake(&["gpu", "--json"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("NVML does not start: NVIDIA driver is not loaded"),
        "{}",
        refused.stderr
    );
    let check = |report: &Value| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "GPUs").unwrap().clone()
    };
    let doctor = |ended: Ended| check(&serde_json::from_str(&ended.stdout).unwrap());
    let without = doctor(fake(&["doctor", "--json"]));
    assert_eq!((&without["met"], &without["needed"]), (&json!(false), &json!(false)));
    plays(
        place.path(),
        &json!({ "driver": "999.1", "devices": [idle(), idle(), { "name": "L4", "mig": [{}] }] }),
    );
    let with = doctor(fake(&["doctor", "--json"]));
    assert_eq!(with["met"], true);
    let detail = with["detail"].as_str().unwrap();
    let wanted = "driver 999.1: 2 x NVIDIA H100 80GB HBM3, 1 x L4, 1 split by MIG into 1; ";
    assert!(detail.starts_with(wanted), "{detail}");
}

#[test]
fn what_one_device_does_not_tell_is_a_gap_and_the_rest_is_measured() {
    let place = tempfile::tempdir().unwrap();
    let scenario = json!({
        "devices": [idle(), idle(), idle()],
        "errors": {
            "nvmlDeviceGetPowerUsage": NOT_SUPPORTED,
            "nvmlDeviceGetProcessUtilization@0": NOT_SUPPORTED,
            "nvmlDeviceGetMemoryInfo_v2@2": LOST,
        },
    });
    plays(place.path(), &scenario);
    let mut command = detector(&["gpu", "--json"]);
    command.env("DETECTOR_NVML", library()).env("FAKE_NVML", place.path().join("scenario.json"));
    let report = said(&end(&mut command));
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    assert_eq!((&devices[0]["power"], &devices[0]["temperature"]), (&Value::Null, &json!(35)));
    let gaps: Vec<&str> = report["gaps"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let begins = |start: &str| gaps.iter().any(|gap| gap.starts_with(start));
    assert!(begins("no power of GPU 0, 1: "), "{gaps:#?}");
    assert!(begins("no use by process of GPU 0: "), "{gaps:#?}");
    assert!(begins("GPU 2 is not measured: device fell off the bus"), "{gaps:#?}");
}

#[test]
fn a_miner_on_a_gpu_is_told_training_is_not_and_eight_devices_cost_little() {
    needs_root!();
    let stage = Stage::new("gpu-miner");
    let agent = stage.group.child("agent-1").unwrap();
    let (miner, trainer) = (Stays::inside(&agent), Stays::inside(&agent));
    let mut devices = vec![idle(); 8];
    devices[0] = core_bound(miner.pid());
    devices[5] = training(trainer.pid());
    stage.plays(&json!({ "step_ms": 1_000, "devices": devices }));
    let mut running = stage.start();
    running.wait_for_log("GPUs are measured").unwrap();
    let begun = Instant::now();
    let alert =
        stage.alert("an alert about the miner", SHAPE, |alert| is_of(alert, "mining/gpu_mining_shape.yml"));
    println!("the miner was told after {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!((&alert["process"]["pid"], &alert["agent"]["name"]), (&json!(miner.pid()), &json!("coder")));
    assert_eq!(alert["level"], "medium");
    stage.alert("a note about the training", SHAPE, |alert| {
        is_of(alert, "mining/gpu_busy_untasked.yml") && alert["process"]["pid"] == trainer.pid()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let spent = spent(running.pid());
    println!(
        "threads of GPU telemetry: {:.3} % of a processor for 8 GPUs, two samples a second, debug build, fake NVML included",
        spent.as_secs_f64() / seconds * 100.0
    );
    // Ten times the budget, since this is a debug build at twice the pace on a machine that others use.
    assert!(spent.as_secs_f64() < 0.03 * seconds, "{spent:?} in {seconds} s");
    assert!(running.stop().unwrap().success());
    let all = fs::read_to_string(stage.path("alerts.jsonl")).unwrap();
    for alert in all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let of_trainer = alert["process"]["pid"] == trainer.pid();
        assert!(!of_trainer || alert["level"] == "low" || alert["level"] == "informational", "{alert:#}");
    }
}

#[test]
fn where_tasks_are_registered_each_miner_is_told_and_declared_work_is_not() {
    needs_root!();
    let stage = Stage::new("gpu-tasks");
    let agent = stage.group.child("agent-1").unwrap();
    let program = |name: &str| {
        let copy = stage.path(name);
        fs::copy("/bin/sleep", &copy).unwrap();
        Stays::running(&agent, &copy)
    };
    let (memory, core) = (program("indexer"), program("helper"));
    let (trains, serves, idles) = (program("model-train"), program("model-serve"), program("model-idle"));
    let holds = json!({
        "name": "NVIDIA H100 80GB HBM3", "memory_used": 500_000_000,
        "processes": [{ "pid": idles.pid(), "memory": 400_000_000, "sm": 0 }],
    });
    let devices = [
        memory_bound(memory.pid()),
        core_bound(core.pid()),
        training(trains.pid()),
        inference(serves.pid()),
        holds,
    ];
    stage.plays(&json!({ "step_ms": 700, "devices": devices }));
    let mut running = stage.start();
    running.wait_for_log("GPUs are measured").unwrap();
    let mut task = detector(&["task", "start", "--agent", "coder", "--expect", "gpu", "--exe", "model-*"]);
    task.arg("--socket").arg(stage.path("tasks.sock"));
    assert_eq!(end(&mut task).code, Some(0));
    for (miner, level) in [(&memory, "medium"), (&core, "high")] {
        stage.alert("an alert about each miner", SHAPE, |alert| {
            alert["process"]["pid"] == miner.pid()
                && alert["rule"]["file"].as_str().unwrap().starts_with("rules/mining/gpu_mining_")
                && alert["level"] == level
        });
    }
    assert!(running.stop().unwrap().success());
    let all = fs::read_to_string(stage.path("alerts.jsonl")).unwrap();
    for alert in all.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let declared = [&trains, &serves, &idles].iter().any(|one| alert["process"]["pid"] == one.pid());
        let quiet = ["low", "informational"].iter().any(|level| alert["level"] == *level);
        assert!(!declared || quiet, "{alert:#}");
    }
}

/// Time on processors of the threads that measure GPUs.
fn spent(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
    let is_gpus = |thread: &PathBuf| fs::read_to_string(thread.join("comm")).unwrap().starts_with("gpu");
    let spent = |thread: PathBuf| -> u64 {
        let times = fs::read_to_string(thread.join("schedstat")).unwrap();
        times.split(' ').next().unwrap().parse().unwrap()
    };
    Duration::from_nanos(threads.filter(is_gpus).map(spent).sum())
}

#[test]
fn a_driver_that_goes_and_comes_back_is_said_once_each_and_nothing_else_stops() {
    needs_root!();
    let stage = Stage::new("gpu-driver");
    let agent = stage.group.child("agent-1").unwrap();
    let works = json!({ "devices": [idle(), idle()] });
    let gone = json!({ "errors": { "*": NO_DRIVER } });
    stage.plays(&gone);
    let mut running = stage.start();
    running.wait_for_log("GPUs are not measured").unwrap();
    stage.plays(&works);
    running.wait_for_log("GPUs are measured again").unwrap();
    stage.plays(&gone);
    let told = |running: &Detector| running.log().matches("GPUs are not measured").count();
    wait_for("the loss in the log", LIMIT, || Ok((told(&running) == 2).then_some(()))).unwrap();
    // The gap reaches the core with the next tick, and it stays while the driver is gone.
    let gap = |alert: &Value| alert["coverage"]["gaps"].to_string();
    wait_for("the gap in an alert", LIMIT, || {
        Ok(gap(&stage.detects(&agent)).contains("GPUs are not measured: NVML").then_some(()))
    })
    .unwrap();
    stage.plays(&works);
    let back = |running: &Detector| running.log().matches("GPUs are measured again").count();
    wait_for("the return in the log", LIMIT, || Ok((back(&running) == 2).then_some(()))).unwrap();
    wait_for("an alert without the gap", LIMIT, || {
        let gaps = gap(&stage.detects(&agent));
        assert!(gaps.contains("not seen"), "gaps of the sensor stay: {gaps}");
        Ok((!gaps.contains("GPUs")).then_some(()))
    })
    .unwrap();
    assert_eq!((told(&running), back(&running)), (2, 2), "{}", running.log());
    assert!(running.stop().unwrap().success());
}

#[test]
fn a_call_that_hangs_is_said_once_and_neither_detection_nor_the_end_waits_for_it() {
    needs_root!();
    let stage = Stage::new("gpu-hang");
    let agent = stage.group.child("agent-1").unwrap();
    stage.plays(&json!({ "devices": [idle()] }));
    let mut running = stage.start();
    running.wait_for_log("GPUs are measured").unwrap();
    stage.plays(&json!({ "devices": [idle()], "hang": ["nvmlDeviceGetUtilizationRates"] }));
    let before = Instant::now();
    stage.detects(&agent);
    assert!(before.elapsed() < Duration::from_secs(9), "detection waited for {:?}", before.elapsed());
    running.wait_for_log("NVML does not return").unwrap();
    wait_for("the gap in an alert", LIMIT, || {
        let gaps = stage.detects(&agent)["coverage"]["gaps"].to_string();
        Ok(gaps.contains("a call of NVML does not return").then_some(()))
    })
    .unwrap();
    assert_eq!(running.log().matches("NVML does not return").count(), 1);
    let stopping = Instant::now();
    assert!(running.stop().unwrap().success());
    println!("stopped within {:?} while a call hung", stopping.elapsed());
    assert!(stopping.elapsed() < Duration::from_secs(3), "{:?}", stopping.elapsed());
}
