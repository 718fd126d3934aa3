//! Inputs on disk: zstd-compressed, versioned, replayable on any machine.
