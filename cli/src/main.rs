//! The skyloom command.
fn main() {}
