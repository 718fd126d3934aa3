//! Facts that a rule cannot read off a string: they take a parser, and each parser has its file.

use crate::event::Exec;

pub(super) mod miner;
pub(super) mod program;
pub(super) mod script;
pub(super) mod ssh;
pub(super) mod wallet;

use miner::Token;
use program::Names;
use ssh::Ssh;
use wallet::Wallets;

/// What the parsers say about one executed program.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Names that the program goes by, lower case: of the file, argv\[0\], the task and the script.
    pub(super) programs: Names<'a>,
    /// Present where the program is an SSH client.
    pub(super) ssh: Option<Ssh>,
    /// What of a miner's command line stands in argv.
    pub(super) miner: Vec<Token>,
    /// The program text given on the command line (`sh -c`, `python -c`, …).
    pub(super) script: Option<&'a str>,
    /// What of a miner's command line stands in that text.
    pub(super) script_miner: Vec<Token>,
    /// Wallet addresses in argv.
    pub(super) wallets: Wallets<'a>,
}

impl<'a> Facts<'a> {
    /// Parses one exec.
    pub(super) fn of(exec: &'a Exec) -> Self {
        let script = script::text(exec);
        Self {
            programs: program::names(exec),
            ssh: ssh::parse(exec),
            miner: miner::tokens(exec.argv.iter().skip(1).map(AsRef::as_ref)),
            script,
            script_miner: script.map(miner::tokens_in_text).unwrap_or_default(),
            wallets: wallet::of(exec),
        }
    }
}
