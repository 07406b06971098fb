//! Contours of images: marching squares, and the tree that contours of several levels form.

mod chains;
mod find;
mod marching;
mod nesting;
mod stage;
#[cfg(test)]
mod tests;

pub use find::{Contour, ContourOptions, Orientation, find_contours, trace_levels};
pub use marching::Saddle;
pub use nesting::link_parents;
pub use stage::Trace;
