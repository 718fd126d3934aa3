//! The kernels of other machines: which there are, and fetching each once into the user's cache.
//!
//! They are Debian's packages for clouds, whose drivers for a virtual machine are built in. apt fetches and
//! checks them with a state of its own: neither the machine's sources nor what it has installed is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::KEYRING;
use crate::shell::{output, step, which};

/// Where packages are from, when this machine's own apt names no Debian.
const DEBIAN: &str = "http://deb.debian.org/debian/";
const SECURITY: &str = "http://deb.debian.org/debian-security/";

/// A kernel that tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// As one asks for it.
    pub(crate) name: &'static str,
    /// Which archive, and which suite of it.
    archive: Archive,
    suite: &'static str,
    /// Pattern of its package's name; of several, the newest is taken.
    package: &'static str,
    /// Whether `ci` runs on it. The newest changes with the day, and a change must not fail by the day.
    pub(crate) in_ci: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Debian,
    Security,
}

/// Every kernel, oldest first.
pub(crate) const KERNELS: &[Kernel] = &[
    Kernel {
        name: "5.10",
        archive: Archive::Security,
        suite: "bullseye-security",
        package: r"^linux-image-5\.10\.0-[0-9]+-cloud-amd64$",
        in_ci: true,
    },
    Kernel {
        name: "6.1",
        archive: Archive::Security,
        suite: "bookworm-security",
        package: r"^linux-image-6\.1\.0-[0-9]+-cloud-amd64$",
        in_ci: true,
    },
    Kernel {
        name: "6.12",
        archive: Archive::Security,
        suite: "trixie-security",
        package: r"^linux-image-6\.12\.[0-9.]+\+deb13[0-9.]*-cloud-amd64$",
        in_ci: true,
    },
    Kernel {
        name: "newest",
        archive: Archive::Debian,
        suite: "trixie-backports",
        package: r"^linux-binary-[0-9.]+\+deb13[0-9.]*-cloud-amd64$",
        in_ci: false,
    },
];

impl Kernel {
    /// The kernel of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
        let found = KERNELS.iter().find(|kernel| kernel.name == name).copied();
        found.with_context(|| format!("no kernel {name} is known; there are {}", names.join(", ")))
    }

    /// Its image, if it was fetched before.
    pub(crate) fn cached(self) -> Result<Option<PathBuf>> {
        let image = cache()?.join(self.name).join("vmlinuz");
        Ok(image.is_file().then_some(image))
    }

    /// The package that the cached image is from.
    pub(crate) fn origin(self) -> Result<String> {
        Ok(fs::read_to_string(cache()?.join(self.name).join("package")).unwrap_or_default().trim().to_owned())
    }
}

