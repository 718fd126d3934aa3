//! Sigma rules: loading, judging, explaining, testing.
