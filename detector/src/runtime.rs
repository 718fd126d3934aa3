//! The rim: one thread drains the rings and runs the core, a tokio runtime carries the rest.
