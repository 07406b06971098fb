//! Reading and writing files.

pub mod write_regions;
pub mod write_table;
