//! Rules about the code.