/// Fetches those that are not in the cache.
pub(crate) fn ensure(kernels: &[Kernel]) -> Result<()> {
    let mut missing = vec![];
    for kernel in kernels {
        if kernel.cached()?.is_none() {
            missing.push(*kernel);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        if which(program).is_none() {
            bail!(
                "{program} is missing, which fetches kernels from Debian's archive; where apt cannot be had, copy \
                 {} from a machine that has it",
                cache()?.display()
            );
        }
    }
    let place = cache()?;
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let scratch = tempfile::tempdir_in(&place).context("cannot make a directory in the cache")?;
    let apt = Apt::new(scratch.path(), &missing)?;
    let names: Vec<&str> = missing.iter().map(|kernel| kernel.name).collect();
    step(&format!("fetching Debian's kernels {} into {}", names.join(", "), place.display()));
    for kernel in missing {
        fetch(&apt, kernel, scratch.path())
            .with_context(|| format!("cannot fetch the kernel {}", kernel.name))?;
    }
    Ok(())
}

fn fetch(apt: &Apt, kernel: Kernel, scratch: &Path) -> Result<()> {
    let listed = output(apt.command("apt-cache").args(["search", "--names-only", kernel.package]))?;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let package = names
        .max_by_key(|name| numbers(name))
        .with_context(|| format!("{} has no package {}", kernel.suite, kernel.package))?;
    let place = scratch.join(kernel.name);
    fs::create_dir(&place)?;
    output(apt.command("apt-get").args(["download", package]).current_dir(&place))?;
    let file = fs::read_dir(&place)?.next().context("apt-get downloaded nothing")??.path();
    let tree = place.join("tree");
    output(Command::new("dpkg-deb").arg("-x").args([&file, &tree]))?;
    let image = find_image(&tree)?.with_context(|| format!("{package} holds no kernel image"))?;
    fs::rename(image, place.join("vmlinuz"))?;
    let version = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(place.join("package"), version)?;
    fs::remove_dir_all(&tree)?;
    fs::remove_file(&file)?;
    // Whole or not at all; another run may have been quicker.
    let target = cache()?.join(kernel.name);
    if let Err(error) = fs::rename(&place, &target)
        && kernel.cached()?.is_none()
    {
        return Err(error).with_context(|| format!("cannot put {} into place", target.display()));
    }
    Ok(())
}

/// `vmlinuz…` in a tree of directories: below `/boot`, or since 7.1 below `/usr/lib/modules`.
fn find_image(tree: &Path) -> Result<Option<PathBuf>> {
    let mut pending = vec![tree.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with("vmlinuz") {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

/// apt with sources, lists and status of its own.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(scratch: &Path, kernels: &[Kernel]) -> Result<Self> {
        if !Path::new(KEYRING).is_file() {
            bail!(
                "{KEYRING} is missing, by which kernels are checked; the package debian-archive-keyring has it"
            );
        }
        let place = scratch.join("apt");
        for directory in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(place.join(directory))?;
        }
        fs::write(place.join("status"), "")?;
        let known = output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
            "Created-By: Packages",
        ]))
        .unwrap_or_default();
        let lines: Vec<String> = kernels
            .iter()
            .map(|kernel| {
                let address = match kernel.archive {
                    Archive::Debian => address(&known, "Debian").unwrap_or(DEBIAN),
                    Archive::Security => address(&known, "Debian-Security").unwrap_or(SECURITY),
                };
                format!("deb [arch=amd64 signed-by={KEYRING}] {address} {} main\n", kernel.suite)
            })
            .collect();
        fs::write(place.join("sources.list"), lines.concat())?;
        let directory = |key: &str, below: &str| format!("Dir::{key}={}", place.join(below).display());
        let options = vec![
            directory("State", "state"),
            directory("State::status", "status"),
            directory("Cache", "cache"),
            directory("Etc::sourcelist", "sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            // Its user may not enter our directories; what is fetched is checked all the same.
            "APT::Sandbox::User=root".to_owned(),
        ];
        let apt = Self { options };
        output(apt.command("apt-get").args(["update", "-q"])).context(
            "cannot reach Debian's archive for kernels; with a network or a mirror in apt's sources this works",
        )?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("LC_ALL", "C");
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }
}

/// Where this machine's own apt finds the archive of this label.
fn address<'a>(known: &'a str, label: &str) -> Option<&'a str> {
    known.lines().find_map(|line| {
        let mut words = line.split('|');
        (words.next() == Some("Debian") && words.next() == Some(label)).then(|| words.next()).flatten()
    })
}

/// The numbers in a package's name, by which the newest is told.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

/// Where kernels are kept from run to run.
pub(crate) fn cache() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Ok(base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("detector/kernels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_is_told_by_its_numbers() {
        let names = ["linux-image-6.12.90+deb13.1-cloud-amd64", "linux-image-6.12.117+deb13-cloud-amd64"];
        assert_eq!(names.iter().max_by_key(|name| numbers(name)), Some(&names[1]));
    }

    #[test]
    fn the_machines_own_mirror_is_taken() {
        let known =
            "Debian|Debian Backports|http://b/\nDebian|Debian-Security|http://s/\nUbuntu|Debian|http://u/\n";
        assert_eq!(address(known, "Debian-Security"), Some("http://s/"));
        assert_eq!(address(known, "Debian"), None);
    }
}
