//! The columns of a candidate table: names, units, descriptions, in one place.

use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder, TableError};

use super::moments::IsophoteMeasures;
use super::tree::TreeNode;

/// One candidate.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: usize,
    pub(crate) node: TreeNode,
    pub(crate) level_sigma: f64,
    /// Right ascension and declination of the light centre.
    pub(crate) sky: Option<(f64, f64)>,
    pub(crate) measures: IsophoteMeasures,
    pub(crate) fwhm_local: f64,
}

/// Names and kinds of the columns of [`candidate_table`], in order.
pub(crate) fn candidate_columns() -> Vec<(String, ColumnKind)> {
    use ColumnKind::{Bool, Float, Int, Text};
    [
        ("id", Int),
        ("parent_id", Int),
        ("root_id", Int),
        ("level_sigma", Float),
        ("is_atomic", Bool),
        ("sample", Text),
        ("x", Float),
        ("y", Float),
        ("x_light", Float),
        ("y_light", Float),
        ("ra", Float),
        ("dec", Float),
        ("r_geo", Float),
        ("r_light", Float),
        ("a", Float),
        ("b", Float),
        ("pa_deg", Float),
        ("area", Float),
        ("n_pixels", Int),
        ("median_pixel", Float),
        ("fwhm_local", Float),
        ("is_centre_inside", Bool),
        ("n_masked", Int),
        ("flags", Int),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .to_vec()
}

/// The candidates as a table.
pub(crate) fn candidate_table(rows: &[Row], sample: &str) -> Result<Table, TableError> {
    let floats = |f: &dyn Fn(&Row) -> f64| rows.iter().map(f).collect::<Vec<f64>>();
    let ints = |f: &dyn Fn(&Row) -> usize| rows.iter().map(|r| f(r) as i64).collect::<Vec<i64>>();
    let bools = |f: &dyn Fn(&Row) -> bool| rows.iter().map(f).collect::<Vec<bool>>();
    let parents = rows.iter().map(|r| r.node.parent.map(|p| p as i64)).collect();
    TableBuilder::new()
        .int("id", "", "index of the isophote in its set", ints(&|r| r.id))
        .optional_int("parent_id", "", "id of the nearest kept isophote of a lower level that contains it", parents)
        .int("root_id", "", "id of the lowest kept isophote that contains it; its own id for a root", ints(&|r| r.node.root))
        .float("level_sigma", "", "contour level in units of the local noise", floats(&|r| r.level_sigma))
        .bool(
            "is_atomic",
            "contains at most one isophote at every higher level, and its parent does not",
            bools(&|r| r.node.is_atomic),
        )
        .text("sample", "sample that the isophote belongs to", vec![sample.to_owned(); rows.len()])
        .float("x", "pix", "column of the contour's centroid, zero-based", floats(&|r| r.measures.centre[0]))
        .float("y", "pix", "row of the contour's centroid, zero-based", floats(&|r| r.measures.centre[1]))
        .float("x_light", "pix", "column of the light centre, zero-based", floats(&|r| r.measures.light_centre[0]))
        .float("y_light", "pix", "row of the light centre, zero-based", floats(&|r| r.measures.light_centre[1]))
        .float("ra", "deg", "ICRS right ascension of the light centre", floats(&|r| r.sky.map_or(f64::NAN, |s| s.0)))
        .float("dec", "deg", "ICRS declination of the light centre", floats(&|r| r.sky.map_or(f64::NAN, |s| s.1)))
        .float("r_geo", "pix", "geometric radius: sqrt(area / pi)", floats(&|r| r.measures.r_geo))
        .float("r_light", "pix", "light-weighted radius about the light centre", floats(&|r| r.measures.r_light))
        .float("a", "pix", "major semi-axis of the inertia ellipse", floats(&|r| r.measures.axes[0]))
        .float("b", "pix", "minor semi-axis of the inertia ellipse", floats(&|r| r.measures.axes[1]))
        .float("pa_deg", "deg", "direction of the major axis, from +x towards +y", floats(&|r| r.measures.pa_deg))
        .float("area", "pix2", "area inside the contour", floats(&|r| r.measures.area))
        .int("n_pixels", "", "pixels whose centres are inside the contour", ints(&|r| r.measures.n_pixels))
        .float(
            "median_pixel",
            "",
            "median of image / noise inside the inertia ellipse",
            floats(&|r| r.measures.median_pixel),
        )
        .float("fwhm_local", "pix", "FWHM of the PSF at the light centre", floats(&|r| r.fwhm_local))
        .bool("is_centre_inside", "the centroid is inside the contour", bools(&|r| r.measures.is_centre_inside))
        .int("n_masked", "", "pixels inside that are masked or have no value", ints(&|r| r.measures.n_masked))
        .int(
            "flags",
            "",
            "1 missing pixels, 2 zeroed cores, 4 light centre outside, 8 negative moment, 16 median of one pixel, 32 hole",
            rows.iter().map(|r| r.measures.flags).collect(),
        )
        .build()
}
