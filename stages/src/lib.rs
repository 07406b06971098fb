//! The stages that Skyloom ships: plain algorithms over arrays, and thin adapters that make them stages.
//!
//! One module folder per family; an algorithm is callable without the engine.

pub mod background;
pub mod contour;
pub mod detect;
pub mod evaluate;
pub mod expect;
pub mod filter;
pub mod io;
pub mod mask;
pub mod measure;
pub mod photometry;
pub mod plot;
pub mod psf;
pub mod rules;
pub mod segment;
pub mod simulate;
pub mod stats;
pub mod subtract;
pub mod tables;
