//! Contours of images: marching squares, the tree that contours of several levels form, and the samples of the method.

mod chains;
pub mod concentrated;
pub mod expansive;
mod find;
pub mod hierarchy;
mod marching;
mod nesting;
mod numbering;
mod signal;
mod stage;
#[cfg(test)]
mod tests;
pub mod union;

pub use concentrated::Concentrated;
pub use expansive::Expansive;
pub use find::{Contour, ContourOptions, Orientation, find_contours, trace_levels};
pub use hierarchy::Hierarchy;
pub use marching::Saddle;
pub use nesting::link_parents;
pub use stage::Trace;
pub use union::Union;

pub(crate) use numbering::rows_of;
