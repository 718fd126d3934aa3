//! Waiting for a fact with a deadline, never for time to pass.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Longest that a fact of this machine takes to show, slow machines in CI included.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Looks until there is something to return; fails with `what` when there is not within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not seen within {:.1} s", limit.as_secs_f64());
        }
        thread::park_timeout(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_never_shows_is_named() {
        let waited = wait_for("the moon", Duration::from_millis(5), || Ok(None::<()>));
        assert_eq!(waited.unwrap_err().to_string(), "the moon: not seen within 0.0 s");
    }
}
