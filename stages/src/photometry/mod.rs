//! Photometry inside isophotes.

mod isophotal;
mod stage;
#[cfg(test)]
mod tests;

pub use isophotal::{ContourLight, light_inside};
pub use stage::IsophotalPhotometry;
