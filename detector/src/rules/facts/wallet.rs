//! Wallet addresses in what a program was given: as an argument, or somewhere in a text.

use crate::event::Exec;
use crate::wallet::{Address, payable};

/// Most addresses of one exec that are told.
const MOST: usize = 16;

/// Addresses in an exec, each once.
#[derive(Debug, Default)]
pub(in crate::rules) struct Wallets<'a> {
    /// In arguments of one word: `--user=ADDRESS`, `ADDRESS.rig1`.
    pub(in crate::rules) arguments: Vec<Address<'a>>,
    /// In program text and in other arguments of several words, such as a commit message.
    pub(in crate::rules) text: Vec<Address<'a>>,
}

/// The addresses in the arguments behind the program's own name.
pub(in crate::rules) fn of(exec: &Exec) -> Wallets<'_> {
    let mut wallets = Wallets::default();
    for arg in exec.argv.iter().skip(1) {
        // A word that an interpreter takes as program text is a program of one word, which does nothing.
        let is_word = !arg.bytes().any(|byte| byte.is_ascii_whitespace());
        let found = if is_word { &mut wallets.arguments } else { &mut wallets.text };
        for address in payable(arg).chain(glued(arg).into_iter().flat_map(payable)) {
            if found.len() < MOST && !found.iter().any(|known| known.text == address.text) {
                found.push(address);
            }
        }
    }
    wallets
}

/// The value in `-uADDRESS`.
fn glued(arg: &str) -> Option<&str> {
    let rest =
        arg.strip_prefix('-').filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic()))?;
    rest.get(1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LTC: &str = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9";

    fn check(argv: &[&str], arguments: &[&str], text: &[&str]) {
        let exec = Exec { argv: argv.iter().map(|arg| (*arg).into()).collect(), ..Exec::default() };
        let wallets = of(&exec);
        let texts =
            |found: &[Address<'_>]| -> Vec<String> { found.iter().map(|one| one.text.to_owned()).collect() };
        assert_eq!(
            (texts(&wallets.arguments), texts(&wallets.text)),
            (
                arguments.iter().map(|text| (*text).to_owned()).collect(),
                text.iter().map(|text| (*text).to_owned()).collect(),
            ),
            "{argv:?}"
        );
    }

    #[test]
    fn an_argument_is_told_from_a_text() {
        check(&["a", "-u", LTC], &[LTC], &[]);
        check(&["a", &format!("--user={LTC}.rig")], &[LTC], &[]);
        check(&["a", &format!("-u{LTC}")], &[LTC], &[]);
        check(&["a", LTC, LTC], &[LTC], &[]);
        check(&["sh", "-c", &format!("./a -u {LTC}")], &[], &[LTC]);
        check(&["git", "commit", "-m", &format!("pay {LTC}")], &[], &[LTC]);
        check(&[LTC], &[], &[]);
        check(&["a", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"], &[], &[]);
    }
}
