//! The nebuliser as a function over arrays.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis, Zip};

use crate::background::Watch;
use crate::background::order_statistics::RowValues;

use super::line_pass::{FLAG_BAD, FLAG_CLIPPED, LineFilter, WindowStatistic, filter_lines, initial_flags};
use super::params::{FilterAxis, Nebulise, Statistics};
use super::robust::{RobustStatistics, robust_of_rows, robust_residuals};
use super::square_pass::{SquareFilter, filter_square};

/// Result of [`nebulise`].
#[derive(Debug, Clone, PartialEq)]
pub struct Nebulised {
    /// Input minus background plus sky, or input over background with `norm`. Bad pixels are treated like the others.
    pub image: Array2<f32>,
    /// The background; NaN along lines without any good pixel.
    pub background: Array2<f32>,
    /// The level that was added after the subtraction (0 with `takeout_sky`); with `norm` the level of the input.
    pub sky: f32,
    /// Good pixels that were clipped at the end.
    pub n_clipped: u64,
    /// Good pixels whose value lies outside the histogram of the statistics (see [`Statistics::Histogram`]).
    pub n_outside: u64,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NebuliseError {
    /// The image has no pixels.
    #[error("the image has no pixels")]
    Empty,
    /// Image and bad-pixel map differ in shape.
    #[error("the bad-pixel map has {found:?} rows and columns, the image {expected:?}")]
    Shape {
        /// Rows and columns of the map.
        found: (usize, usize),
        /// Rows and columns of the image.
        expected: (usize, usize),
    },
    /// All pixels are bad.
    #[error("all {n_pixels} pixels are masked or not finite")]
    NoGoodPixel {
        /// Pixels of the image.
        n_pixels: usize,
    },
    /// All values lie outside the histogram.
    #[error("none of the {what} lies in the range -1000 to 65535 of the histogram")]
    OutsideHistogram {
        /// `good pixels` or `residuals`.
        what: &'static str,
    },
    /// `watch` asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Lines that `watch` will be told of: the total for a progress bar.
#[must_use]
pub fn lines_of_work(shape: (usize, usize), params: &Nebulise) -> u64 {
    let pass = (shape.0 + shape.1) as u64;
    let smooth = if smooths(params) { 2 * pass } else { 0 };
    let pass = if params.twod { shape.0 as u64 } else { pass };
    smooth + pass * (params.iterations as u64 + 1)
}

/// Whether residuals are taken from a lightly smoothed image.
fn smooths(params: &Nebulise) -> bool {
    params.iterations > 1 && params.median_px > 10
}

/// Estimates and removes the background of `pixels` (`[y, x]`); `bad` pixels are left out of every statistic.
///
/// # Errors
/// See [`NebuliseError`].
pub fn nebulise(
    pixels: ArrayView2<'_, f32>,
    bad: ArrayView2<'_, bool>,
    params: &Nebulise,
    watch: Watch<'_>,
) -> Result<Nebulised, NebuliseError> {
    if pixels.is_empty() {
        return Err(NebuliseError::Empty);
    }
    if bad.dim() != pixels.dim() {
        return Err(NebuliseError::Shape { found: bad.dim(), expected: pixels.dim() });
    }
    let mut flags = initial_flags(bad);
    Zip::from(&mut flags).and(pixels).par_for_each(|f, v| {
        if !v.is_finite() {
            *f = FLAG_BAD;
        }
    });
    if flags.iter().all(|&f| f != 0) {
        return Err(NebuliseError::NoGoodPixel { n_pixels: pixels.len() });
    }
    let passes = Passes { params, longest: pixels.nrows().max(pixels.ncols()), watch };

    let smooth = if smooths(params) { Some(passes.smooth(pixels, &flags)?) } else { None };
    let median = passes.filter(WindowStatistic::Median, params.median_px);
    let mut background = passes.median(&median, pixels, &flags, None)?;
    for _ in 1..params.iterations {
        let residual_of = smooth.as_ref().map_or(pixels, |s| s.view());
        clip(residual_of, &background, &mut flags, params)?;
        background = passes.median(&median, pixels, &flags, Some(background))?;
    }

    let background = passes.mean(background, &flags)?;
    let sky = sky_level(pixels, &flags, params.stats)?;
    let added = if params.takeout_sky { 0.0 } else { sky.median as f32 };
    // The smoothed image has done its work: the result takes its place.
    let mut image = smooth.unwrap_or_else(|| Array2::zeros(pixels.raw_dim()));
    let cells = Zip::from(&mut image).and(pixels).and(&background);
    if params.norm {
        cells.par_for_each(|to, &v, &b| *to = v / if b < 1.0 { 1.0 } else { b });
    } else {
        cells.par_for_each(|to, &v, &b| *to = v - b + added);
    }
    let n_clipped = flags.iter().filter(|&&f| f & FLAG_CLIPPED != 0).count() as u64;
    Ok(Nebulised { image, background, sky: added, n_clipped, n_outside: sky.n_outside })
}

/// The passes over the image, in the order and form that the parameters ask for.
struct Passes<'a> {
    params: &'a Nebulise,
    longest: usize,
    watch: Watch<'a>,
}

impl Passes<'_> {
    fn axes(&self) -> [Axis; 2] {
        match self.params.axis {
            FilterAxis::ColumnsFirst => [Axis(0), Axis(1)],
            FilterAxis::RowsFirst => [Axis(1), Axis(0)],
        }
    }

