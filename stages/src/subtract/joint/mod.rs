//! Removing the stars of a catalogue jointly: all overlapping stars, the PSF and the sky together.

mod algorithm;
mod background;
mod brightness;
mod companions;
mod crowding;
mod field;
mod noise;
mod params;
mod power;
mod psf_stars;
mod scene;
mod select;
mod shape;
mod simplex;
mod stage;
mod star;
mod sweep;

#[cfg(test)]
mod tests;

pub use algorithm::{JointError, JointSubtraction, subtract_joint};
pub use field::SmoothPsf;
pub use params::SubtractJoint;
pub use shape::{Kernel, Shape};
pub use star::{JointFlags, JointRecord};
