//! The marks of all protocols as one table that the kernel half walks, a byte a step.