    fn filter(&self, statistic: WindowStatistic, window: usize) -> LineFilter {
        // The square mode needs no plan for lines.
        let longest = if self.params.twod && window == self.params.median_px { 0 } else { self.longest };
        LineFilter::new(window, statistic, self.params.exact_gaps, longest)
    }

    /// Median 5, then mean 3, always along lines.
    fn smooth(&self, pixels: ArrayView2<'_, f32>, flags: &Array2<u8>) -> Result<Array2<f32>, NebuliseError> {
        let exact = self.params.exact_gaps;
        let median = LineFilter::new(5, WindowStatistic::Median, exact, self.longest);
        let mean = LineFilter::new(3, WindowStatistic::Mean, exact, self.longest);
        let mut smooth = Array2::zeros(pixels.raw_dim());
        let [first, second] = self.axes();
        filter_lines(&median, Some(pixels), &mut smooth, flags, FLAG_BAD, first, self.watch)?;
        filter_lines(&median, None, &mut smooth, flags, FLAG_BAD, second, self.watch)?;
        filter_lines(&mean, None, &mut smooth, flags, FLAG_BAD, first, self.watch)?;
        filter_lines(&mean, None, &mut smooth, flags, FLAG_BAD, second, self.watch)?;
        Ok(smooth)
    }

    /// The median of the input, with the pixels left out that are bad or clipped at the moment.
    fn median(
        &self,
        filter: &LineFilter,
        pixels: ArrayView2<'_, f32>,
        flags: &Array2<u8>,
        space: Option<Array2<f32>>,
    ) -> Result<Array2<f32>, NebuliseError> {
        let skip = FLAG_BAD | FLAG_CLIPPED;
        if self.params.twod {
            drop(space);
            let filter = SquareFilter::new(self.params.median_px, WindowStatistic::Median, self.params.exact_gaps);
            return filter_square(filter, pixels, flags, skip, self.watch);
        }
        let mut result = space.unwrap_or_else(|| Array2::zeros(pixels.raw_dim()));
        let [first, second] = self.axes();
        filter_lines(filter, Some(pixels), &mut result, flags, skip, first, self.watch)?;
        filter_lines(filter, None, &mut result, flags, skip, second, self.watch)?;
        Ok(result)
    }

    /// The mean of the median; clipped pixels take part, because the median is defined there.
    fn mean(&self, mut median: Array2<f32>, flags: &Array2<u8>) -> Result<Array2<f32>, NebuliseError> {
        if self.params.twod {
            let filter = SquareFilter::new(self.params.linear_px, WindowStatistic::Mean, self.params.exact_gaps);
            return filter_square(filter, median.view(), flags, FLAG_BAD, self.watch);
        }
        let filter =
            LineFilter::new(self.params.linear_px, WindowStatistic::Mean, self.params.exact_gaps, self.longest);
        for axis in self.axes() {
            filter_lines(&filter, None, &mut median, flags, FLAG_BAD, axis, self.watch)?;
        }
        Ok(median)
    }
}

/// Flags the pixels that stand out of the residual; a pixel that no longer does comes back.
fn clip(
    image: ArrayView2<'_, f32>,
    background: &Array2<f32>,
    flags: &mut Array2<u8>,
    params: &Nebulise,
) -> Result<(), NebuliseError> {
    let limits = {
        let fill = |y: usize, to: &mut Vec<f32>| {
            to.resize(image.ncols(), 0.0);
            Zip::from(ArrayViewMut1::from(to))
                .and(image.row(y))
                .and(background.row(y))
                .and(flags.row(y))
                .for_each(|to, v, b, &f| *to = if f == 0 { v - b } else { f32::NAN });
        };
        let rows = RowValues { n_rows: image.nrows(), row_len: image.ncols(), fill: &fill };
        let found =
            robust_residuals(&rows, params.stats).ok_or(NebuliseError::OutsideHistogram { what: "residuals" })?;
        let low = found.median - params.clip_low_sigma * found.sigma;
        let high = found.median + params.clip_high_sigma * found.sigma;
        (low as f32)..=(high as f32)
    };
    Zip::from(&mut *flags).and(image).and(background).par_for_each(|f, &v, &b| {
        if *f & FLAG_BAD == 0 {
            // A residual of NaN (a line that was clipped as a whole) stays clipped.
            *f = if limits.contains(&(v - b)) { 0 } else { FLAG_CLIPPED };
        }
    });
    if flags.iter().all(|&f| f != 0) {
        // A handful of pixels in one histogram bin can all miss its interpolated median: clipping says nothing then.
        flags.par_mapv_inplace(|f| f & FLAG_BAD);
    }
    Ok(())
}

/// Robust median of the pixels that are neither bad nor clipped.
fn sky_level(
    pixels: ArrayView2<'_, f32>,
    flags: &Array2<u8>,
    statistics: Statistics,
) -> Result<RobustStatistics, NebuliseError> {
    let fill = |y: usize, to: &mut Vec<f32>| {
        to.resize(pixels.ncols(), 0.0);
        Zip::from(ArrayViewMut1::from(to))
            .and(pixels.row(y))
            .and(flags.row(y))
            .for_each(|to, &v, &f| *to = if f == 0 { v } else { f32::NAN });
    };
    let rows = RowValues { n_rows: pixels.nrows(), row_len: pixels.ncols(), fill: &fill };
    robust_of_rows(&rows, statistics).ok_or(NebuliseError::OutsideHistogram { what: "good pixels" })
}
