//! Where the segments are and what they hold.

use ndarray::ArrayView2;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder, TableError};

use super::labels::Labels;

/// Measures of one segment. Coordinates are zero-based, with pixel centres at integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentMeasures {
    /// Pixels.
    pub area: usize,
    /// Sum of the pixel values; what is not finite adds nothing.
    pub flux: f64,
    /// Greatest pixel value; NaN when none is finite.
    pub peak: f64,
    /// Centre `[x, y]` of the light; of the pixels alone where the sum of the light is not positive.
    pub centre: [f64; 2],
    /// First and last column.
    pub columns: [usize; 2],
    /// First and last row.
    pub rows: [usize; 2],
}

/// Measures every segment of `image` (`[y, x]`): the first entry is that of label 1. Segments without pixels have area 0 and a
/// centre of NaN.
#[must_use]
pub fn measure_segments(image: ArrayView2<'_, f32>, segments: &Labels) -> Vec<SegmentMeasures> {
    #[derive(Clone, Copy)]
    struct Sums {
        light: [f64; 2],
        pixels: [f64; 2],
        first: [usize; 2],
    }
    let empty = SegmentMeasures {
        area: 0,
        flux: 0.0,
        peak: f64::NAN,
        centre: [f64::NAN; 2],
        columns: [usize::MAX, 0],
        rows: [usize::MAX, 0],
    };
    let mut list = vec![empty; segments.n as usize];
    let mut sums = vec![Sums { light: [0.0; 2], pixels: [0.0; 2], first: [0; 2] }; list.len()];
    for ((y, x), &label) in segments.labels.indexed_iter() {
        let Some(at) = (label as usize).checked_sub(1).filter(|&at| at < list.len()) else { continue };
        let (m, sum) = (&mut list[at], &mut sums[at]);
        if m.area == 0 {
            sum.first = [x, y];
        }
        // Relative to the first pixel: far from the origin the products would lose digits.
        let (dx, dy) = (x as f64 - sum.first[0] as f64, y as f64 - sum.first[1] as f64);
        m.area += 1;
        m.columns = [m.columns[0].min(x), m.columns[1].max(x)];
        m.rows = [m.rows[0].min(y), m.rows[1].max(y)];
        sum.pixels = [sum.pixels[0] + dx, sum.pixels[1] + dy];
        let value = image.get([y, x]).copied().map_or(f64::NAN, f64::from);
        if value.is_finite() {
            m.flux += value;
            m.peak = m.peak.max(value);
            sum.light = [sum.light[0] + dx * value, sum.light[1] + dy * value];
        }
    }
    for (m, sum) in list.iter_mut().zip(&sums).filter(|(m, _)| m.area > 0) {
        let (weighted, weight) = if m.flux > 0.0 { (sum.light, m.flux) } else { (sum.pixels, m.area as f64) };
        m.centre = [0, 1].map(|i| sum.first[i] as f64 + weighted[i] / weight);
    }
    list
}

/// Names and kinds of the columns of [`segment_table`].
pub(super) fn segment_columns(has_parents: bool) -> Vec<(String, ColumnKind)> {
    let mut columns = vec![("id", ColumnKind::Int)];
    if has_parents {
        columns.push(("parent_id", ColumnKind::Int));
    }
    columns.extend(["x", "y"].map(|n| (n, ColumnKind::Float)));
    columns.push(("area", ColumnKind::Int));
    columns.extend(["flux", "peak"].map(|n| (n, ColumnKind::Float)));
    columns.extend(["x_min", "x_max", "y_min", "y_max"].map(|n| (n, ColumnKind::Int)));
    columns.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()
}

/// One row per segment, in order of labels.
pub(super) fn segment_table(
    list: &[SegmentMeasures],
    parents: Option<&[u32]>,
    unit: &str,
) -> Result<Table, TableError> {
    let floats = |f: fn(&SegmentMeasures) -> f64| list.iter().map(f).collect::<Vec<f64>>();
    let ints = |f: fn(&SegmentMeasures) -> usize| list.iter().map(|m| f(m) as i64).collect::<Vec<i64>>();
    let mut builder = TableBuilder::new().int("id", "", "label of the segment", (1..=list.len() as i64).collect());
    if let Some(parents) = parents {
        let ids = parents.iter().map(|&p| i64::from(p)).collect();
        builder = builder.int("parent_id", "", "label of the segment before it was divided", ids);
    }
    builder
        .float("x", "pix", "column of the light centre, zero-based", floats(|m| m.centre[0]))
        .float("y", "pix", "row of the light centre, zero-based", floats(|m| m.centre[1]))
        .int("area", "pix2", "pixels", ints(|m| m.area))
        .float("flux", unit, "sum of the pixel values", floats(|m| m.flux))
        .float("peak", unit, "greatest pixel value", floats(|m| m.peak))
        .int("x_min", "pix", "first column", ints(|m| m.columns[0]))
        .int("x_max", "pix", "last column", ints(|m| m.columns[1]))
        .int("y_min", "pix", "first row", ints(|m| m.rows[0]))
        .int("y_max", "pix", "last row", ints(|m| m.rows[1]))
        .build()
}
