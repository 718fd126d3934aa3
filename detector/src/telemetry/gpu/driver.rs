//! NVML: whether it is there, and what it says of itself.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// What the dynamic linker looks for where no library is named.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// What NVIDIA's kernel modules show.
const TRACES: [&str; 2] = ["/proc/driver/nvidia/version", "/dev/nvidiactl"];

/// Why GPUs cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// Neither library nor kernel modules.
    #[error("there is no NVIDIA driver on this machine")]
    NoDriver,
    /// The library cannot be loaded.
    #[error("the NVML library {} cannot be loaded", library.display())]
    Library {
        /// Which.
        library: PathBuf,
        /// Why.
        source: NvmlError,
    },
    /// It was loaded and refuses.
    #[error("NVML does not start")]
    Init {
        /// Why.
        source: NvmlError,
    },
    /// A call does not return.
    #[error("a call of NVML does not return")]
    Hangs,
    /// It worked and does so no longer.
    #[error("NVML does not answer")]
    Lost {
        /// Why.
        source: NvmlError,
    },
}

impl GpuError {
    /// What to do about it, one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoDriver => "install NVIDIA's driver, or name its library in `[telemetry.gpu] library`",
            Self::Library { .. } => {
                "install libnvidia-ml of the driver's version, or name it in `[telemetry.gpu] library`"
            }
            Self::Hangs | Self::Init { .. } | Self::Lost { .. } => {
                "see what `nvidia-smi` and `dmesg` say; in a container, pass the driver and its devices in"
            }
        }
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            // What the linker says is part of what `nvml-wrapper` says.
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        text
    }
}

/// Whether kernel modules of NVIDIA's show.
pub(super) fn is_there() -> bool {
    TRACES.iter().any(|trace| Path::new(trace).exists())
}

/// That GPUs of others are there, as a gap.
pub(super) fn others() -> Option<String> {
    Path::new("/dev/kfd").exists().then(|| "GPUs are not measured: those of AMD have no NVML".to_owned())
}

/// Loads and starts NVML.
///
/// # Errors
/// It is not there, or refuses.
pub(super) fn open(library: Option<&Path>) -> Result<Nvml, GpuError> {
    let path = library.unwrap_or(Path::new(LIBRARY));
    match Nvml::builder().lib_path(path.as_os_str()).init() {
        Ok(nvml) => Ok(nvml),
        Err(NvmlError::LibloadingError(_)) if library.is_none() && !is_there() => Err(GpuError::NoDriver),
        Err(source @ NvmlError::LibloadingError(_)) => {
            Err(GpuError::Library { library: path.to_owned(), source })
        }
        Err(source) => Err(GpuError::Init { source }),
    }
}
