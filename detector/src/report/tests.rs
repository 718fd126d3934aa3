//! What the report promises.
