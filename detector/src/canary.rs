//! Canaries: decoy files that nobody is asked to open, and the strings in them that nobody is asked to send.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod copies;
pub mod decoy;
mod place;
pub mod state;
mod strings;
pub mod token;
mod watch;

pub use copies::read;
pub use place::{Held, hold};
pub use strings::{Decoy, Strings};
pub use watch::{Change, Watch};

/// A file that is watched for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// What alerts call it.
    pub name: String,
    /// Where it stands, as the host sees it.
    pub path: PathBuf,
    /// What it pretends to be.
    pub kind: Kind,
    /// Strings of it that stand nowhere else. Those that `plant` made are found in the file itself.
    pub tokens: Vec<String>,
}

/// What a canary pretends to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Kind {
    /// Access keys of AWS, as in `~/.aws/credentials`.
    Aws,
    /// A private key of OpenSSH.
    Ssh,
    /// A wallet: `wallet.dat`, or an Ethereum keystore under any other name.
    Wallet,
    /// Environment of an application, with its database URL.
    Env,
    /// Access to a Kubernetes cluster.
    Kubeconfig,
    /// Key of a service account of Google Cloud.
    Gcloud,
    /// A list of passwords, or any file.
    #[default]
    File,
}

impl Kind {
    /// Word for configuration and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Ssh => "ssh",
            Self::Wallet => "wallet",
            Self::Env => "env",
            Self::Kubeconfig => "kubeconfig",
            Self::Gcloud => "gcloud",
            Self::File => "file",
        }
    }

    /// Where below the home directory of a user such a file is believable and no tool reads it by itself.
    pub fn proposal(self) -> &'static str {
        match self {
            Self::Aws => ".aws/credentials.bak",
            Self::Ssh => ".ssh/id_ed25519_backup",
            Self::Wallet => ".bitcoin.bak/wallet.dat",
            Self::Env => ".env.production",
            Self::Kubeconfig => ".kube/config.old",
            Self::Gcloud => ".config/gcloud/legacy-service-account.json",
            Self::File => "passwords.txt",
        }
    }
}
