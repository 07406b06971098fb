//! The running medians alone: the heart of the nebuliser, once along the rows and once along the columns.

use ndarray::{Array2, ArrayView2, Axis};

use crate::background::Watch;

use super::algorithm::NebuliseError;
use super::line_pass::{FLAG_BAD, LineFilter, WindowStatistic, filter_lines};

/// Running medians of `pixels` (`[y, x]`) in windows of `window_px` (made odd) along the rows, then along the columns.
///
/// As in the nebuliser: lines are extended at their ends by point reflection, pixels without a finite value are left out and filled
/// afterwards, and lines with fewer good pixels than the window stay as they are. `watch` hears of rows and columns.
///
/// # Errors
/// When the image has no pixels, or `watch` asks to stop.
pub fn running_medians(
    pixels: ArrayView2<'_, f32>,
    window_px: usize,
    watch: Watch<'_>,
) -> Result<Array2<f32>, NebuliseError> {
    if pixels.is_empty() {
        return Err(NebuliseError::Empty);
    }
    let longest = pixels.nrows().max(pixels.ncols());
    let filter = LineFilter::new(window_px.max(1), WindowStatistic::Median, false, longest);
    let (flags, mut result) = (Array2::zeros(pixels.raw_dim()), Array2::zeros(pixels.raw_dim()));
    filter_lines(&filter, Some(pixels), &mut result, &flags, FLAG_BAD, Axis(1), watch)?;
    filter_lines(&filter, None, &mut result, &flags, FLAG_BAD, Axis(0), watch)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_they_are_medians_of_medians() {
        let pixels = Array2::from_shape_fn((40, 50), |(y, x)| ((y * 7919 + x * 104_729 + y * x * 31) % 1009) as f32);
        let found = running_medians(pixels.view(), 7, &|_| true).unwrap();
        let median = |mut values: Vec<f32>| {
            values.sort_unstable_by(f32::total_cmp);
            values[3]
        };
        for y in 3..37 {
            for x in 3..47 {
                let rows = (y - 3..=y + 3).map(|y| median((x - 3..=x + 3).map(|x| pixels[[y, x]]).collect()));
                assert_eq!(found[[y, x]], median(rows.collect()), "{y}, {x}");
            }
        }
        assert_eq!(running_medians(Array2::zeros((0, 3)).view(), 7, &|_| true), Err(NebuliseError::Empty));
        assert_eq!(running_medians(pixels.view(), 7, &|_| false), Err(NebuliseError::Stopped));
    }
}
