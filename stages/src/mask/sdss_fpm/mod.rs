//! Pixel masks of the Sloan Digital Sky Survey.

mod algorithm;
mod stage;
#[cfg(test)]
mod tests;

pub use algorithm::{Region, Run, mark, read_flag, read_names};
pub use stage::SdssFpm;
