//! The deployed stack.
