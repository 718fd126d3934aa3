//! What the operator wants: TOML, parsed once, unknown keys refused.
