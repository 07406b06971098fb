//! The frame of an image: its size, and its place in the larger image that it is a part of.

use skyloom_data::facets::{ColumnKind, TableFacet};
use skyloom_data::fits::ImageHeader;
use skyloom_data::{Table, TableBuilder};
use skyloom_engine::{Facet, StageError};

/// What ports that give the table are for.
pub(crate) const DOC: &str =
    "one row: width, height, and x0, y0, the place of pixel (0, 0) in the frame of the parent image";

/// The table of one image.
pub(crate) fn table((width, height): (usize, usize), (x0, y0): (f64, f64)) -> Result<Table, StageError> {
    TableBuilder::new()
        .int("width", "pix", "columns", vec![width as i64])
        .int("height", "pix", "rows", vec![height as i64])
        .float("x0", "pix", "column of pixel (0, 0) in the frame of the parent image", vec![x0])
        .float("y0", "pix", "row of pixel (0, 0) in the frame of the parent image", vec![y0])
        .build()
        .map_err(StageError::data)
}

/// Its columns.
pub(crate) fn facet() -> Facet {
    let columns =
        [("width", ColumnKind::Int), ("height", ColumnKind::Int), ("x0", ColumnKind::Float), ("y0", ColumnKind::Float)];
    let columns = Some(columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec());
    TableFacet { columns }.to_facet()
}

/// Where pixel (0, 0) lies in the frame of the parent, zero-based: LTV1 and LTV2, negated; (0, 0) without them.
pub(crate) fn origin(header: &ImageHeader) -> (f64, f64) {
    let axis = |n| by_ltv(header, n).unwrap_or(0.0);
    (axis(1), axis(2))
}

/// The same for exposures of `afw`; `None` where the file does not say.
///
/// They have it twice: as the alternative description A of the coordinates (`CRVAL1A` is the place of pixel `CRPIX1A`), which `afw`
/// reads itself, and as LTV1, LTV2 for display programs.
pub(crate) fn afw_origin(header: &ImageHeader) -> Option<(f64, f64)> {
    let axis = |n: u8| {
        let value = number(header, &format!("CRVAL{n}A"));
        let pixel = number(header, &format!("CRPIX{n}A")).unwrap_or(1.0);
        let is_linear = header.get(&format!("CTYPE{n}A")).is_some();
        value.filter(|_| is_linear).map(|v| v + 1.0 - pixel).or_else(|| by_ltv(header, n))
    };
    Some((axis(1)?, axis(2)?))
}

fn by_ltv(header: &ImageHeader, axis: u8) -> Option<f64> {
    number(header, &format!("LTV{axis}")).map(|v| 0.0 - v)
}

fn number(header: &ImageHeader, key: &str) -> Option<f64> {
    header.header_with(key).and_then(|h| h.float(key)).filter(|v| v.is_finite())
}
