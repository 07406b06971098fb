//! `io.write_regions`: candidates as outlines for DS9 and as GeoJSON.

mod ds9;
mod geojson;
mod outlines;
mod stage;
#[cfg(test)]
mod tests;

pub use ds9::ds9_text;
pub use geojson::geojson_text;
pub(crate) use outlines::{label, outlines};
pub(crate) use stage::require_column;
pub use stage::{RegionFormat, WriteRegions};
