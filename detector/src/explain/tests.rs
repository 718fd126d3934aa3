//! What explanations promise.
