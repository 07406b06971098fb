//! Exposures of surveys whose files hold more than pixels: a mask plane with named flags, and a map of the noise.
//!
//! - `layout`: which HDU of which file is what.
//! - `planes`: from the flags of a survey to the bits of the mask plane.
//! - `calibration`: from cards and tables to the zero point.
//! - `algorithm`: reading, masking, variance to noise.
//! - `stage`: the adapter.

mod algorithm;
mod calibration;
mod layout;
mod planes;
mod stage;
#[cfg(test)]
mod tests;

pub use layout::ExposureLayout;
pub use stage::ReadExposure;
