//! `cargo xtask demo`.

use anyhow::Result;

/// Options.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Runs the command.
pub(crate) fn main(_arguments: &Arguments) -> Result<()> {
    Ok(())
}
