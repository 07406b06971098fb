//! Background estimation: nebuliser and mesh.

pub mod mesh;
pub mod nebuliser;
mod order_statistics;
