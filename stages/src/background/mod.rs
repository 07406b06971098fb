//! Background estimation: nebuliser and mesh.

mod bad_count;
pub mod masked_mesh;
pub mod mesh;
pub mod nebuliser;
mod order_statistics;
mod watch;

pub use watch::Watch;
