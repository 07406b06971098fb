//! A table in the file formats of the community.

mod columns;
mod csv;
mod ecsv;
mod stage;
#[cfg(test)]
mod tests;
mod units;
mod votable;

pub use csv::csv_bytes;
pub use ecsv::ecsv_bytes;
pub use stage::{TableFormat, WriteTable, table_bytes};
pub use votable::votable_bytes;
