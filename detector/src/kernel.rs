//! Loads and attaches the probes, and reads what they write.
