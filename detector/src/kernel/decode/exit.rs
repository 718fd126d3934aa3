//! How a process ended, and what it used of the processors.

use detector_common::wire;

use crate::event::Exit;

pub(super) fn ended(exit: wire::Exit) -> Exit {
    let wire::Exit { status, pad: _, times } = exit;
    let [signal, code, ..] = status.to_le_bytes();
    let (user, system) = divided(times);
    Exit { user, system, code, signal: (signal & 0x7f != 0).then_some(signal & 0x7f) }
}

/// Divides what a process ran between the modes as the kernel does for getrusage(2): where it counts them by the tick,
/// their proportion is all that they say.
fn divided(times: wire::Times) -> (u64, u64) {
    let wire::Times { user, system, ran } = times;
    let both = u128::from(user) + u128::from(system);
    if both == 0 {
        return (ran, 0);
    }
    let system = u128::from(system) * u128::from(ran) / both;
    let system = u64::try_from(system).unwrap_or(ran).min(ran);
    (ran - system, system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_is_divided_in_the_proportion_of_the_modes() {
        let of = |user, system, ran| divided(wire::Times { user, system, ran });
        assert_eq!(of(30, 10, 400), (300, 100));
        assert_eq!(of(0, 10, 7), (0, 7));
        assert_eq!(of(0, 0, 7), (7, 0), "no tick met it: that is most likely user time");
        assert_eq!(of(u64::MAX, u64::MAX, u64::MAX), (u64::MAX / 2 + 1, u64::MAX / 2));
        assert_eq!(of(5, 5, 0), (0, 0));
    }
}
