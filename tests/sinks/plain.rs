//! What tests of sinks that do not speak HTTP share: opening a sink from its configuration, free ports, certificates,
//! programs in a mount namespace of their own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use detector::sinks::{Kind, Sink};

use crate::http::client;

/// The sink of a `[sinks.x]` table that is its own part alone, checked as the configuration does it.
pub(crate) fn open<K: Kind>(config: &str) -> Box<dyn Sink> {
    let kind: K = toml::from_str(config).unwrap();
    assert_eq!(kind.check(), Ok(()), "{config}");
    kind.open("under test", &client()).unwrap()
}

/// Whether a program is on this machine.
pub(crate) fn has(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

/// Ports of loopback on which nobody listens now.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    let held: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    std::array::from_fn(|at| held[at].local_addr().unwrap().port())
}

/// Whether somebody listens on this port of loopback.
pub(crate) fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A shell script that runs with mounts of its own, which end with it; what it `exec`s has the process id of the
/// command.
pub(crate) fn with_own_mounts(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]);
    command
}

/// Makes an executable file.
pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// An authority of the test and a certificate by it for `localhost` and 127.0.0.1, as PEM files.
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes them in a directory that is there.
    pub(crate) fn create(directory: &Path) -> Self {
        let script = "
            new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
            openssl req -x509 $new -keyout ca.key -out ca.pem -subj '/CN=detector test authority' -days 2
            openssl req $new -keyout key.pem -out request.pem -subj '/CN=localhost'
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > names
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
                -out certificate.pem
            chmod 644 key.pem";
        let made = Command::new("sh").args(["-ec", script]).current_dir(directory).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self {
            ca: directory.join("ca.pem"),
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
        }
    }
}

/// Whether mount namespaces can be made here.
pub(crate) fn can_mount() -> bool {
    let tried = with_own_mounts("mount -t tmpfs none /mnt").stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}
