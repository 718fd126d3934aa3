//! Shared ground of the live tests.
