//! The local socket: requests of `detector task` and of whoever speaks the same JSON.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::registry::{Peer, Registry};
use super::request::Reply;
use super::{Ear, directory};
use crate::kernel::{clock, proc};

/// Most bytes of a request.
const LINE: u64 = 64 << 10;
/// Most connections at once.
const CONNECTIONS: usize = 64;
/// How long a connection may say nothing.
const IDLE: Duration = Duration::from_secs(30);

/// Binds, if there is a path; what fails is said.
pub(super) async fn open(path: Option<PathBuf>) -> Option<(UnixListener, Place)> {
    let path = path?;
    match bind(&path).await {
        Ok(bound) => {
            tracing::info!(path = %path.display(), "tasks are heard");
            Some(bound)
        }
        Err(error) => {
            let path = path.display();
            tracing::warn!(%path, %error, "tasks are not heard; name a path of its own under [tasks] socket");
            None
        }
    }
}

/// Serves what was bound, until it is dropped.
pub(super) async fn serve(bound: Option<(UnixListener, Place)>, ear: Ear) {
    let Some((listener, _place)) = bound else { return };
    let registry = Arc::new(Mutex::new(Registry::default()));
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (registry, ear) = (registry.clone(), ear.clone());
        tokio::spawn(async move {
            if let Err(error) = talk(stream, &registry, &ear).await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
}

/// The socket's file, removed at the end if it is still ours.
pub(super) struct Place {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Place {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds, in place of a socket that nobody listens at any more.
async fn bind(path: &Path) -> io::Result<(UnixListener, Place)> {
    let above = directory(path);
    if !above.exists() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    if let Ok(known) = std::fs::symlink_metadata(path) {
        use std::os::unix::fs::FileTypeExt as _;
        if !known.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there"));
        }
        if UnixStream::connect(path).await.is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another detector listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // Until this holds, each peer's user is asked for all the same.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    let place = Place { path: path.to_owned(), inode: identity(path)? };
    Ok((listener, place))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

async fn talk(stream: UnixStream, registry: &Mutex<Registry>, ear: &Ear) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (reader, mut writer) = stream.into_split();
    let own = rustix::process::geteuid().as_raw();
    if peer.uid() != 0 && peer.uid() != own {
        let reply = Reply::refused("only root and the user that the detector runs as may ask");
        return writer.write_all(&line(&reply)?).await;
    }
    let who = who(peer.pid(), ear);
    let mut reader = BufReader::new(reader);
    loop {
        let mut asked = Vec::new();
        let mut bounded = (&mut reader).take(LINE);
        let Ok(read) = timeout(IDLE, bounded.read_until(b'\n', &mut asked)).await else { return Ok(()) };
        if read? == 0 {
            return Ok(());
        }
        if !asked.ends_with(b"\n") && u64::try_from(asked.len()).is_ok_and(|len| len >= LINE) {
            let reply = Reply::refused(format!("a request has at most {LINE} bytes"));
            return writer.write_all(&line(&reply)?).await;
        }
        let reply = match (serde_json::from_slice(&asked), &who) {
            (Err(error), _) => Reply::refused(format!("this is no request: {error}")),
            (Ok(_), None) => Reply::refused("who asks has ended, or its control group cannot be read"),
            (Ok(request), Some(who)) => registry.lock().unwrap_or_else(PoisonError::into_inner).answer(
                request,
                who,
                clock::now(),
                ear,
            ),
        };
        writer.write_all(&line(&reply)?).await?;
    }
}

/// Whether a peer is of an agent; `None` where that cannot be told.
fn who(pid: Option<i32>, ear: &Ear) -> Option<Peer> {
    let cgroup = proc::cgroup(u32::try_from(pid?).ok()?)?;
    Some(match ear.agents.agent_at(&cgroup) {
        Some(agent) => Peer::Agent(agent),
        None => Peer::Operator,
    })
}

fn line(reply: &Reply) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(line)
}
