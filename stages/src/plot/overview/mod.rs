//! The three-panel picture of a run: image, residual, residual with isophotes.

mod blocks;
pub(crate) mod canvas;
pub(crate) mod colours;
mod drawing;
mod layout;
mod stage;
mod stretch;
#[cfg(test)]
mod tests;

pub use blocks::block_means;
pub use drawing::{Outline, Panels, draw_overview};
pub use stage::Overview;
pub use stretch::Stretch;
